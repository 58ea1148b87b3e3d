"""HL7 v2 messages on record: that one came before it is acknowledged, that one went out before it is settled."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import lru_cache, partial
from typing import Any

from hl7.conditions import Hl7Error
from hl7.ports import Arrival, Beside, Inbox, Outgoing, Together
from hl7.ports import Outbox as Queue
from ihe_profiles.exchange.conditions import located
from pacsd.audit.codes import DESTINATION_ROLE, SOURCE_ROLE, Action, Code, Event, Kind, Outcome
from pacsd.audit.message import Agent, AuditMessage, AuditObject, Form, Recordable, patient
from pacsd.audit.trail import Recorder, now

EVENTS: Mapping[str, tuple[Event, Action]] = {       # by message code
    "ADT": (Event.PATIENT_RECORD, Action.UPDATE), "ORM": (Event.ORDER_RECORD, Action.UPDATE),
    "OMG": (Event.ORDER_RECORD, Action.UPDATE), "OMI": (Event.ORDER_RECORD, Action.UPDATE),
    "SIU": (Event.ORDER_RECORD, Action.UPDATE), "ORU": (Event.PROCEDURE_RECORD, Action.UPDATE),
    "MDM": (Event.PROCEDURE_RECORD, Action.UPDATE), "QBP": (Event.QUERY, Action.EXECUTE),
}  # fmt: skip
_OTHERS = (Event.PATIENT_RECORD, Action.EXECUTE)
_V2 = "urn:oid:2.16.840.1.113883.12.3"   # table 0003
_CONTROL_ID = 64                         # characters of one, at most
_FORMS, _SHORT = 256, 256                # forms that are kept; characters of a sender's names that are, at most


class RecordedInbox:
    """hl7.ports.Inbox; `source`: as whom we record. Raises Hl7Error, also where the record cannot be made."""

    def __init__(self, inbox: Inbox, recorder: Recorder, source: str) -> None:
        self._inbox = inbox
        self._recorder = recorder
        self._source = source
        self._form = lru_cache(maxsize=_FORMS)(self._new_form)

    def take(
        self, arrival: Arrival, answers: Sequence[bytes], act: Callable[[Any], Sequence[str]] | None, *,
        subject: tuple[str, str] | None = None, together: Together | None = None, beside: Beside | None = None,
    ) -> Sequence[bytes]:  # fmt: skip
        """Take it, and record that before it is acknowledged: one that is not is sent again, and not done twice.

        It is recorded while it is committed: only a commit that comes to nothing is recorded and did not happen, and
        that it failed is recorded besides.
        """
        if beside is not None:
            raise ValueError("what is recorded is what is done beside it")
        record = Beside(self._begin, self._taken(arrival, subject))
        return self._inbox.take(arrival, answers, act, subject=subject, together=together, beside=record)

    def asked(self, arrival: Arrival) -> None:
        """Record a query before its answer."""
        self._inbox.asked(arrival)
        self._write(arrival, Outcome.SUCCESS)

    def refuse(self, arrival: Arrival, answers: Sequence[bytes], error: Hl7Error) -> None:
        """Keep a message that had no effect; nothing is given out with its answer."""
        self._inbox.refuse(arrival, answers, error)
        self._write(arrival, Outcome.MINOR_FAILURE)

    def _begin(self, messages: Sequence[Recordable], now: bool) -> Callable[[], None]:
        """Begin to record, by another thread if not `now`; what is returned comes back when that is on the disk.

        Both raise PacsdError.
        """
        begun = self._recorder.begin(lambda: messages, later=now)
        return _nothing if begun is None else partial(self._wait, begun)

    def _wait(self, begun: "Future[None]") -> None:
        self._recorder.settle(begun)
        begun.result()

    def _write(self, arrival: Arrival, outcome: Outcome) -> None:
        with located(None):
            self._recorder.write(self._message(arrival, outcome, None))

    def _taken(self, arrival: Arrival, subject: tuple[str, str] | None) -> Recordable:
        """The record of a message that took effect: one about one patient differs from others of its sender and kind
        in that and its control id alone."""
        who, kind = _sender(arrival), arrival.message_type
        if subject is None or not kind or len(who) + len(kind) > _SHORT or _is_query(kind):
            return self._message(arrival, Outcome.SUCCESS, subject)
        about = patient(subject[1], subject[0]), AuditObject(Kind.MESSAGE, arrival.control_id[:_CONTROL_ID])
        return self._form(kind, who, arrival.organisation, arrival.address).filled(now(), about)

    def _new_form(self, kind: str, who: str, organisation: str, address: str) -> Form:
        return Form(_told(kind, Outcome.SUCCESS, self._agents(who, organisation, address), ()))

    def _message(self, arrival: Arrival, outcome: Outcome, subject: tuple[str, str] | None) -> AuditMessage:
        objects = [patient(subject[1], subject[0])] if subject else _patients(arrival.body)
        objects += _objects(arrival.message_type, arrival.control_id, arrival.body)
        agents = self._agents(_sender(arrival), arrival.organisation, arrival.address)
        return _told(arrival.message_type, outcome, agents, objects)

    def _agents(self, who: str, organisation: str, address: str) -> tuple[Agent, Agent]:
        asker = Agent(who, requestor=True, organisation=organisation, address=address, role=SOURCE_ROLE)
        return asker, Agent(self._source, role=DESTINATION_ROLE)


class RecordedQueue:
    """hl7.ports.Outbox of one destination: what went out is recorded before it is settled. Raises Hl7Error."""

    def __init__(self, queue: Queue, recorder: Recorder, source: str, destination: tuple[str, str]) -> None:
        """`destination`: its name and host."""
        self._queue = queue
        self._recorder = recorder
        self._source = source
        self._destination = destination

    def next(self) -> Outgoing | None:
        """The message whose turn it is."""
        return self._queue.next()

    def delivered(self, outgoing: Outgoing, answer: bytes) -> None:
        """The destination took it."""
        self._write(outgoing, Outcome.SUCCESS)
        self._queue.delivered(outgoing, answer)

    def refused(self, outgoing: Outgoing, answer: bytes, problem: str) -> None:
        """The destination will never take it as it is; it has seen it."""
        self._write(outgoing, Outcome.MINOR_FAILURE)
        self._queue.refused(outgoing, answer, problem)

    def failed(self, outgoing: Outgoing, problem: str) -> None:
        """Not this time."""
        self._queue.failed(outgoing, problem)

    def _write(self, outgoing: Outgoing, outcome: Outcome) -> None:
        fields = outgoing.body.partition(b"\r")[0].split(b"|")
        kind = fields[8].decode("ascii", "replace")[:32] if len(fields) > 8 else ""
        control = fields[9].decode("ascii", "replace")[:64] if len(fields) > 9 else ""
        name, host = self._destination
        ours = Agent(self._source, requestor=True, role=SOURCE_ROLE)
        theirs = Agent(name, address=host, role=DESTINATION_ROLE)
        with located(None):
            self._recorder.write(AuditMessage(
                Event.EXPORT, Action.READ, now(), outcome, types=_types(kind), agents=(ours, theirs),
                objects=(*_patients(outgoing.body), *_objects(kind, control, outgoing.body)),
            ))  # fmt: skip


def _nothing() -> None:
    """Nothing is recorded, and nothing waited for."""


def _sender(arrival: Arrival) -> str:
    return "|".join(one for one in (arrival.facility, arrival.application) if one) or arrival.sender or "unknown"


def _told(kind: str, outcome: Outcome, agents: tuple[Agent, ...], objects: Sequence[AuditObject]) -> AuditMessage:
    event, action = EVENTS.get(kind[:3], _OTHERS)
    return AuditMessage(event, action, now(), outcome, types=_types(kind), agents=agents, objects=tuple(objects))


def _is_query(kind: str) -> bool:
    return EVENTS.get(kind[:3], _OTHERS)[0] is Event.QUERY


def _types(kind: str) -> tuple[Code, ...]:
    return (Code(kind, _V2, kind),) if kind else ()


def _objects(kind: str, control_id: str, body: bytes) -> list[AuditObject]:
    """The message itself; of a query its text."""
    objects = [AuditObject(Kind.MESSAGE, control_id[:_CONTROL_ID])]
    if _is_query(kind):
        objects.append(AuditObject(Kind.QUERY, "", query=body[:65_536]))
    return objects


def _patients(body: bytes) -> list[AuditObject]:
    """The patient of PID-3, as far as it stands there in US-ASCII with the usual delimiters."""
    for line in body.replace(b"\n", b"\r").split(b"\r"):
        if line.startswith(b"PID|"):
            fields = line.split(b"|")
            parts = (fields[3] if len(fields) > 3 else b"").split(b"~")[0].split(b"^")
            number = parts[0].decode("ascii", "replace")[:64]
            authority = parts[3].split(b"&")[0].decode("ascii", "replace")[:64] if len(parts) > 3 else ""
            return [patient(authority, number)] if number else []
    return []
