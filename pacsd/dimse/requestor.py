"""Associations we open ourselves (PS3.8 7.1): to a C-MOVE destination, or to try a peer."""

import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pacsd.dimse.associate import (
    AssociateAccept,
    AssociateRequest,
    ProposedContext,
    Role,
    UserInformation,
    decode_accept,
    decode_reject,
    encode_request,
)
from pacsd.dimse.association import UNMEASURED, Association, Message, ObjectReader, Timeouts
from pacsd.dimse.buffers import BufferPool
from pacsd.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_ECHO_RQ,
    C_FIND_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    COMMAND_FIELD,
    ERROR_COMMENT,
    MEDIUM_PRIORITY,
    MESSAGE_ID,
    MESSAGE_ID_BEING_RESPONDED_TO,
    MOVE_DESTINATION,
    MOVE_ORIGINATOR_APPLICATION_ENTITY_TITLE,
    MOVE_ORIGINATOR_MESSAGE_ID,
    N_CREATE_RQ,
    N_EVENT_REPORT_RQ,
    PRIORITY,
    RESPONSE,
    Command,
    Value,
)
from pacsd.dimse.dialling import Dial, Remote, plain
from pacsd.dimse.metering import Meter, Meters
from pacsd.dimse.negotiation import ACCEPTANCE, IDENTIFIER_SYNTAXES, Context
from pacsd.dimse.notifications import EventReport
from pacsd.dimse.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, cause_of, read_pdu
from pacsd.dimse.sending import context_for, in_syntax
from pacsd.dimse.sop_classes import VERIFICATION
from pacsd.dimse.violations import AbortReason, AssociationEnded, GivenUp, Violation
from pacsd.faults import Fault, PacsdError

log = logging.getLogger("pacsd.dimse")

MAX_CONTEXTS = 128                       # odd ids from 1 to 255 (PS3.8 9.3.2.2)
_MAX_PDU_BYTES = 1 << 18
_MAX_IDS = 0xFFFF


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context to ask for; with `as_scp` in the role of SCP alone (PS3.7 D.3.3.4).

    A peer that accepts the context and says nothing of roles is taken to agree: many do.
    """

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...] = IDENTIFIER_SYNTAXES[:2]
    as_scp: bool = False


@dataclass(frozen=True, slots=True)
class Originator:
    """Whose C-MOVE a C-STORE belongs to (PS3.7 9.1.1.1.10 and .11)."""

    title: str
    message_id: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its command, and its data set if it had one."""

    command: Command
    dataset: bytes | None = None

    @property
    def status(self) -> int:
        """Status (0000,0900)."""
        return self.command.status

    @property
    def comment(self) -> str:
        """Error Comment (0000,0902)."""
        return self.command.text(ERROR_COMMENT)

    @property
    def is_pending(self) -> bool:
        """Whether more responses follow (PS3.7 C.1.3)."""
        return self.status in (0xFF00, 0xFF01)


class Requestor:
    """Opens associations under one of our titles."""

    def __init__(
        self,
        calling: str,
        *,
        timeouts: Timeouts | None = None,
        connect_timeout_s: float = 15.0,
        max_pdu_bytes: int = _MAX_PDU_BYTES,
        meters: Meters = UNMEASURED,
        dial: Dial = plain,
    ) -> None:
        self._dial = dial
        self._calling = calling
        self._timeouts = timeouts or Timeouts()
        self._connect_timeout_s = connect_timeout_s
        self._max_pdu_bytes = max_pdu_bytes
        self._meters = meters

    def connect(self, remote: Remote, proposals: Sequence[Proposal]) -> "Outgoing":
        """Open an association. Raises PacsdError: UNAVAILABLE if nobody answers, REFUSED if the peer rejects it."""
        contexts = tuple(
            ProposedContext(2 * number + 1, one.abstract_syntax, one.transfer_syntaxes)
            for number, one in enumerate(proposals[:MAX_CONTEXTS])
        )
        as_scp = dict.fromkeys(one.abstract_syntax for one in proposals[:MAX_CONTEXTS] if one.as_scp)
        roles = tuple(Role(uid, scu=False, scp=True) for uid in as_scp)
        user = UserInformation(max_pdu_bytes=self._max_pdu_bytes, roles=roles)
        request = AssociateRequest(remote.title, self._calling, contexts, user)
        try:
            connection = self._dial(remote, self._connect_timeout_s)
        except OSError as error:
            raise PacsdError(Fault.UNAVAILABLE, f"cannot connect to {remote.title}: {cause_of(error)}") from error
        try:
            accept = self._negotiate(connection, request)
            return Outgoing(self._associate(connection, request, accept))
        except (AssociationEnded, OSError) as error:
            connection.close()
            raise PacsdError(Fault.UNAVAILABLE, f"no association with {remote.title}: {error}") from error
        except PacsdError:
            connection.close()
            raise

    def _negotiate(self, connection: socket.socket, request: AssociateRequest) -> AssociateAccept:
        connection.sendall(encode_request(request))
        kind, body = read_pdu(connection, timeout_s=self._timeouts.artim_s)
        if kind == A_ASSOCIATE_RJ:
            reject = decode_reject(body)
            why = f"result {reject.result}, source {reject.source}, reason {reject.reason}"
            raise PacsdError(Fault.REFUSED, f"{request.called} rejects the association: {why}")
        if kind != A_ASSOCIATE_AC:
            raise GivenUp("the peer aborts" if kind == 7 else "the peer does not answer with A-ASSOCIATE-AC")
        return decode_accept(body)

    def _associate(
        self, connection: socket.socket, request: AssociateRequest, accept: AssociateAccept
    ) -> Association:
        abstract = {one.context_id: one.abstract_syntax for one in request.contexts}
        contexts = {
            one.context_id: _context(one.context_id, abstract[one.context_id], one.transfer_syntax, request, accept)
            for one in accept.contexts
            if one.result == ACCEPTANCE and one.context_id in abstract
        }
        association = Association(
            connection, BufferPool(kept_bytes=0), max_pdu_bytes=self._max_pdu_bytes, timeouts=self._timeouts
        )
        association.establish(contexts, peer_max_pdu_bytes=accept.user.max_pdu_bytes)
        association.calling, association.called = request.calling, request.called
        association.meter = Meter(self._meters)
        return association


class Outgoing:
    """An association of ours: invokes operations one by one. Leaving it as a context manager releases or aborts it.

    Operations raise AssociationEnded when the peer goes away, PacsdError UNSUPPORTED without a context for them.
    """

    def __init__(self, association: Association) -> None:
        self._association = association
        self._last_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, AssociationEnded):
            self._association.end(error)
        elif error is not None:
            self._association.abort()
        else:
            self._association.release()

    def accepted(self, abstract_syntax: str, transfer_syntax: str | None = None) -> Context | None:
        """A context of a class, and of a syntax if one is named."""
        for context in self._association.contexts.values():
            if context.abstract_syntax == abstract_syntax and transfer_syntax in (None, context.transfer_syntax):
                return context
        return None

    @property
    def contexts(self) -> tuple[Context, ...]:
        """Those that the peer accepted."""
        return tuple(self._association.contexts.values())

    def echo(self) -> Answer:
        """C-ECHO (PS3.7 9.1.5)."""
        context = self._context(VERIFICATION)
        values: dict[int, Value] = {COMMAND_FIELD: C_ECHO_RQ, AFFECTED_SOP_CLASS_UID: VERIFICATION}
        self._association.send(context, self._with_id(values))
        return self._answer(C_ECHO_RQ)

    def store(
        self,
        reader: ObjectReader,
        *,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        originator: Originator | None = None,
    ) -> Answer:
        """C-STORE (PS3.7 9.1.1) of a data set in the transfer syntax it is in, else in one it converts to exactly."""
        context = context_for(self._association.contexts.values(), sop_class_uid, transfer_syntax_uid)
        self._last_id = self._last_id % _MAX_IDS + 1
        values = store_request(
            self._last_id, sop_class_uid=sop_class_uid, sop_instance_uid=sop_instance_uid, originator=originator
        )
        outgoing = in_syntax(reader, source=transfer_syntax_uid, target=context.transfer_syntax)
        self._association.send_object(context, values, outgoing)
        return self._answer(C_STORE_RQ)

    def find(self, sop_class_uid: str, identifier: bytes) -> Iterator[Answer]:
        """C-FIND (PS3.7 9.1.2): the pending responses, then the final one; `identifier` in the context's syntax."""
        return self._query(C_FIND_RQ, sop_class_uid, identifier, {})

    def move(self, sop_class_uid: str, identifier: bytes, *, destination: str) -> Iterator[Answer]:
        """C-MOVE (PS3.7 9.1.4): the pending responses, then the final one."""
        return self._query(C_MOVE_RQ, sop_class_uid, identifier, {MOVE_DESTINATION: destination})

    def create(self, sop_class_uid: str, sop_instance_uid: str, attributes: bytes | None) -> Answer:
        """N-CREATE (PS3.7 10.1.5); `attributes` in the context's syntax."""
        values: dict[int, Value] = {
            COMMAND_FIELD: N_CREATE_RQ,
            AFFECTED_SOP_CLASS_UID: sop_class_uid,
            AFFECTED_SOP_INSTANCE_UID: sop_instance_uid,
        }
        self._association.send(self._context(sop_class_uid), self._with_id(values), attributes)
        return self._answer(N_CREATE_RQ)

    def report_event(self, abstract_syntax: str, report: EventReport) -> Answer:
        """N-EVENT-REPORT (PS3.7 10.1.1) in a context of `abstract_syntax`; the report's information in its syntax.

        Raises PacsdError UNSUPPORTED where the peer refuses us the role of SCP.
        """
        context = self._context(abstract_syntax)
        if not context.requestor_is_scp:
            raise PacsdError(Fault.UNSUPPORTED, f"the peer refuses the role of SCP for {abstract_syntax}")
        self._last_id = self._last_id % _MAX_IDS + 1
        self._association.send(context, report.command(self._last_id), report.information)
        return self._answer(N_EVENT_REPORT_RQ)

    def _query(self, field: int, sop_class_uid: str, identifier: bytes, more: Mapping[int, Value]) -> Iterator[Answer]:
        context = self._context(sop_class_uid)
        values: dict[int, Value] = {
            COMMAND_FIELD: field,
            AFFECTED_SOP_CLASS_UID: sop_class_uid,
            PRIORITY: MEDIUM_PRIORITY,
            **more,
        }
        self._association.send(context, self._with_id(values), identifier)
        while True:
            answer = self._answer(field)
            yield answer
            if not answer.is_pending:
                return

    def _context(self, abstract_syntax: str) -> Context:
        context = self.accepted(abstract_syntax)
        if context is None:
            raise PacsdError(Fault.UNSUPPORTED, f"the peer did not accept {abstract_syntax}")
        return context

    def _with_id(self, values: dict[int, Value]) -> dict[int, Value]:
        self._last_id = self._last_id % _MAX_IDS + 1
        return {**values, MESSAGE_ID: self._last_id}

    def _answer(self, field: int) -> Answer:
        message = self._association.receive_response()
        command = message.command
        if command.field != field | RESPONSE or command.number(MESSAGE_ID_BEING_RESPONDED_TO) != self._last_id:
            raise Violation(AbortReason.UNEXPECTED_PARAMETER, "not the response that is due")
        return Answer(command, self._dataset(message))

    def _dataset(self, message: Message) -> bytes | None:
        return self._association.read_identifier(message) if message.command.has_dataset else None


def _context(
    context_id: int, abstract_syntax: str, transfer_syntax: str, request: AssociateRequest, accept: AssociateAccept
) -> Context:
    """An accepted context with the roles that were agreed: those proposed, unless the answer takes some away."""
    proposed = next((one for one in request.user.roles if one.sop_class_uid == abstract_syntax), None)
    if proposed is None:
        return Context(context_id, abstract_syntax, transfer_syntax)
    answered = next((one for one in accept.user.roles if one.sop_class_uid == abstract_syntax), proposed)
    scu, scp = proposed.scu and answered.scu, proposed.scp and answered.scp
    return Context(context_id, abstract_syntax, transfer_syntax, scu, scp)


def store_request(
    message_id: int, *, sop_class_uid: str, sop_instance_uid: str, originator: Originator | None
) -> dict[int, Value]:
    """A C-STORE-RQ command (PS3.7 Table 9.3-1)."""
    values: dict[int, Value] = {
        COMMAND_FIELD: C_STORE_RQ,
        MESSAGE_ID: message_id,
        PRIORITY: MEDIUM_PRIORITY,
        AFFECTED_SOP_CLASS_UID: sop_class_uid,
        AFFECTED_SOP_INSTANCE_UID: sop_instance_uid,
    }
    if originator is not None:
        values[MOVE_ORIGINATOR_APPLICATION_ENTITY_TITLE] = originator.title
        values[MOVE_ORIGINATOR_MESSAGE_ID] = originator.message_id
    return values
