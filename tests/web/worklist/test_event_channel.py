"""Subscriptions over HTTP and event channels over real WebSockets (PS3.18 8.10, 11.10 to 11.12)."""

import asyncio
import logging
import socket
import struct
import threading
from collections.abc import Callable

import httpx
import orjson
import psutil
import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pacsd.access.asking import Access
from pacsd.access.operations import Operation
from pacsd.faults import Fault, PacsdError
from pacsd.supervise.metrics import Metrics, render
from pacsd.web.admission import web_reader
from pacsd.web.metering import Meter
from pacsd.web.server import ServerLimits
from pacsd.web.services import WebLimits
from pacsd.workflow.channels import Channels
from tests.web.worklist.conftest import Desk, Served, served
from tests.workflow.conftest import Office
from tests.workflow.steps import attribute, first, performed, progress, step

JSON = {"Content-Type": "application/dicom+json"}
GLOBAL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
ONE, LOCK = "1.2.826.0.1.3680043.9.2", "1.2.3.4"


def create(office: Office, uid: str = ONE, **changes) -> None:
    office.workitems.create(office.peer, uid, step(**changes))


def next_report(channel: ClientConnection, seen: set[object] | None = None) -> tuple[object, object, object]:
    """Workitem, event type and state of the next report, of those with a Message ID that was not seen yet."""
    report = orjson.loads(channel.recv(timeout=10))
    number = first(report, "00000110")
    if seen is not None and number in seen:
        return next_report(channel, seen)
    if seen is not None:
        seen.add(number)
    return first(report, "00001000"), first(report, "00001002"), first(report, "00741000")


def test_subscribing_tells_where_the_channel_is(desk: Desk, office):
    create(office)
    answer = desk.post(f"/workitems/{ONE}/subscribers/AI%20BOX%25%3F?deletionlock=true")
    assert answer.status_code == 201
    assert answer.headers["content-location"] == "ws://pacs.test/dicom-web/ws/subscribers/AI%20BOX%25%3F"
    assert office.rows("select ae_title, deletion_lock from subscription join subscriber on pk = subscriber") == [
        ("AI BOX%?", True)
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", f"/workitems/{ONE}/subscribers/AI", 404),
        ("POST", f"/workitems/{GLOBAL}/subscribers/AI", 201),
        ("POST", f"/workitems/{GLOBAL}/subscribers/AI?PatientID=1", 400),
        ("POST", f"/workitems/{GLOBAL}/subscribers/AI?deletionlock=perhaps", 400),
        ("POST", f"/workitems/{GLOBAL}/subscribers/A-TITLE-THAT-IS-TOO-LONG", 400),
        ("POST", f"/workitems/{GLOBAL}/subscribers/A%5CB", 400),
        ("POST", f"/workitems/{FILTERED}/subscribers/AI", 400),
        ("POST", f"/workitems/{FILTERED}/subscribers/AI?PatientID=P1&WorklistLabel=C*", 201),
        ("POST", f"/workitems/{FILTERED}/subscribers/AI?filter=PatientID=P1,00741200=HIGH&deletionlock=false", 201),
        ("POST", f"/workitems/{FILTERED}/subscribers/AI?TransactionUID=1.2", 400),
        ("POST", f"/workitems/{FILTERED}/subscribers/AI?filter=PatientID", 400),
        ("DELETE", f"/workitems/{GLOBAL}/subscribers/AI", 404),
        ("DELETE", f"/workitems/{ONE}/subscribers/AI", 404),
        ("POST", f"/workitems/{GLOBAL}/subscribers/AI/suspend", 404),
        ("POST", f"/workitems/{ONE}/subscribers/AI/suspend", 400),
        ("GET", "/ws/subscribers/AI", 426),
    ],
)
def test_answers(desk: Desk, method, path, status):
    assert desk.request(method, "/dicom-web" + path).status_code == status


def test_suspending_and_unsubscribing(desk: Desk, office):
    create(office)
    for path in (f"/workitems/{GLOBAL}/subscribers/AI", f"/workitems/{ONE}/subscribers/AI"):
        assert desk.post(path).status_code == 201
    assert desk.post(f"/workitems/{GLOBAL}/subscribers/AI/suspend").status_code == 200
    assert desk.request("DELETE", f"/dicom-web/workitems/{ONE}/subscribers/AI").status_code == 200
    assert office.rows("select count(*) from subscription") == [(0,)]


def test_a_life_over_http_is_heard_over_a_websocket(server: Served, office):
    with httpx.Client(base_url=server.base, headers=JSON) as client:
        assert client.post(f"/workitems/{GLOBAL}/subscribers/WATCH").status_code == 201
        assert client.post(f"/workitems?{ONE}", content=orjson.dumps(step())).status_code == 201
        url, seen = f"/workitems/{ONE}", set()

        def state(value: str) -> int:
            body = {"00741000": attribute("CS", value), "00081195": attribute("UI", LOCK)}
            return client.put(f"{url}/state", content=orjson.dumps(body)).status_code

        with connect(server.channel("WATCH")) as channel:
            assert next_report(channel, seen) == (ONE, 1, "SCHEDULED")
            assert next_report(channel, seen) == (ONE, 5, None)
            assert state("IN PROGRESS") == 200
            assert next_report(channel, seen) == (ONE, 1, "IN PROGRESS")
        assert client.post(f"{url}?{LOCK}", content=orjson.dumps(progress(10))).status_code == 200
        assert client.post(f"{url}?{LOCK}", content=orjson.dumps(performed())).status_code == 200
        assert client.post(f"{url}/cancelrequest").status_code == 202
        assert state("COMPLETED") == 200
        with connect(server.channel("WATCH")) as channel:
            assert [next_report(channel, seen)[1:] for _ in range(3)] == [(3, None), (2, None), (1, "COMPLETED")]
            wait_until(lambda: office.rows("select count(*) from report") == [(0,)])


def wait_until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    for _ in range(int(within_s / 0.02)):
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it did not come about")


def test_what_a_client_did_not_confirm_comes_again(server: Served, office):
    create(office)
    office.subscriptions.subscribe(office.peer, "WATCH", ONE, lock=False)
    silent = handshaken(server, "WATCH")         # takes bytes and answers no ping
    silent.settimeout(10)
    assert b'"00741000"' in silent.recv(4096)
    silent.close()
    with connect(server.channel("WATCH")) as channel:
        assert next_report(channel) == (ONE, 1, "SCHEDULED")
        wait_until(lambda: office.rows("select count(*) from report") == [(0,)])


def handshake(server: Served, title: str) -> bytes:
    return (
        f"GET /dicom-web/ws/subscribers/{title} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )


def handshaken(server: Served, title: str) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    one.sendall(handshake(server, title))
    head = b""
    while b"\r\n\r\n" not in head:
        head += one.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    return one


def test_a_second_channel_takes_over(server: Served, office):
    create(office)
    with connect(server.channel("WATCH")) as former, connect(server.channel("WATCH")) as later:
        office.subscriptions.subscribe(office.peer, "WATCH", ONE, lock=False)
        assert next_report(later) == (ONE, 1, "SCHEDULED")
        with pytest.raises(ConnectionClosed):
            former.recv(timeout=10)
        assert former.close_code == 4000


def test_channels_of_two_processes(office):
    with served(office) as one, served(office) as other:
        with connect(one.channel("A")) as first_one, connect(other.channel("B")) as second:
            for title in ("A", "B"):
                office.subscriptions.subscribe_worklist(office.peer, title, GLOBAL, lock=False)
            create(office)
            for channel in (first_one, second):
                assert [next_report(channel) for _ in range(2)] == [(ONE, 1, "SCHEDULED"), (ONE, 5, None)]


def test_a_channel_opened_when_all_were_closed_hears_at_once(server: Served, office):
    create(office)
    office.subscriptions.subscribe_worklist(office.peer, "WATCH", GLOBAL, lock=False)
    for percent in range(3):
        with connect(server.channel("WATCH")) as channel:
            office.workitems.update(office.peer, ONE, progress(percent), transaction_uid=None)
            assert next_report(channel)[1] == 3
            wait_until(lambda: office.rows("select count(*) from report") == [(0,)])


def test_open_channels_are_counted(office, tmp_path):
    meter = Meter(Metrics(tmp_path / "one"))

    def is_told(number: int) -> bool:
        return f"pacsd_web_event_channels_open {number}\n" in render(tmp_path)

    with served(office, count=meter) as one:
        with connect(one.channel("WATCH")), connect(one.channel("LOOK")):
            wait_until(lambda: is_told(2))
        wait_until(lambda: is_told(0))


def test_who_speaks_is_let_go(server: Served):
    with connect(server.channel("WATCH")) as channel:
        channel.send("hello")
        with pytest.raises(ConnectionClosed):
            channel.recv(timeout=10)
        assert channel.close_code == 1003
    with connect(server.channel("WATCH"), compression=None) as channel:
        channel.send("x" * 100_000)
        with pytest.raises(ConnectionClosed):
            channel.recv(timeout=10)
        assert channel.close_code == 1009


@pytest.mark.parametrize(
    ("title", "headers", "status"),
    [
        ("TITLE-OF-MORE-THAN-16", {}, 400),
        ("WATCH", {"Origin": "http://evil.example"}, 403),
        ("WATCH", {"Origin": "http://["}, 403),
        ("WATCH", {"Origin": "null"}, 403),
        ("WATCH", {"Origin": "http://viewer.example"}, None),
        ("WATCH", {"Origin": "http://127.0.0.1:{port}"}, None),
    ],
)
def test_who_may_open_a_channel(office, caplog, title, headers, status):
    with served(office, allowed_origins=("http://viewer.example",)) as one:
        headers = {name: value.format(port=one.port) for name, value in headers.items()}
        if status is None:
            with connect(one.channel(title), additional_headers=headers):
                return
        with pytest.raises(InvalidStatus) as refused, connect(one.channel(title), additional_headers=headers):
            pass
        assert refused.value.response.status_code == status
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_client_that_leaves_before_its_channel_is_open_leaves_nothing(server: Served, office, monkeypatch):
    opened, left = threading.Event(), threading.Event()

    def open_late(*arguments):
        channel = open_channel(*arguments)
        opened.set()
        left.wait(10)
        return channel

    open_channel = Channels.open
    monkeypatch.setattr(Channels, "open", open_late)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as one:
        one.sendall(handshake(server, "WATCH"))
        assert opened.wait(10)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))     # by a reset
    threading.Event().wait(0.1)          # the server hears of it meanwhile
    left.set()
    wait_until(lambda: office.rows("select channel from subscriber") == [(None,)])


def test_channels_are_counted(office):
    with served(office, limits=WebLimits(max_channels=1)) as one, connect(one.channel("A")):
        with pytest.raises(InvalidStatus) as refused, connect(one.channel("B")):
            pass
        assert refused.value.response.status_code == 503
    limits = ServerLimits(grace_s=2.0, max_connections=2)
    with served(office, server=limits) as one, connect(one.channel("A")), connect(one.channel("B")):
        with pytest.raises(InvalidStatus) as refused, connect(one.channel("C")):
            pass
        assert refused.value.response.status_code == 503


def test_a_thousand_channels_in_bounded_memory(office):
    process = psutil.Process()

    async def watch(one: Served) -> int:
        channels = []
        for start in range(0, 1000, 50):
            opening = (
                connect_async(one.channel(f"WATCH{number}"), compression=None, max_queue=1, open_timeout=60)
                for number in range(start, start + 50)
            )
            channels += await asyncio.gather(*opening)
        opened = process.memory_info().rss
        await asyncio.to_thread(office.subscriptions.subscribe_worklist, office.peer, "WATCH500", GLOBAL, lock=False)
        await asyncio.to_thread(create, office)
        async with asyncio.timeout(30):
            assert first(orjson.loads(await channels[500].recv()), "00001000") == ONE
        await asyncio.gather(*(channel.close() for channel in channels))
        return opened

    before = process.memory_info().rss
    with served(office) as one:
        opened = asyncio.run(watch(one))
    assert opened - before < 200 << 20           # of the server and of its thousand clients together
    assert office.rows("select count(*) from subscriber where channel is not null") == [(0,)]


class Gate:
    """Admits everybody until somebody shuts it, for one reason or another."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.refusal: PacsdError | None = None

    async def admitted(self, scope: object, operation: Operation, *, deidentifying: bool = False) -> Access:
        return await self.access(scope)

    async def access(self, scope: object) -> Access:
        if self.refusal is not None:
            raise self.refusal
        return Access(web_reader(self.office.peer.organisation_code), self.office.peer)


@pytest.mark.parametrize("fault", [Fault.UNAUTHENTICATED, Fault.FORBIDDEN])
def test_who_may_watch_no_more_hears_nothing_further(office, fault):
    gate = Gate(office)
    with served(office, admission=gate) as server, connect(server.channel("WATCH")) as channel:
        assert httpx.post(f"{server.base}/workitems/{GLOBAL}/subscribers/WATCH").status_code == 201
        create(office)
        seen: set[object] = set()
        assert next_report(channel, seen) and next_report(channel, seen)
        gate.refusal = PacsdError(fault, "the token was revoked")
        create(office, "1.2.826.0.1.3680043.9.3")
        with pytest.raises(ConnectionClosed) as closed:
            channel.recv(timeout=10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008


@pytest.mark.parametrize(("refusal", "code"), [
    (PacsdError(Fault.UNAUTHENTICATED, "the token was revoked"), 1008),
    (PacsdError(Fault.UNAVAILABLE, "the token's issuer cannot be asked"), 1013),         # for a while
], ids=str)  # fmt: skip
def test_a_silent_channel_is_closed_to_whom_it_is_not_open_any_more(office, refusal, code):
    gate = Gate(office)
    limits = WebLimits(look_again_s=0.05)
    with served(office, admission=gate, limits=limits) as server, connect(server.channel("WATCH")) as channel:
        gate.refusal = refusal
        with pytest.raises(ConnectionClosed) as closed:
            channel.recv(timeout=10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == code
