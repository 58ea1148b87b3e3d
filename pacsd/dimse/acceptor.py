"""The acceptor's side of an association from its first byte to its last (PS3.8 7.1, 9.2)."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from pacsd.access.directory import Identity, Peer, Refusal
from pacsd.access.origin import Origin
from pacsd.access.principal import Proof
from pacsd.access.secure_connection import SecureConnection
from pacsd.dimse import echo, find, get, move, normalized, store, ups_find
from pacsd.dimse.associate import AssociateReject, AssociateRequest, decode_request, encode_accept, encode_reject
from pacsd.dimse.association import Association, Message, Timeouts, say_last, tune
from pacsd.dimse.buffers import BufferPool
from pacsd.dimse.command import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_FIND_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    NORMALIZED,
    RESPONSE,
)
from pacsd.dimse.handover import pass_on
from pacsd.dimse.metering import Meter
from pacsd.dimse.negotiation import LOCAL_LIMIT_EXCEEDED, Acceptance, Policy, negotiate, wants_queries
from pacsd.dimse.occupancy import Alone, Place
from pacsd.dimse.operations import CLASSES
from pacsd.dimse.pdu import A_ASSOCIATE_RQ, abort_pdu, read_pdu
from pacsd.dimse.recording import NotRecorded, Party
from pacsd.dimse.relay import relay
from pacsd.dimse.services import Services
from pacsd.dimse.sop_classes import UPS_PULL, UPS_QUERY, UPS_WATCH
from pacsd.dimse.statuses import PROCESSING_FAILURE, STORE_STATUS, UNRECOGNIZED_OPERATION, response
from pacsd.dimse.violations import AbortReason, AbortSource, AssociationEnded, NoLongerKnown, PeerGone, Violation
from pacsd.faults import Fault

log = logging.getLogger("pacsd.dimse")

Handler = Callable[[Association, Message, Services], None]

HANDLERS: Mapping[int, Handler] = {      # by Command Field
    C_ECHO_RQ: echo.answer,
    C_STORE_RQ: store.answer,
    C_FIND_RQ: find.answer,
    C_MOVE_RQ: move.answer,
    C_GET_RQ: get.answer,
    **dict.fromkeys(NORMALIZED, partial(normalized.answer, classes=CLASSES)),
}
OF_CLASS: Mapping[tuple[str, int], Handler] = {          # where the class of a context has a handler of its own
    (uid, C_FIND_RQ): ups_find.answer for uid in (UPS_WATCH, UPS_PULL, UPS_QUERY)
}


class Session:
    """One connection being served; what `Acceptor.drain` may do to it from its own thread."""

    def __init__(self, connection: socket.socket, origin: Origin) -> None:
        self.connection = connection
        self.origin = origin
        self.is_relayed = False
        self.association: Association | None = None

    def stop(self) -> None:
        """End it as soon as no operation runs; of one that is relayed the process that serves it knows when."""
        if self.is_relayed:
            return
        if self.association is None:
            self.cut()
        else:
            self.association.stop()

    def cut(self) -> None:
        """Break it now."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("connection is closed already")


class Acceptor:
    """Serves connections, each on the thread that calls `run`; keeps count of them.

    `max_associations` is that of all processes that tell their number through a `place` of the same memory.
    """

    def __init__(
        self,
        services: Services,
        policy: Policy,
        timeouts: Timeouts,
        *,
        max_associations: int,
        place: Place | None = None,
        handover: Path | None = None,
        handlers: Mapping[int, Handler] = HANDLERS,
    ) -> None:
        self._services = services
        self._policy = policy
        self._timeouts = timeouts
        self._max_associations = max_associations
        self._place = place or Alone()
        self._handover = handover
        self._handlers = handlers
        self._buffers = BufferPool()
        self._sessions: set[Session] = set()
        self._changed = threading.Condition()
        self._stopping = False

    @property
    def running(self) -> int:
        """Connections being served now, those without an association yet included."""
        with self._changed:
            return len(self._sessions)

    def run(self, connection: socket.socket, origin: Origin, request_body: bytes | None = None) -> None:
        """Serve one connection to its end; `request_body` is an A-ASSOCIATE-RQ that was read already."""
        session = Session(connection, origin)
        with self._changed:
            self._sessions.add(session)
            # one that was handed over was counted where it came in, and still is there for a moment
            crowded = self._place.tell(self._served()) > self._max_associations and request_body is None
            if self._stopping:
                session.cut()
        try:
            self._serve(session, request_body, crowded)
        except Exception:                        # the last resort: the next peer is served
            log.exception("association failed")
        finally:
            connection.close()
            with self._changed:
                self._sessions.discard(session)
                self._place.tell(self._served())
                self._changed.notify_all()

    def drain(self, grace_s: float) -> None:
        """End idle associations at once and the others as they fall silent; break what is left after `grace_s`."""
        deadline = time.monotonic() + grace_s
        with self._changed:
            self._stopping = True
            for session in self._sessions:
                session.stop()
            while self._sessions and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            for session in self._sessions:
                session.cut()
            self._changed.wait_for(lambda: not self._sessions, timeout=1.0)

    def _serve(self, session: Session, body: bytes | None, crowded: bool) -> None:
        request = self._request(session, body, crowded)
        if request is None:
            return
        decision = negotiate(request, identify=self._identify(session.origin, request), policy=self._policy)
        if isinstance(decision, AssociateReject):
            self._reject(session, decision, request)
            return
        association = self._establish(session, request, decision)
        meters = self._services.meters
        meters.accepted.add()
        meters.open.add()
        try:
            association.write([encode_accept(decision.answer)])
            while True:
                self._answer(association, association.receive())
        except AssociationEnded as end:
            log.info("association ended", extra={"cause": f"{type(end).__name__}: {end}", "calling": request.calling})
            if isinstance(end, NoLongerKnown) and association.party is not None:
                self._services.recording.rejected(association.party, str(end))
            association.end(end)
        except Exception:
            log.exception("operation failed")
            association.end(Violation(AbortReason.NOT_SPECIFIED, "internal error"))
        finally:
            association.notifications.end()
            meters.open.add(-1)
            if association.party is not None:
                self._services.recording.ended(association.party)

    def _request(self, session: Session, body: bytes | None, crowded: bool) -> AssociateRequest | None:
        """The request to decide on, or None when the connection needs nothing more from this process."""
        try:
            raw = self._first_pdu(session) if body is None else body
            request = decode_request(raw)
        except Violation as error:               # PS3.8 Table 9-10, Sta2: AA-1
            log.warning("no association", extra={"cause": str(error), "address": session.origin.address})
            self._say_last(session, abort_pdu(AbortSource.SERVICE_USER))
            return None
        except PeerGone as error:
            log.debug("no association", extra={"cause": str(error), "address": session.origin.address})
            return None
        if crowded:
            self._reject(session, LOCAL_LIMIT_EXCEEDED, request)
            return None
        if body is None and self._hand_over(session, raw, request):
            return None
        return request

    def _first_pdu(self, session: Session) -> bytes:
        kind, body = read_pdu(session.connection, timeout_s=self._timeouts.artim_s)
        if kind != A_ASSOCIATE_RQ:
            raise Violation(AbortReason.UNEXPECTED_PDU, "the connection does not begin with A-ASSOCIATE-RQ")
        return body

    def _hand_over(self, session: Session, raw: bytes, request: AssociateRequest) -> bool:
        if self._handover is None or not wants_queries(request):
            return False
        connection = session.connection
        if isinstance(connection, SecureConnection):
            return self._relay(self._handover, session, connection, raw)
        return pass_on(self._handover, connection, session.origin, raw)

    def _relay(self, folder: Path, session: Session, connection: SecureConnection, raw: bytes) -> bool:
        """Have another process serve what this one decrypts; returns at the end of that. False where none takes it."""
        inner, given = socket.socketpair()
        with inner:
            with given:
                if not pass_on(folder, given, session.origin, raw):
                    return False
            with self._changed:
                session.is_relayed = True
                self._place.tell(self._served())         # it is counted where it is served
                self._changed.notify_all()
            tune(connection, self._timeouts.idle_s)
            relay(connection, inner, close_s=self._timeouts.artim_s)
            return True

    def _served(self) -> int:
        return sum(not session.is_relayed for session in self._sessions)

    def _identify(self, origin: Origin, request: AssociateRequest) -> Callable[[str, str], Peer | Refusal]:
        directory, said = self._services.directory, request.user.identity
        identity = None if said is None else Identity(said.kind, said.primary, said.secondary)
        return lambda calling, called: directory.peer(
            calling=calling, called=called, origin=origin, identity=identity
        )

    def _establish(self, session: Session, request: AssociateRequest, decision: Acceptance) -> Association:
        association = Association(
            session.connection, self._buffers, max_pdu_bytes=self._policy.max_pdu_bytes, timeouts=self._timeouts
        )
        association.establish(
            decision.contexts, peer_max_pdu_bytes=decision.peer_max_pdu_bytes, options=decision.options
        )
        association.peer, association.renewed = decision.peer, self._services.directory.renewed
        association.calling, association.called = request.calling, request.called
        association.meter = Meter(self._services.meters)
        peer = decision.peer
        association.party = Party(
            request.calling, request.called, session.origin.address, peer.organisation_code, peer.assigning_authority,
            peer.principal if peer.principal is not None and peer.principal.proof is Proof.TOKEN else None,
        )
        with self._changed:
            session.association = association
            if self._stopping:
                association.stop()
        return association

    def _reject(self, session: Session, reject: AssociateReject, request: AssociateRequest) -> None:
        log.warning(
            "association rejected",
            extra={
                "calling": request.calling,
                "called": request.called,
                "address": session.origin.address,
                "answer": (reject.result, reject.source, reject.reason),
            },
        )
        self._services.meters.rejected(reject.result, reject.source, reject.reason)
        reason = f"association rejected: result {reject.result}, source {reject.source}, reason {reject.reason}"
        self._services.recording.rejected(Party(request.calling, request.called, session.origin.address), reason)
        self._say_last(session, encode_reject(reject))

    def _say_last(self, session: Session, pdu: bytes) -> None:
        say_last(session.connection, pdu, wait_s=0.0 if self._stopping else self._timeouts.artim_s)

    def _answer(self, association: Association, message: Message) -> None:
        field, started_at = message.command.field, time.monotonic()
        association.answered = None
        association.identifier, association.told = b"", {}
        if self._services.recording.active and not field & RESPONSE and field != C_CANCEL_RQ:
            association.before_answer = partial(self._record, association, message)
        try:
            self._perform(association, message)
        finally:
            association.before_answer = None
            association.meter.performed(field, association.answered, time.monotonic() - started_at)

    def _record(self, association: Association, message: Message) -> None:
        """What is asked for, before anything is said to it. Raises NotRecorded."""
        if association.party is not None:
            self._services.recording.operation(
                association.party, message.command, message.context.abstract_syntax, association.answered or 0,
                association.identifier, association.told,
            )  # fmt: skip

    def _perform(self, association: Association, message: Message) -> None:
        field = message.command.field
        handler = self._handler(message)
        if handler is None:
            self._answer_unknown(association, message)
            return
        try:
            handler(association, message, self._services)
        except AssociationEnded:
            raise
        except NotRecorded as error:
            full = error.is_full and field == C_STORE_RQ
            association.discard_dataset()
            association.send(message.context, response(
                message.command, STORE_STATUS[Fault.FULL] if full else PROCESSING_FAILURE, comment="cannot be recorded"
            ))  # fmt: skip
        except Exception:                        # the catch-all of this edge
            log.exception("operation failed", extra={"command": f"{field:04X}"})
            association.discard_dataset()
            comment = "internal error, see the log of the server"
            association.send(message.context, response(message.command, PROCESSING_FAILURE, comment=comment))

    def _handler(self, message: Message) -> Handler | None:
        field = message.command.field
        return OF_CLASS.get((message.context.abstract_syntax, field)) or self._handlers.get(field)

    def _answer_unknown(self, association: Association, message: Message) -> None:
        """A late C-CANCEL is nothing (PS3.7 9.3.2.3); a response nobody waits for breaks the protocol."""
        field = message.command.field
        if field & RESPONSE:
            if association.notifications.answered(message.command):
                return
            raise Violation(AbortReason.UNEXPECTED_PARAMETER, "response without a request")
        association.discard_dataset()
        if field != C_CANCEL_RQ:
            association.send(message.context, response(message.command, UNRECOGNIZED_OPERATION))
