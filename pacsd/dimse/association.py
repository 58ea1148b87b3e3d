"""One association over a connected socket, either side of it (PS3.8 7, PS3.7 6)."""

import logging
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pacsd.access.directory import Peer
from pacsd.access.secure_connection import SecureConnection
from pacsd.archive.retrieve import FileRange
from pacsd.dimse.buffers import BufferPool
from pacsd.dimse.command import COMMAND_DATA_SET_TYPE, DATA_SET, NO_DATA_SET, STATUS, Command, Value, decode, encode
from pacsd.dimse.metering import Meter, Meters
from pacsd.dimse.negotiation import Context, QueryOptions
from pacsd.dimse.notifications import Notifications
from pacsd.dimse.pdu import (
    RELEASE_RP,
    RELEASE_RQ,
    SENDFILE_PDU_BYTES,
    Data,
    PDataReader,
    ReleaseConfirmed,
    ReleaseRequested,
    abort_pdu,
    cause_of,
    pdata,
    pdata_stream,
    send,
    send_file,
)
from pacsd.dimse.recording import Party
from pacsd.dimse.violations import (
    AbortReason,
    AbortSource,
    AssociationEnded,
    GivenUp,
    NoLongerKnown,
    PeerGone,
    PeerReleased,
    Violation,
)
from pacsd.faults import Fault, PacsdError
from pacsd.soon import soon

log = logging.getLogger("pacsd.dimse")

_QUICK_S = 0.0006                        # after an answer, until a sender of small objects sends the next one
_REST_AFTER_MS = 50                      # silence after which the receive buffer is given back
_BETWEEN_OBJECTS_S = 1.0                 # silence of a peer that may be about to go on
_SEND_PDU_BYTES = 1 << 18                # our own limit on what we send; larger ones win nothing
_SOCKET_BUFFER_BYTES = 1 << 20
_DISCARD_BYTES = 1 << 16
MAX_IDENTIFIER_BYTES = 1 << 20
UNMEASURED = Meters()


class ObjectReader(Protocol):
    """A data set on its way out, in the transfer syntax of the context it is sent in."""

    @property
    def size_bytes(self) -> int | None:
        """Its size, if that is known before it is read."""

    @property
    def file_range(self) -> FileRange | None:
        """Where it stands in a file just as it is to be sent, if it does."""

    def chunks(self, chunk_bytes: int = ...) -> Iterator[bytes]:
        """Its bytes in order."""


class Message(NamedTuple):
    """A command and the context it came in."""

    context: Context
    command: Command


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: `artim_s` PS3.8 9.1.5; `idle_s` between messages and within one."""

    artim_s: float = 30.0
    idle_s: float = 300.0


class Association:
    """Sends and receives DIMSE messages. Used by one thread; only `stop` and `cut` may be called from another.

    Everything that reads or writes raises AssociationEnded; `end` then says to the peer what is to be said.
    """

    def __init__(
        self, connection: socket.socket, buffers: BufferPool, *, max_pdu_bytes: int, timeouts: Timeouts
    ) -> None:
        tune(connection, timeouts.idle_s)
        self._socket = connection
        self._timeouts = timeouts
        self._reader = PDataReader(connection, buffers, max_pdu_bytes=max_pdu_bytes)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        self._secure = connection if isinstance(connection, SecureConnection) else None
        self._due: Message | None = None         # its data set was not read yet
        self._is_quick = False
        self._idle = False
        self._stopping = False
        self._send_pdu_bytes = _SEND_PDU_BYTES
        self.contexts: dict[int, Context] = {}
        self.options: dict[str, QueryOptions] = {}
        self.peer: Peer | None = None
        self.renewed: Callable[[Peer], Peer] = _same
        self.meter = Meter(UNMEASURED)
        self.answered: int | None = None         # the last status sent
        self.calling = self.called = ""
        self.party: Party | None = None          # who it is, for the record
        self.before_answer: Callable[[], None] | None = None     # called once, before anything is said to a request
        self.identifier = b""                    # of the request
        self.told: Mapping[str, Any] = {}        # its data set, where it was read as one
        self.notifications = Notifications(self.send)

    def establish(
        self, contexts: dict[int, Context], *, peer_max_pdu_bytes: int, options: dict[str, QueryOptions] | None = None
    ) -> None:
        """Begin with what was negotiated; a peer's maximum of 0 means none (PS3.8 D.1)."""
        self.contexts = contexts
        self.options = options or {}
        self._send_pdu_bytes = min(peer_max_pdu_bytes or _SEND_PDU_BYTES, _SEND_PDU_BYTES)

    def require_peer(self) -> Peer:
        """Who the acceptor found the peer to be, with what it sees now.

        Raises NoLongerKnown where it is nobody any more; PacsdError INTERNAL on an association of ours, UNAVAILABLE.
        """
        if self.peer is None:
            raise PacsdError(Fault.INTERNAL, "association without a peer")
        try:
            self.peer = self.renewed(self.peer)
        except PacsdError as error:
            if error.fault is Fault.UNAUTHENTICATED:
                raise NoLongerKnown(error.message) from error
            raise
        return self.peer

    # Receiving

    def receive(self) -> Message:
        """The next request. Raises PeerReleased after answering an A-RELEASE-RQ, GivenUp when idle for too long."""
        self._await_request()
        return self._read_message()

    def receive_response(self) -> Message:
        """The next message within an operation of ours."""
        if not self.readable(self._timeouts.idle_s):
            raise GivenUp("no response in time")
        return self._read_message()

    def readable(self, timeout_s: float = 0.0) -> bool:
        """Whether the peer has said something that was not read yet (or went away)."""
        if self._reader.has_more:
            return True
        if self._secure is not None:
            return self._readable_inside(self._secure, timeout_s)
        return bool(self._poll.poll(timeout_s * 1000))

    def _readable_inside(self, secure: SecureConnection, timeout_s: float) -> bool:
        try:
            return secure.readable(timeout_s)
        except OSError as error:
            raise PeerGone(cause_of(error)) from error

    def read_dataset(self, message: Message, write: Callable[[memoryview], None]) -> None:
        """Hand the message's data set to `write`, in one piece where it is not very large."""
        self._due = None
        self._reader.read_dataset(message.context.context_id, write)

    def read_identifier(self, message: Message, *, max_bytes: int = MAX_IDENTIFIER_BYTES) -> bytes:
        """A small data set as a whole. Raises PacsdError TOO_MUCH, after reading all of it."""
        identifier = bytearray()
        size = 0

        def gather(piece: memoryview) -> None:
            nonlocal size
            size += len(piece)
            if size <= max_bytes:
                identifier.extend(piece)

        self.read_dataset(message, gather)
        if size > max_bytes:
            raise PacsdError(Fault.TOO_MUCH, f"a data set of more than {max_bytes} bytes")
        self.identifier = bytes(identifier)
        return self.identifier

    def discard_dataset(self) -> None:
        """Read over the data set of the last message if nobody has read it."""
        if self._due is not None:
            self.read_dataset(self._due, lambda piece: None)

    # Sending

    def encode(self, context: Context, values: Mapping[int, Value], dataset: bytes | None = None) -> list[Data]:
        """A message as buffers for `write`."""
        parts = self.encode_command(context, values, has_dataset=dataset is not None)
        return parts if dataset is None else parts + self.encode_dataset(context, dataset)

    def encode_command(self, context: Context, values: Mapping[int, Value], *, has_dataset: bool) -> list[Data]:
        """The command of a message, which may go before many data sets."""
        status = values.get(STATUS)
        if isinstance(status, int):
            self.answered = status
        command = encode({**values, COMMAND_DATA_SET_TYPE: DATA_SET if has_dataset else NO_DATA_SET})
        return pdata(context.context_id, command, command=True, max_pdu_bytes=self._send_pdu_bytes)

    def encode_dataset(self, context: Context, dataset: bytes) -> list[Data]:
        """The data set of a message."""
        return pdata(context.context_id, dataset, command=False, max_pdu_bytes=self._send_pdu_bytes)

    def write(self, parts: list[Data]) -> None:
        """Send what `encode` made, in one call, once it is recorded. Raises NotRecorded: then nothing was sent."""
        if self.before_answer is not None:
            self._record()
        send(self._socket, parts)

    def _record(self) -> None:
        record, self.before_answer = self.before_answer, None
        if record is not None:
            record()

    def send(self, context: Context, values: Mapping[int, Value], dataset: bytes | None = None) -> None:
        """Send one message."""
        self.write(self.encode(context, values, dataset))

    def send_object(self, context: Context, values: Mapping[int, Value], reader: ObjectReader) -> None:
        """Send a message whose data set is read while it is sent (C-STORE-RQ).

        Raises PacsdError if its beginning cannot be read, and nothing was sent; GivenUp if the rest cannot: in the
        middle of a message there is no other way to say so.
        """
        command = encode({**values, COMMAND_DATA_SET_TYPE: DATA_SET})
        parts = pdata(context.context_id, command, command=True, max_pdu_bytes=self._send_pdu_bytes)
        # the kernel sends plain text
        from_file = self._send_pdu_bytes <= SENDFILE_PDU_BYTES and self._secure is None
        where = reader.file_range if from_file else None
        if where is not None and where.size_bytes:
            self._send_file(context, parts, where)
            return
        groups = pdata_stream(context.context_id, reader.chunks(), max_pdu_bytes=self._send_pdu_bytes)
        first = next(groups)
        self.write(parts + first)
        size = sum(map(len, first[1::2]))        # every other buffer is a header
        try:
            for group in groups:
                self.write(group)
                size += sum(map(len, group[1::2]))
        except PacsdError as error:
            raise GivenUp(f"a stored object cannot be read: {error.message}") from error
        self.meter.sent(size)

    def _send_file(self, context: Context, command: list[Data], where: FileRange) -> None:
        if self.before_answer is not None:
            self._record()
        send_file(
            self._socket,
            context.context_id,
            command,
            where.descriptor,
            offset_bytes=where.offset_bytes,
            size_bytes=where.size_bytes,
            max_pdu_bytes=self._send_pdu_bytes,
        )
        self.meter.sent(where.size_bytes)

    # Ending

    def stop(self) -> None:
        """From another thread: end the association as soon as it is idle; a sender between two objects is not."""
        self._stopping = True
        if self._idle:
            _quietly_shut(self._socket, socket.SHUT_RD)

    def cut(self) -> None:
        """From another thread: break the connection now."""
        _quietly_shut(self._socket, socket.SHUT_RDWR)

    def release(self) -> None:
        """Orderly release as requestor (PS3.8 7.2), collisions included; the connection is closed whatever comes."""
        try:
            self.write([RELEASE_RQ])
            self._await_release()
        except AssociationEnded as end:
            log.debug("release did not complete", extra={"cause": str(end)})
        finally:
            self.close()

    def abort(self) -> None:
        """A-ABORT from the service user (PS3.8 7.3), then close."""
        self.end(GivenUp("aborted"))

    def end(self, cause: AssociationEnded) -> None:
        """Say to the peer what this end of the association asks for, and close the connection (PS3.8 9.2.3)."""
        if isinstance(cause, Violation):
            self._say_last(abort_pdu(AbortSource.SERVICE_PROVIDER, cause.reason))
        elif isinstance(cause, GivenUp):
            self._say_last(abort_pdu(AbortSource.SERVICE_USER))
        elif isinstance(cause, PeerReleased):
            self._say_last(b"")
        self.close()

    def close(self) -> None:
        """Close the connection and give the buffer back."""
        self._reader.rest()
        self._socket.close()
        self.meter.hand_over()

    def _say_last(self, pdu: bytes) -> None:
        say_last(self._socket, pdu, wait_s=0.0 if self._stopping else self._timeouts.artim_s)

    def _await_request(self) -> None:
        if self._is_there_soon():
            return
        self._reader.rest()
        if self.readable(_BETWEEN_OBJECTS_S):
            return
        self._idle = True                        # first this, then the look at _stopping: see `stop`
        try:
            spoke = not self._stopping and self.readable(self._timeouts.idle_s)
        finally:
            self._idle = False
        if self._stopping:
            raise GivenUp("stopping")
        if not spoke:
            raise GivenUp("idle for too long")

    def _is_there_soon(self) -> bool:
        """Whether the peer goes on; one that was quick the last time is not slept for at once."""
        if self._is_quick and self._secure is None and soon(self.readable, within_s=_QUICK_S):
            return True
        began = time.perf_counter()
        is_there = self.readable(0.001 * _REST_AFTER_MS)
        self._is_quick = not self._is_quick and time.perf_counter() - began < _QUICK_S
        return is_there

    def _read_message(self) -> Message:
        self.discard_dataset()
        try:
            context_id, data = self._reader.read_command()
        except ReleaseRequested:
            self.write([RELEASE_RP])
            raise PeerReleased from None
        except ReleaseConfirmed:
            raise Violation(AbortReason.UNEXPECTED_PDU, "A-RELEASE-RP was not asked for") from None
        context = self.contexts.get(context_id)
        if context is None:
            raise Violation(AbortReason.INVALID_PARAMETER_VALUE, "presentation context was not accepted")
        message = Message(context, decode(data))
        self._due = message if message.command.has_dataset else None
        return message

    def _await_release(self) -> None:
        """Wait for A-RELEASE-RP; late data is read over (PS3.8 AR-6), a colliding request answered (AR-8, AR-9)."""
        deadline = time.monotonic() + self._timeouts.artim_s
        while time.monotonic() < deadline and self.readable(deadline - time.monotonic()):
            try:
                self._read_message()
            except PeerReleased:
                continue
            except Violation:
                return


def _same(peer: Peer) -> Peer:
    return peer


def tune(connection: socket.socket, timeout_s: float) -> None:
    """Blocking, no delay of small answers, and the kernel's own time limit on each call (0: none)."""
    connection.settimeout(None)
    limit = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1_000_000))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def say_last(connection: socket.socket, pdu: bytes, *, wait_s: float) -> None:
    """Send a last PDU, then wait for the peer to close (PS3.8 AA-1): closing first may destroy what it has not read."""
    deadline = time.monotonic() + wait_s
    try:
        connection.settimeout(5.0)
        if pdu:
            connection.sendall(pdu)
        connection.shutdown(socket.SHUT_WR)
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(_DISCARD_BYTES):
                return
    except OSError as error:
        log.debug("peer went away before the end", extra={"cause": type(error).__name__})


def _quietly_shut(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError:
        log.debug("connection is closed already")
