"""What is recorded of DIMSE operations, before they are answered (PS3.15 A.5.3).

A query, or an operation on a normalized instance, is recorded before the first byte of its answer; a transfer when the
first object of a study in an association is about to be acknowledged or sent, and again, with numbers, at its end.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.settings import RemoteAESettings
from pacsd.access.operations import Operation
from pacsd.access.principal import Principal, Role
from pacsd.archive.retrieve import InstanceRef
from pacsd.audit.audited import AUDITED
from pacsd.audit.codes import (
    DESTINATION_ROLE,
    NODE_AUTHENTICATION,
    SOURCE_ROLE,
    Action,
    Code,
    Event,
    Kind,
    Outcome,
)
from pacsd.audit.message import Agent, AuditMessage, AuditObject, patient
from pacsd.audit.trail import Recorder, Unrecorded, no_room, now
from pacsd.dimse.command import (
    AFFECTED_SOP_INSTANCE_UID,
    C_ECHO_RQ,
    C_FIND_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    N_ACTION_RQ,
    N_CREATE_RQ,
    N_DELETE_RQ,
    N_EVENT_REPORT_RQ,
    N_GET_RQ,
    N_SET_RQ,
    REQUESTED_SOP_INSTANCE_UID,
    Command,
)
from pacsd.dimse.sop_classes import Service, sop_class
from pacsd.faults import PacsdError

log = logging.getLogger("pacsd.dimse")

OPERATIONS: Mapping[int, Operation] = {  # by Command Field, where the class of the context has no other word for it
    C_ECHO_RQ: Operation.DESCRIBE,
    C_STORE_RQ: Operation.STORE_STUDIES,
    C_FIND_RQ: Operation.SEARCH_STUDIES,
    C_MOVE_RQ: Operation.RETRIEVE_STUDIES,
    C_GET_RQ: Operation.RETRIEVE_STUDIES,
}
OF_SERVICE: Mapping[Service, Operation] = {
    Service.WORKLIST: Operation.READ_WORKLIST,
    Service.MPPS: Operation.PERFORM_STEPS,
    Service.COMMITMENT: Operation.COMMIT_STORAGE,
    Service.UPS: Operation.WRITE_WORKITEMS,
}
_READING = (C_FIND_RQ, N_GET_RQ)
_PENDING = 0xFF00
_PENDING_MASK = 0xFFFE
_WARNINGS = 0xB000
_DIMSE = "urn:pacsd:dimse"
_MOST_QUERY = 1 << 16                     # bytes of a data set that stand in a record
_TOLD = ("00100020", "00100021", "0020000D")     # Patient ID, its Issuer, Study Instance UID


class NotRecorded(Exception):
    """The access cannot be recorded: it is answered with 0110H, whatever the operation, or as a C-STORE for which there
    is no room."""

    @property
    def is_full(self) -> bool:
        """Whether there is no room for the record."""
        cause = self.__cause__
        return isinstance(cause, PacsdError) and no_room(cause)


@dataclass(slots=True)
class Party:
    """Who is at the other end of an association, and what of its transfers is still to be told."""

    calling: str
    called: str
    address: str
    organisation: str = ""
    assigning_authority: str = ""
    user: Principal | None = None        # who proved to be the AE's user
    received: dict[str, Counter[str]] = field(default_factory=dict)      # by study, numbers by SOP class


class Recording:
    """Records what is asked for in associations."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        self._recorder: Recorder = recorder or Unrecorded()
        self.active = not isinstance(self._recorder, Unrecorded)

    def rejected(self, party: Party, reason: str) -> None:
        """An association that was not accepted: nothing is answered but that, so it is answered in any case."""
        message = AuditMessage(
            Event.SECURITY_ALERT, Action.EXECUTE, now(), Outcome.MINOR_FAILURE, types=(NODE_AUTHENTICATION,),
            agents=_agents(party), reason=reason,
        )  # fmt: skip
        self._begin(message, key=(party.calling, party.called, party.address, reason))

    def operation(
        self, party: Party, command: Command, abstract_syntax: str, status: int, identifier: bytes,
        told: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """One operation, before its first answer; not one of which more is told otherwise. Raises NotRecorded."""
        meant = operation_of(command.field, abstract_syntax)
        audited = AUDITED[meant]
        if audited is None:
            return
        message = AuditMessage(
            audited.event, audited.action, now(), _outcome(status), types=(_type(command.field),),
            agents=_agents(party), objects=tuple(_objects(party, command, abstract_syntax, identifier, told)),
        )  # fmt: skip
        self._write([message])

    def stored(self, party: Party, study: str, class_uid: str) -> None:
        """An object was kept: its study is recorded before the first is acknowledged. Raises NotRecorded."""
        counts = party.received.get(study)
        if counts is None:
            self._write([_transfer(Event.BEGIN_TRANSFERRING, Action.EXECUTE, _agents(party), study)])
            counts = party.received[study] = Counter()
        counts[class_uid] += 1

    def ended(self, party: Party) -> None:
        """The association is over: how much of each study came."""
        messages = [
            _transfer(Event.TRANSFERRED, Action.CREATE, _agents(party), study, counts)
            for study, counts in party.received.items()
        ]
        party.received.clear()
        if messages:
            try:
                self._write(messages)
            except NotRecorded:
                log.error("the end of a transfer was not recorded")

    def sending(
        self, party: Party, instances: Sequence[InstanceRef], field_number: int, to: RemoteAESettings | None = None
    ) -> Sent:
        """A retrieval, before its first sub-operation. Raises NotRecorded."""
        agents = _agents(party, to)
        studies = _by_study(instances) if self.active else {}
        self._write([
            _transfer(Event.BEGIN_TRANSFERRING, Action.EXECUTE, agents, study, counts, _type(field_number))
            for study, counts in studies.items()
        ])
        return Sent(self._write, agents, instances if self.active else (), _type(field_number))

    def _write(self, messages: Sequence[AuditMessage]) -> None:
        if not messages:
            return
        try:
            self._recorder.write(*messages)
        except PacsdError as error:
            raise NotRecorded from error

    def _begin(self, message: AuditMessage, *, key: tuple[str, ...]) -> None:
        try:
            recorded = self._recorder.begin(lambda: [message], key=key)
            if recorded is not None:
                recorded.result()
        except PacsdError:
            log.error("a refused association was not recorded")


class Sent:
    """A retrieval that goes on; of each study it is told in the end how much went out."""

    def __init__(
        self, write: Callable[[Sequence[AuditMessage]], None], agents: tuple[Agent, ...],
        instances: Sequence[InstanceRef], kind: Code,
    ) -> None:  # fmt: skip
        self._write = write
        self._agents = agents
        self._instances = instances
        self._kind = kind

    def finished(self, sent_uids: Collection[str], status: int, *, failed: int, remaining: int) -> None:
        """Before the final response, or when there can be none: what went out, of each study that was begun. Raises
        NotRecorded."""
        went = set(sent_uids)
        numbers = _by_study(one for one in self._instances if one.sop_instance_uid in went)
        reason = f"{failed} sub-operations failed, {remaining} not begun" if failed or remaining else ""
        self._write([
            _transfer(Event.TRANSFERRED, Action.READ, self._agents, study, numbers.get(study), self._kind,
                      outcome=Outcome.MINOR_FAILURE if remaining else _outcome(status), reason=reason)
            for study in dict.fromkeys(map(_study_of, self._instances))
        ])  # fmt: skip


def operation_of(field_number: int, abstract_syntax: str) -> Operation:
    """What is asked for, in the words of the table of operations."""
    declared = sop_class(abstract_syntax)
    if declared is not None and declared.non_patient is not None:
        return Operation.STORE_NON_PATIENT if field_number == C_STORE_RQ else Operation.READ_NON_PATIENT
    found = None if declared is None else OF_SERVICE.get(declared.service)
    if found is Operation.WRITE_WORKITEMS and field_number in _READING:
        return Operation.READ_WORKITEMS
    return found or OPERATIONS.get(field_number, Operation.STORE_STUDIES)


def _agents(party: Party, to: RemoteAESettings | None = None) -> tuple[Agent, ...]:
    user = party.user
    device = Agent(
        party.calling, requestor=user is None, organisation=party.organisation, address=party.address,
        role=SOURCE_ROLE, roles=(Role.SYSTEM.value,) if party.organisation and user is None else (),
    )  # fmt: skip
    asking = () if user is None else (Agent(
        user.subject, requestor=True, name=user.name, organisation=party.organisation, address=party.address,
        roles=tuple(sorted(one.value for one in user.roles)),
    ),)  # fmt: skip
    ours = Agent(party.called, role=DESTINATION_ROLE)
    if to is None:
        return *asking, device, ours
    return *asking, device, ours, Agent(to.title, organisation=to.organisation, address=to.host, role=DESTINATION_ROLE)


def _transfer(
    event: Event, action: Action, agents: tuple[Agent, ...], study: str, classes: Mapping[str, int] | None = None,
    kind: Code | None = None, *, outcome: Outcome = Outcome.SUCCESS, reason: str = "",
) -> AuditMessage:  # fmt: skip
    return AuditMessage(
        event, action, now(), outcome, types=(kind or _type(C_STORE_RQ),), agents=agents, reason=reason,
        objects=(AuditObject(Kind.STUDY, study, sop_classes=dict(classes or {})),),
    )  # fmt: skip


def _by_study(instances: Iterable[InstanceRef]) -> dict[str, Counter[str]]:
    studies: dict[str, Counter[str]] = defaultdict(Counter)
    for one in instances:
        studies[_study_of(one)][one.sop_class_uid] += 1
    return studies


def _study_of(one: InstanceRef) -> str:
    return one.study_instance_uid or one.sop_instance_uid


def _objects(
    party: Party, command: Command, abstract_syntax: str, identifier: bytes, told: Mapping[str, Any]
) -> Iterable[AuditObject]:
    """The query as it came (A.5.3.10), or the instance it is about; and what the data set says of patient and study."""
    number, issuer, study = (_value(told, tag) for tag in _TOLD)
    if number:
        yield patient(issuer or party.assigning_authority, number)
    if study:
        yield AuditObject(Kind.STUDY, study)
    if identifier:
        yield AuditObject(Kind.SOP_CLASS_QUERY, abstract_syntax, query=identifier[:_MOST_QUERY])
    uid = command.text(REQUESTED_SOP_INSTANCE_UID) or command.text(AFFECTED_SOP_INSTANCE_UID)
    if uid:
        yield AuditObject(Kind.URI, uid[:64], details={"name": "SOP Instance UID"})


def _value(told: Mapping[str, Any], tag: str) -> str:
    values = told.get(tag, {}).get("Value") or [""]
    text = str(values[0] or "")
    return "" if set(text) & set("*?\\") else text[:64]


def _type(field_number: int) -> Code:
    name = _NAMES.get(field_number, f"{field_number:04X}H")
    return Code(name.lower(), _DIMSE, name)


_NAMES = {
    C_STORE_RQ: "C-STORE", C_FIND_RQ: "C-FIND", C_MOVE_RQ: "C-MOVE", C_GET_RQ: "C-GET", C_ECHO_RQ: "C-ECHO",
    N_EVENT_REPORT_RQ: "N-EVENT-REPORT", N_GET_RQ: "N-GET", N_SET_RQ: "N-SET", N_ACTION_RQ: "N-ACTION",
    N_CREATE_RQ: "N-CREATE", N_DELETE_RQ: "N-DELETE",
}  # fmt: skip


def _outcome(status: int) -> Outcome:
    """Success, pending, cancel and warnings tell nothing that failed (PS3.7 Annex C)."""
    good = status in (0, 0xFE00) or status & _PENDING_MASK == _PENDING or status & 0xF000 == _WARNINGS
    return Outcome.SUCCESS if good else Outcome.MINOR_FAILURE
