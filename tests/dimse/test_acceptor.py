"""Associations on the wire: rejects, aborts, release, limits, draining."""

import struct
import threading
import time
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacsd.dimse import command
from pacsd.dimse.associate import AssociateAccept, AssociateReject
from pacsd.dimse.pdu import RELEASE_RP, RELEASE_RQ, pdata
from tests.dimse.fakes import FakeDirectory, Server, peer, running
from tests.dimse.wire import CT, EXPLICIT, IMPLICIT, Raw, request


def until(condition: object, *, within_s: float = 10.0) -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def store_command(uid: str = "1.2.3", *, message_id: int = 1, sop_class: str = CT) -> bytes:
    values: dict[int, command.Value] = {
        command.COMMAND_FIELD: command.C_STORE_RQ,
        command.MESSAGE_ID: message_id,
        command.PRIORITY: 0,
        command.COMMAND_DATA_SET_TYPE: 1,
        command.AFFECTED_SOP_CLASS_UID: sop_class,
        command.AFFECTED_SOP_INSTANCE_UID: uid,
    }
    return b"".join(pdata(3, command.encode(values), command=True, max_pdu_bytes=16384))


def data(content: bytes) -> bytes:
    return b"".join(pdata(3, content, command=False, max_pdu_bytes=16384))


def status(raw: Raw) -> int:
    kind, body = raw.pdu()
    assert kind == 4
    return command.decode(body[6:]).status


def abort(raw: Raw) -> tuple[int, int]:
    kind, body = raw.pdu()
    assert kind == 7, kind
    return body[2], body[3]


@pytest.mark.parametrize(
    ("called", "calling", "answer"),
    [
        ("NOBODY", "RAW", AssociateReject(1, 1, 7)),
        ("PACSD", "BANNED", AssociateReject(1, 1, 3)),
    ],
)
def test_titles_are_checked(called: str, calling: str, answer: AssociateReject) -> None:
    with running(directory=FakeDirectory(refuse=frozenset(("BANNED",)))) as server, Raw(server.port) as raw:
        assert raw.associate(request(called=called, calling=calling)) == answer


def test_every_own_title_answers() -> None:
    with running() as server, Raw(server.port) as raw:
        assert isinstance(raw.associate(request(called="OLDPACS")), AssociateAccept)


def test_too_many_associations_are_refused_for_now() -> None:
    with running(max_associations=2) as server:
        with Raw(server.port) as first, Raw(server.port) as second, Raw(server.port) as third:
            assert isinstance(first.associate(), AssociateAccept)
            assert isinstance(second.associate(), AssociateAccept)
            assert third.associate() == AssociateReject(2, 3, 2)


def test_protocol_version_and_application_context() -> None:
    with running() as server:
        with Raw(server.port) as raw:
            wrong = bytearray(request())
            wrong[6:8] = b"\0\2"
            assert raw.associate(bytes(wrong)) == AssociateReject(1, 2, 2)
        with Raw(server.port) as raw:
            wrong = request().replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.9")
            assert raw.associate(wrong) == AssociateReject(1, 1, 2)


def test_titles_are_repeated_in_the_acceptance() -> None:
    with running() as server, Raw(server.port) as raw:
        accepted = raw.associate()
        assert isinstance(accepted, AssociateAccept)
        assert accepted.titles[:32] == b"PACSD".ljust(16) + b"RAW".ljust(16)


def test_release_is_confirmed() -> None:
    with running() as server, Raw(server.port) as raw:
        raw.associate()
        raw.send(RELEASE_RQ)
        assert raw.pdu() == (6, RELEASE_RP[6:])


def test_unknown_items_are_skipped() -> None:
    with running() as server, Raw(server.port) as raw:
        original = request()
        pdu = original + struct.pack(">BxH", 0x77, 3) + b"abc"
        assert isinstance(raw.associate(pdu[:2] + struct.pack(">I", len(pdu) - 6) + pdu[6:]), AssociateAccept)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (struct.pack(">BxI", 0x44, 4) + bytes(4), (2, 1)),
        (request(), (2, 2)),
        (RELEASE_RP, (2, 2)),
        (struct.pack(">BxI", 4, 0xFFFFFFF0) + bytes(64), (2, 6)),
        (struct.pack(">BxII", 4, 10, 0xFFFFFF) + bytes(6), (2, 6)),
        (b"".join(pdata(99, bytes(8), command=True, max_pdu_bytes=16384)), (2, 6)),
        (data(b"without a command"), (2, 5)),
        (store_command() + store_command(), (2, 5)),
        (b"".join(pdata(1, b"not a command set", command=True, max_pdu_bytes=16384)), (2, 6)),
        (struct.pack(">BxIIBB", 4, 70002, 69998, 1, 1) + bytes(69996), (2, 6)),
    ],
)
def test_violations_are_aborted_with_their_reason(wire: bytes, expected: tuple[int, int]) -> None:
    with running() as server, Raw(server.port) as raw:
        raw.associate()
        raw.send(wire)
        assert abort(raw) == expected


def test_what_is_no_request_is_aborted_by_the_service_user() -> None:
    with running() as server, Raw(server.port) as raw:
        raw.send(RELEASE_RQ)
        assert abort(raw) == (0, 0)


def test_a_malformed_request_is_aborted() -> None:
    with running() as server, Raw(server.port) as raw:
        raw.send(struct.pack(">BxI", 1, 10) + bytes(10))
        assert abort(raw) == (0, 0)


def test_silence_ends_with_the_artim_time() -> None:
    with running(artim_s=0.2) as server, Raw(server.port) as raw:
        assert raw.pdu() == (0, b"")


def test_an_idle_association_is_aborted() -> None:
    with running(idle_s=0.2) as server, Raw(server.port) as raw:
        raw.associate()
        assert abort(raw) == (0, 0)


def test_a_sender_that_stops_in_the_middle_leaves_nothing() -> None:
    with running(idle_s=1.0) as server, Raw(server.port) as raw:
        raw.associate()
        raw.send(store_command() + data(bytes(1000))[:500])
        until(lambda: server.acceptor.running == 0)
        assert server.archive.stored == []


def test_a_slow_sender_is_served_in_full() -> None:
    with running() as server, Raw(server.port) as raw:
        raw.associate()
        for byte in store_command() + data(b"slow"):
            raw.send(bytes((byte,)))
        assert status(raw) == 0
        assert server.archive.stored[0][1] == b"slow"


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2/3", "", "1" * 65, "1.2.3\\4"])
def test_an_instance_uid_that_is_none_is_refused(uid: str) -> None:
    with running() as server, Raw(server.port) as raw:
        raw.associate()
        raw.send(store_command(uid) + data(b"x"))
        assert status(raw) == 0x0117
        raw.send(store_command("1.2.3") + data(b"y"))
        assert status(raw) == 0
        assert len(server.archive.stored) == 1


def test_a_class_that_is_not_the_contexts_is_refused() -> None:
    with running() as server, Raw(server.port) as raw:
        raw.associate()
        raw.send(store_command(sop_class="1.2.840.10008.5.1.4.1.1.4") + data(b"x"))
        assert status(raw) == 0x0122


def test_an_operation_we_do_not_know_is_refused() -> None:
    with running() as server, Raw(server.port) as raw:
        raw.associate()
        values = {command.COMMAND_FIELD: 0x0140, command.MESSAGE_ID: 1, command.COMMAND_DATA_SET_TYPE: 0x0101}
        raw.send(b"".join(pdata(3, command.encode(values), command=True, max_pdu_bytes=16384)))
        assert status(raw) == 0x0211


def test_an_ae_without_the_service_gets_no_context() -> None:
    directory = FakeDirectory(peers={"RAW": peer("RAW", services=frozenset(("echo",)))})
    with running(directory=directory) as server, Raw(server.port) as raw:
        accepted = raw.associate()
        assert isinstance(accepted, AssociateAccept)
        assert [one.result for one in accepted.contexts] == [0, 1]


def test_an_abort_is_the_end() -> None:
    with running() as server, Raw(server.port) as raw:
        raw.associate()
        raw.send(bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0)))
        assert raw.pdu() == (0, b"")
        until(lambda: server.acceptor.running == 0)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_never_hurt_the_next_peer(garbage: bytes, associated: bool) -> None:
    server = shared_server()
    with Raw(server.port, timeout_s=5) as raw:
        if associated:
            raw.associate()
        raw.send(garbage)
        raw.socket.shutdown(1)
        while raw.pdu()[0]:
            continue
    with Raw(server.port) as after:
        assert isinstance(after.associate(), AssociateAccept)


_SHARED: list[tuple[object, Server]] = []


def shared_server() -> Server:
    if not _SHARED:
        block = running(artim_s=1.0)
        _SHARED.append((block, block.__enter__()))
    return _SHARED[0][1]


@pytest.fixture(scope="module", autouse=True)
def _close_shared_server() -> object:
    yield
    for block, _ in _SHARED:
        block.__exit__(None, None, None)  # type: ignore[attr-defined]
    _SHARED.clear()


def test_a_thousand_idle_associations_cost_little_and_the_next_is_served() -> None:
    with running(max_associations=1100, artim_s=60.0) as server, ExitStack() as stack:
        before = resident_bytes()
        idle = [stack.enter_context(Raw(server.port)) for _ in range(1000)]
        for raw in idle:
            raw.send(request())
        for raw in idle:
            assert raw.pdu()[0] == 2
        with Raw(server.port) as after:
            after.associate()
            after.send(store_command() + data(b"served"))
            assert status(after) == 0
        assert resident_bytes() - before < 100 << 20
        for raw in idle:
            raw.socket.close()
        until(lambda: server.acceptor.running == 0)


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def test_draining_aborts_the_idle_and_lets_the_running_finish() -> None:
    go = threading.Event()
    with running() as server, Raw(server.port) as idle, Raw(server.port) as busy:
        receive = server.archive.receive

        def slow(*args: object, **about: object) -> object:
            go.wait(5)
            return receive(*args, **about)  # type: ignore[arg-type]

        server.archive.receive = slow  # type: ignore[method-assign, assignment]
        idle.associate()
        busy.associate()
        busy.send(store_command() + data(b"content"))
        threading.Event().wait(0.2)
        drain = threading.Thread(target=server.acceptor.drain, args=(5.0,))
        drain.start()
        assert abort(idle) == (0, 0)
        go.set()
        assert status(busy) == 0
        assert abort(busy) == (0, 0)
        drain.join(10)
        assert len(server.archive.stored) == 1


def test_draining_cuts_what_does_not_end_in_time() -> None:
    with running() as server, Raw(server.port) as busy:
        busy.associate()
        busy.send(store_command() + data(b"content")[:-1])
        threading.Event().wait(0.1)
        server.acceptor.drain(0.2)
        assert server.archive.stored == []


def test_uncompressed_wins_over_jpeg_in_one_context() -> None:
    jpeg = "1.2.840.10008.1.2.4.50"
    with running() as server, Raw(server.port) as raw:
        pdu = request((CT, (jpeg, "1.2.840.10008.1.2.4.70", IMPLICIT, EXPLICIT)), (CT, (jpeg,)), (CT, ("1.2.3.4",)))
        accepted = raw.associate(pdu)
        assert isinstance(accepted, AssociateAccept)
        assert [one.transfer_syntax for one in accepted.contexts] == [EXPLICIT, jpeg, "1.2.3.4"]
