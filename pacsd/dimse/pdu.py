"""P-DATA-TF on the wire (PS3.8 9.3.5, Annex E): read straight into a reused buffer, written in single calls.

The socket is blocking, with SO_RCVTIMEO and SO_SNDTIMEO as its time limits, so that one `recv` with MSG_WAITALL brings
the rest of a whole fragment without the interpreter in between.
"""

import os
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable, Iterator

from pacsd.dimse.buffers import GATHER_BYTES, BufferPool
from pacsd.dimse.violations import AbortReason, AbortSource, GivenUp, PeerAborted, PeerGone, Violation

A_ASSOCIATE_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ = 0x01, 0x02, 0x03
P_DATA_TF, A_RELEASE_RQ, A_RELEASE_RP, A_ABORT = 0x04, 0x05, 0x06, 0x07

RELEASE_RQ = bytes((A_RELEASE_RQ, 0, 0, 0, 0, 4, 0, 0, 0, 0))        # PS3.8 9.3.6
RELEASE_RP = bytes((A_RELEASE_RP, 0, 0, 0, 0, 4, 0, 0, 0, 0))        # PS3.8 9.3.7

_COMMAND, _LAST = 0x01, 0x02             # message control header, PS3.8 E.2
_MAX_COMMAND_BYTES = 1 << 16
_AHEAD_BYTES = 16 << 10                  # read at once where a message begins: it may be all of it
_HEAD_BYTES = 12                         # of a PDU, its first PDV and that one's control header
_FIRST_PIECE_BYTES = 64 << 10            # of a data set: a header, which is read while the rest is on its way
_PIECE_BYTES = 128 << 10                 # then
_MAX_ASSOCIATE_BYTES = 1 << 20           # 128 contexts with 100 syntaxes each need less
_MAX_BUFFERS_A_CALL = 512                # half of Linux's IOV_MAX: a header and a payload each
_PDU = struct.Struct(">BxI")             # PDU type, PDU length
_LENGTH = struct.Struct(">I")
_PDV = struct.Struct(">BxIIBB")          # the same and context ID, control header

# Up to this PDU length the kernel sends from the file itself. Measured, CPU per 500 CT of 525 KB, as against buffers:
# PDUs of 16 KiB 80 for 158 ms, 32 KiB 56 for 96 ms; 64 KiB 134 for 83 ms, 128 KiB 105 for 95 ms, 256 KiB the same.
SENDFILE_PDU_BYTES = 1 << 15

Data = bytes | bytearray | memoryview


def abort_pdu(source: AbortSource, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> bytes:
    """A-ABORT (PS3.8 9.3.8)."""
    return bytes((A_ABORT, 0, 0, 0, 0, 4, 0, 0, source, reason))


class ReleaseRequested(Exception):
    """An A-RELEASE-RQ was read where a message could begin."""


class ReleaseConfirmed(Exception):
    """An A-RELEASE-RP was read where a message could begin."""


class PDataReader:
    """Messages out of P-DATA-TF PDUs; everything else raises.

    A peer's PDVs may be cut anywhere and several may share a PDU; a message's fragments have one context and
    are not mixed with another's (PS3.8 9.3.1, E.2). Raises Violation, PeerAborted, PeerGone.

    What begins a message is read with all that came with it, into a small buffer: a command and a small data set cost
    one system call. The rest of a fragment that does not fit goes straight to where it is wanted.
    """

    def __init__(self, connection: socket.socket, buffers: BufferPool, *, max_pdu_bytes: int) -> None:
        self._socket = connection
        self._is_tcp = connection.family in (socket.AF_INET, socket.AF_INET6)    # not where it is relayed
        self._buffers = buffers
        self._max_pdu_bytes = max_pdu_bytes
        self._buffer: bytearray | None = None
        self._ahead = memoryview(bytearray(_AHEAD_BYTES))
        self._at = self._end = 0                 # what of it was read and not used yet
        self._ahead_bytes = _AHEAD_BYTES         # how much to read at once, at most
        self._context_id = self._control = 0     # of the fragment that is being read
        self._pdu_left = 0                       # bytes of the current PDU behind it

    @property
    def has_more(self) -> bool:
        """Whether the PDU being read holds more PDVs, or more was read already."""
        return self._pdu_left > 0 or self._at < self._end

    def rest(self) -> None:
        """Give the buffer back: the association is idle."""
        if self._buffer is not None:
            self._buffers.give_back(self._buffer)
            self._buffer = None

    def read_command(self) -> tuple[int, bytes]:
        """The presentation context ID and the command set of the next message (PS3.7 6.3.1).

        Raises also ReleaseRequested, ReleaseConfirmed.
        """
        self._ahead_bytes = _AHEAD_BYTES
        command, context_id = bytearray(), -1
        while True:
            length = self._next_pdv(between_messages=context_id < 0)
            if not self._control & _COMMAND:
                raise Violation(AbortReason.UNEXPECTED_PARAMETER, "data set fragment without a command")
            context_id = self._same_context(context_id)
            if len(command) + length > _MAX_COMMAND_BYTES:
                raise Violation(AbortReason.INVALID_PARAMETER_VALUE, "command set above its limit")
            command += self._fragment(length)
            if self._control & _LAST:
                return context_id, bytes(command)

    def read_dataset(self, context_id: int, write: Callable[[memoryview], None]) -> None:
        """Hand the data set of the message to `write`, in pieces: while one is written the next is on its way.

        The view is good until `write` returns.
        """
        filled, last, enough = 0, 0, _FIRST_PIECE_BYTES
        while not last:
            length = self._next_pdv()
            if self._control & _COMMAND:
                raise Violation(AbortReason.UNEXPECTED_PARAMETER, "command fragment inside a data set")
            self._same_context(context_id)
            last = self._control & _LAST
            if last and not filled and length <= self._end - self._at:
                self._at += length
                with self._ahead[self._at - length : self._at] as piece:
                    write(piece)
                return
            filled = self._gather(filled, length, write)
            if last or filled >= enough:
                with memoryview(self._buffer or b"") as view, view[:filled] as piece:
                    write(piece)
                filled, enough = 0, _PIECE_BYTES

    def _gather(self, filled: int, length: int, write: Callable[[memoryview], None]) -> int:
        """Read a fragment behind what fills the buffer. Returns how much fills it now."""
        if self._buffer is None:
            self._buffer = self._buffers.lend()
        if filled + length > len(self._buffer):
            filled = self._make_room(filled, length, write)
        with memoryview(self._buffer) as view:
            self._read_payload(view[filled : filled + length])
        return filled + length

    def _make_room(self, filled: int, length: int, write: Callable[[memoryview], None]) -> int:
        """Room for `length` more bytes: a larger buffer, or an emptied one. Returns how much stays filled."""
        buffer = self._buffer or bytearray()
        if filled and filled + length > GATHER_BYTES:
            with memoryview(buffer) as view, view[:filled] as piece:
                write(piece)
            filled = 0
        if filled + length > len(buffer):
            self._buffer = bytearray(max(min(2 * len(buffer), GATHER_BYTES), filled + length))
            self._buffer[:filled] = memoryview(buffer)[:filled]
        return filled

    def _fragment(self, length: int) -> bytes:
        """The fragment whose head was just read."""
        end = self._at + length
        if end <= self._end:
            fragment, self._at = bytes(self._ahead[self._at : end]), end
            return fragment
        room = bytearray(length)
        self._read_payload(memoryview(room))
        return bytes(room)

    def _same_context(self, context_id: int) -> int:
        """The context of the fragment being read, which must be that of the message's first one."""
        if context_id >= 0 and self._context_id != context_id:
            raise Violation(AbortReason.UNEXPECTED_PARAMETER, "fragments of one message in two contexts")
        return self._context_id

    def _next_pdv(self, *, between_messages: bool = False) -> int:
        """Read up to the fragment of the next PDV; its length in bytes (PS3.8 9.3.5.1, E.2)."""
        if self._pdu_left == 0:
            pdv_length = self._next_pdu(between_messages)
        elif self._pdu_left < 6:
            raise Violation(AbortReason.INVALID_PARAMETER_VALUE, "PDU length and PDV lengths disagree")
        else:
            self._have(4)
            pdv_length = _LENGTH.unpack_from(self._ahead, self._at)[0]
            self._at += 4
            self._pdu_left -= 4
        if pdv_length < 2 or pdv_length > self._pdu_left:
            raise Violation(AbortReason.INVALID_PARAMETER_VALUE, "PDV length outside its PDU")
        self._pdu_left -= pdv_length
        self._have(2)
        at = self._at
        self._context_id, self._control = self._ahead[at], self._ahead[at + 1]
        self._at = at + 2
        return pdv_length - 2

    def _next_pdu(self, between_messages: bool) -> int:
        """Read the header of the next PDU and four bytes more: every PDU has them, A-ABORT no others."""
        self._have(6, first=between_messages)
        kind, length = _PDU.unpack_from(self._ahead, self._at)
        known = A_ASSOCIATE_RQ <= kind <= A_ABORT
        if not known or length < 4 or (kind == P_DATA_TF and length > self._max_pdu_bytes):
            raise _wrong_pdu(kind)
        self._have(10)
        if kind != P_DATA_TF:
            self._other_pdu(kind, length, between_messages)
        pdv_length: int = _LENGTH.unpack_from(self._ahead, self._at + 6)[0]
        self._at += 10
        self._pdu_left = length - 4
        return pdv_length

    def _other_pdu(self, kind: int, length: int, between_messages: bool) -> None:
        source, reason = self._ahead[self._at + 8], self._ahead[self._at + 9]
        self._at += 10
        if kind == A_ABORT and length == 4:
            raise PeerAborted(source, reason)
        if kind == A_RELEASE_RQ and between_messages and length == 4:
            raise ReleaseRequested
        if kind == A_RELEASE_RP and between_messages and length == 4:
            raise ReleaseConfirmed
        raise _wrong_pdu(kind)

    def _have(self, size: int, *, first: bool = False) -> None:
        """Have the next few bytes in the buffer, and what came with them; `first` of a message."""
        left = self._end - self._at
        if left >= size:
            return
        self._ahead[:left] = self._ahead[self._at : self._end]
        self._at, self._end = 0, left
        most = max(self._ahead_bytes, size)
        while self._end < size:
            if self._end or not first:
                self._acknowledge()
            self._end += self._some(self._ahead[self._end : most])

    def _read_payload(self, target: memoryview) -> None:
        """Fill with what is in the buffer, and the rest in one call unless that is cut short.

        More will follow what is larger than the buffer: it need not go through it.
        """
        ready = min(self._end - self._at, len(target))
        target[:ready] = self._ahead[self._at : self._at + ready]
        self._at += ready
        while ready < len(target):
            self._ahead_bytes = _HEAD_BYTES
            self._acknowledge()
            ready += self._some(target[ready:], socket.MSG_WAITALL)

    def _acknowledge(self) -> None:
        """Tell the peer's kernel at once what has arrived, before waiting for more of a message.

        A sender with Nagle's algorithm on holds its last small segment back until the ones before are acknowledged:
        DCMTK writes a header and its payload apart, and would wait 40 ms for each. The kernel forgets this option
        by itself, so it is set again before every wait. What is whole is acknowledged with its answer.
        """
        if self._is_tcp:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _some(self, target: memoryview, flags: int = 0) -> int:
        try:
            got = self._socket.recv_into(target, 0, flags)
        except OSError as error:
            raise PeerGone(cause_of(error)) from error
        if got == 0:
            raise PeerGone("closed")
        return got


def read_pdu(connection: socket.socket, *, timeout_s: float) -> tuple[int, bytes]:
    """Type and body of one PDU outside of an established association, within a time limit for all of it.

    Raises Violation for a PDU that is unknown or too long, PeerGone if none comes.
    """
    deadline = time.monotonic() + timeout_s
    head = _read_exactly(connection, 6, deadline)
    kind, length = head[0], int.from_bytes(head[2:], "big")
    if not A_ASSOCIATE_RQ <= kind <= A_ABORT or kind == P_DATA_TF or length > _MAX_ASSOCIATE_BYTES:
        raise _wrong_pdu(kind)
    return kind, _read_exactly(connection, length, deadline)


def _read_exactly(connection: socket.socket, size: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise PeerGone("silent for too long")
        try:
            connection.settimeout(left)
            piece = connection.recv(min(size - len(data), 1 << 16))
        except OSError as error:
            raise PeerGone(cause_of(error)) from error
        if not piece:
            raise PeerGone("closed")
        data += piece
    return bytes(data)


def _wrong_pdu(kind: int) -> Violation:
    if kind == P_DATA_TF:
        return Violation(AbortReason.INVALID_PARAMETER_VALUE, "PDU length outside its limits")
    if A_ASSOCIATE_RQ <= kind <= A_ABORT:
        return Violation(AbortReason.UNEXPECTED_PDU, f"PDU type {kind:02X} is not expected here")
    return Violation(AbortReason.UNRECOGNIZED_PDU, f"PDU type {kind:02X} is unknown")


def cause_of(error: OSError) -> str:
    """What went wrong with a connection, in a word or two; of TLS its own word."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS: {error.reason}"
    return "silent for too long" if isinstance(error, BlockingIOError) else type(error).__name__


def pdata(context_id: int, data: Data, *, command: bool, max_pdu_bytes: int) -> list[Data]:
    """One whole command or data set as buffers to send: a header and a slice per fragment (PS3.8 9.3.5)."""
    kind = _COMMAND if command else 0
    room = max_pdu_bytes - 6
    if len(data) <= room:
        return [_PDV.pack(P_DATA_TF, len(data) + 6, len(data) + 2, context_id, kind | _LAST), data]
    view = memoryview(data)
    parts: list[Data] = []
    for start in range(0, len(view), room):
        piece = view[start : start + room]
        last = _LAST if start + room >= len(view) else 0
        parts += (_PDV.pack(P_DATA_TF, len(piece) + 6, len(piece) + 2, context_id, kind | last), piece)
    return parts


def pdata_stream(context_id: int, chunks: Iterable[Data], *, max_pdu_bytes: int) -> Iterator[list[Data]]:
    """A data set of unknown size as groups of buffers; the last fragment is held back until the end is known.

    Fragments are of even length (PS3.8 E.2), however the chunks are; but the last, where the data set is odd.
    """
    room = max(1, (max_pdu_bytes - 6) // 2 * 2)
    held: Data = b""
    for chunk in _even(chunks):
        parts: list[Data] = []
        for start in range(0, len(chunk), room):
            if held:
                parts += (_PDV.pack(P_DATA_TF, len(held) + 6, len(held) + 2, context_id, 0), held)
            held = memoryview(chunk)[start : start + room]
        held = bytes(held)              # the source may use its chunk's memory again
        if parts:
            yield parts
    yield [_PDV.pack(P_DATA_TF, len(held) + 6, len(held) + 2, context_id, _LAST), held]


def _even(chunks: Iterable[Data]) -> Iterator[Data]:
    """The same bytes, with a last byte that makes a chunk odd before the next one instead."""
    left = b""
    for chunk in chunks:
        whole = b"".join((left, chunk)) if left else chunk
        even = len(whole) // 2 * 2
        left = bytes(whole[even:])
        if even:
            yield whole[:even] if left else whole
    if left:
        yield left


def send(connection: socket.socket, parts: list[Data]) -> None:
    """Write buffers with as few calls as the kernel allows. Raises PeerGone."""
    try:
        for start in range(0, len(parts), _MAX_BUFFERS_A_CALL):
            _send_group(connection, parts[start : start + _MAX_BUFFERS_A_CALL])
    except OSError as error:
        raise PeerGone(cause_of(error)) from error


def send_file(
    connection: socket.socket,
    context_id: int,
    before: list[Data],
    descriptor: int,
    *,
    offset_bytes: int,
    size_bytes: int,
    max_pdu_bytes: int,
) -> None:
    """Write `before`, and a data set straight from a file (sendfile(2)). Raises PeerGone.

    Each header waits for what follows it (MSG_MORE), so that they go out together.
    """
    room = max_pdu_bytes - 6
    head = b"".join(before)
    at, end = offset_bytes, offset_bytes + size_bytes
    try:
        while at < end:
            length = min(room, end - at)
            last = _LAST if at + length == end else 0
            head += _PDV.pack(P_DATA_TF, length + 6, length + 2, context_id, last)
            connection.sendall(head, socket.MSG_MORE)
            _send_range(connection, descriptor, at, at + length)
            head, at = b"", at + length
    except OSError as error:
        raise PeerGone(cause_of(error)) from error


def _send_range(connection: socket.socket, descriptor: int, at: int, end: int) -> None:
    while at < end:
        sent = os.sendfile(connection.fileno(), descriptor, at, end - at)
        if sent == 0:
            raise GivenUp("a stored object is shorter than it was")
        at += sent


def _send_group(connection: socket.socket, parts: list[Data]) -> None:
    sent = connection.sendmsg(parts)
    if sent == sum(map(len, parts)):
        return
    for part in parts:
        if sent < len(part):
            connection.sendall(memoryview(part)[sent:])
            sent = 0
        else:
            sent -= len(part)
