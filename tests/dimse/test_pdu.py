"""The P-DATA reader: any fragmentation is the same message, anything else is one clean end."""

import socket
import struct
import threading
from tempfile import TemporaryFile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.dimse.association import tune
from pacsd.dimse.buffers import GATHER_BYTES, BufferPool
from pacsd.dimse.pdu import (
    RELEASE_RQ,
    PDataReader,
    ReleaseRequested,
    pdata,
    pdata_stream,
    send_file,
)
from pacsd.dimse.violations import AbortReason, AssociationEnded, GivenUp, PeerAborted, PeerGone, Violation

MAX_PDU = 1 << 16
few = settings(max_examples=60, deadline=None, derandomize=True)


def read_message(wire: bytes, *, max_pdu_bytes: int = MAX_PDU) -> tuple[int, bytes, bytes]:
    """Feed bytes to a reader, then close; the context, command and data set it makes of them."""
    ours, theirs = socket.socketpair()
    feeder = threading.Thread(target=feed, args=(theirs, wire))
    feeder.start()
    try:
        tune(ours, 10)
        reader = PDataReader(ours, BufferPool(), max_pdu_bytes=max_pdu_bytes)
        context_id, command = reader.read_command()
        dataset = bytearray()
        reader.read_dataset(context_id, dataset.extend)
        return context_id, command, bytes(dataset)
    finally:
        ours.close()
        feeder.join(10)


class Counted(socket.socket):
    """A connection that counts what is asked of it."""

    calls = 0

    def recv_into(self, *arguments: Any) -> int:  # type: ignore[override]
        self.calls += 1
        return super().recv_into(*arguments)


@pytest.mark.parametrize(("size_bytes", "calls"), [(2_600, 1), (100_000, 2)])
def test_a_message_that_is_there_is_read_in_one_call_and_the_rest_of_a_large_one_in_another(
    size_bytes: int, calls: int
) -> None:
    ours, theirs = socket.socketpair()
    with theirs, Counted(fileno=ours.detach()) as counted:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        dataset = bytes(size_bytes)
        theirs.sendall(pdu(pdv(1, 3, b"command")) + pdu(pdv(1, 2, dataset)))
        reader = PDataReader(counted, BufferPool(), max_pdu_bytes=1 << 18)
        assert reader.read_command() == (1, b"command") and reader.has_more
        pieces: list[bytes] = []
        reader.read_dataset(1, lambda piece: pieces.append(bytes(piece)))
        assert pieces == [dataset] and not reader.has_more
        assert counted.calls == calls


def test_what_came_with_a_message_is_read_without_asking_again() -> None:
    ours, theirs = socket.socketpair()
    with theirs, Counted(fileno=ours.detach()) as counted:
        theirs.sendall(pdu(pdv(1, 3, b"query")) + pdu(pdv(1, 2, b"key")) + pdu(pdv(1, 3, b"cancel")) + RELEASE_RQ)
        reader = PDataReader(counted, BufferPool(), max_pdu_bytes=MAX_PDU)
        assert reader.read_command() == (1, b"query")
        reader.read_dataset(1, lambda piece: None)
        assert reader.has_more and reader.read_command() == (1, b"cancel") and reader.has_more
        with pytest.raises(ReleaseRequested):
            reader.read_command()
        assert counted.calls == 1 and not reader.has_more


def feed(theirs: socket.socket, wire: bytes) -> None:
    with theirs:
        try:
            theirs.sendall(wire)
        except OSError:
            return


def pdv(context_id: int, control: int, data: bytes) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context_id, control) + data


def pdu(*pdvs: bytes) -> bytes:
    body = b"".join(pdvs)
    return struct.pack(">BxI", 4, len(body)) + body


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    """Command, data set, and some way to put them on the wire."""
    pdvs = []
    contents = []
    for kind in (1, 0):
        fragments = draw(st.lists(st.binary(max_size=40), min_size=1, max_size=6))
        contents.append(b"".join(fragments))
        for n, fragment in enumerate(fragments):
            pdvs.append(pdv(3, kind | (2 if n == len(fragments) - 1 else 0), fragment))
    wire = b""
    while pdvs:
        count = draw(st.integers(1, len(pdvs)))
        wire += pdu(*pdvs[:count])
        pdvs = pdvs[count:]
    return contents[0], contents[1], wire


@few
@given(messages())
def test_any_fragmentation_gives_the_same_message(message: tuple[bytes, bytes, bytes]) -> None:
    command, dataset, wire = message
    assert read_message(wire) == (3, command, dataset)


@few
@given(st.binary(max_size=200), st.integers(7, 60))
def test_what_we_write_reads_back(dataset: bytes, max_pdu_bytes: int) -> None:
    parts = pdata(5, b"command", command=True, max_pdu_bytes=max_pdu_bytes)
    parts += pdata(5, dataset, command=False, max_pdu_bytes=max_pdu_bytes)
    assert read_message(b"".join(parts), max_pdu_bytes=max_pdu_bytes) == (5, b"command", dataset)


@few
@given(st.lists(st.binary(max_size=100), max_size=5), st.integers(7, 60))
def test_a_stream_reads_back(chunks: list[bytes], max_pdu_bytes: int) -> None:
    parts = pdata(5, b"command", command=True, max_pdu_bytes=max_pdu_bytes)
    for group in pdata_stream(5, chunks, max_pdu_bytes=max_pdu_bytes):
        parts += group
    assert read_message(b"".join(parts)) == (5, b"command", b"".join(chunks))


@few
@given(st.lists(st.binary(max_size=100), max_size=9), st.integers(8, 60))
def test_only_the_last_fragment_of_a_stream_may_be_odd(chunks: list[bytes], max_pdu_bytes: int) -> None:
    """PS3.8 E.2; DCMTK aborts where another one is."""
    parts = [part for group in pdata_stream(5, chunks, max_pdu_bytes=max_pdu_bytes) for part in group]
    lengths = [len(part) for part in parts[1::2]]
    assert not any(length % 2 for length in lengths[:-1])
    assert lengths[-1] % 2 == len(b"".join(chunks)) % 2


@few
@given(st.binary(min_size=1, max_size=3000), st.integers(0, 9), st.integers(128, 4096))
def test_a_file_reads_back(dataset: bytes, offset: int, max_pdu_bytes: int) -> None:
    with TemporaryFile() as file:
        file.write(bytes(offset) + dataset + b"behind")
        file.flush()
        wire = sent_from(file.fileno(), offset, len(dataset), max_pdu_bytes)
    assert read_message(wire) == (3, b"command", dataset)


def test_a_file_that_ends_too_early_ends_the_association() -> None:
    with TemporaryFile() as file:
        file.write(bytes(100))
        file.flush()
        with pytest.raises(GivenUp):
            sent_from(file.fileno(), 0, 200, 128)


def sent_from(descriptor: int, offset: int, size: int, max_pdu_bytes: int) -> bytes:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = pdata(3, b"command", command=True, max_pdu_bytes=128)
        send_file(ours, 3, command, descriptor, offset_bytes=offset, size_bytes=size, max_pdu_bytes=max_pdu_bytes)
        ours.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: theirs.recv(1 << 16), b""))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=64))
def test_random_bytes_end_the_association(wire: bytes) -> None:
    with pytest.raises((AssociationEnded, ReleaseRequested)):
        read_message(wire)


@few
@given(messages(), st.data())
def test_one_wrong_byte_never_hangs_or_crashes(message: tuple[bytes, bytes, bytes], data: st.DataObject) -> None:
    wire = bytearray(message[2])
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        read_message(bytes(wire))
    except (AssociationEnded, ReleaseRequested):
        return


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (pdu(pdv(1, 0, b"data")), AbortReason.UNEXPECTED_PARAMETER),
        (pdu(pdv(1, 3, b"c"), pdv(1, 1, b"c")), AbortReason.UNEXPECTED_PARAMETER),
        (pdu(pdv(1, 1, b"c"), pdv(3, 3, b"c")), AbortReason.UNEXPECTED_PARAMETER),
        (pdu(pdv(1, 3, b"c"), pdv(3, 2, b"d")), AbortReason.UNEXPECTED_PARAMETER),
        (struct.pack(">BxI", 4, MAX_PDU + 1), AbortReason.INVALID_PARAMETER_VALUE),
        (struct.pack(">BxI", 4, 0), AbortReason.INVALID_PARAMETER_VALUE),
        (struct.pack(">BxII", 4, 10, 100) + bytes(6), AbortReason.INVALID_PARAMETER_VALUE),
        (struct.pack(">BxII", 4, 10, 1) + bytes(6), AbortReason.INVALID_PARAMETER_VALUE),
        (pdu(pdv(1, 1, b"c") + b"\0\0\0"), AbortReason.INVALID_PARAMETER_VALUE),
        (pdu(*(pdv(1, 1, bytes(60000)) for _ in range(1))) * 2, AbortReason.INVALID_PARAMETER_VALUE),
        (struct.pack(">BxI", 9, 4) + bytes(4), AbortReason.UNRECOGNIZED_PDU),
        (struct.pack(">BxI", 1, 100) + bytes(100), AbortReason.UNEXPECTED_PDU),
        (pdu(pdv(1, 3, b"c")) + RELEASE_RQ, AbortReason.UNEXPECTED_PDU),
    ],
)
def test_violations_have_the_reason_of_table_9_26(wire: bytes, reason: AbortReason) -> None:
    with pytest.raises(Violation) as caught:
        read_message(wire)
    assert caught.value.reason is reason


def test_an_abort_in_the_middle_of_a_data_set_is_seen_at_once() -> None:
    wire = pdu(pdv(1, 3, b"c")) + pdu(pdv(1, 0, b"d")) + bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, 6))
    with pytest.raises(PeerAborted) as caught:
        read_message(wire)
    assert (caught.value.source, caught.value.reason) == (2, 6)


def test_a_cut_connection_is_a_peer_gone() -> None:
    with pytest.raises(PeerGone):
        read_message(pdu(pdv(1, 3, b"c")) + pdu(pdv(1, 2, b"data"))[:-1])


def test_a_large_data_set_comes_in_pieces_of_bounded_size() -> None:
    size, fragment = GATHER_BYTES * 2 + 12345, 1 << 20
    pieces: list[int] = []
    wire = pdu(pdv(1, 3, b"c"))
    data = bytes(size)
    for start in range(0, size, fragment):
        wire += pdu(pdv(1, 2 if start + fragment >= size else 0, data[start : start + fragment]))
    ours, theirs = socket.socketpair()
    feeder = threading.Thread(target=feed, args=(theirs, wire))
    feeder.start()
    reader = PDataReader(ours, BufferPool(), max_pdu_bytes=1 << 21)
    reader.read_command()
    reader.read_dataset(1, lambda piece: pieces.append(len(piece)))
    feeder.join()
    ours.close()
    assert sum(pieces) == size and max(pieces) <= GATHER_BYTES
