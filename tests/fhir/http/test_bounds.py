"""What costs to take: refused by the whole server with an OperationOutcome, in bounded time and memory."""

import http.client
import json
import time
import zlib
from collections.abc import Iterator

import httpx
import psutil
import pytest

from conformance.fhir import expect
from conformance.fhir.server import Answer, Server
from tests.server import Server as Ours

MIB = 1 << 20
BOUND_BYTES = 400 * MIB                  # what all processes together may need beside what they had
PATIENCE_S = 30.0


@pytest.fixture
def server(running_server: Ours) -> Iterator[Server]:
    client = Server(f"http://127.0.0.1:{running_server.http_port}/fhir", timeout_s=60)
    yield client
    client.close()


def resident(running: Ours) -> int:
    """Bytes that the server's processes hold, those of PostgreSQL counted too."""
    processes = [psutil.Process(running.pid)]
    processes += processes[0].children(recursive=True)
    return sum(one.memory_info().rss for one in processes if one.is_running())


def bounded(running: Ours, server: Server, method: str, path: str, body: Iterator[bytes], **headers: str) -> Answer:
    """The answer to a body that is sent piece by piece until the server has had enough; nothing grows beyond bounds."""
    before, started = resident(running), time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=PATIENCE_S)
    connection.putrequest(method, f"/fhir{path}")
    fields = {"Content-Type": "application/fhir+json", "Transfer-Encoding": "chunked", **headers}
    for name, value in fields.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    try:
        for piece in body:
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass                             # it said no and closed
    response = connection.getresponse()
    answer = Answer(f"{method} {path}", response.status, httpx.Headers(response.getheaders()), response.read())
    connection.close()
    assert time.monotonic() - started < PATIENCE_S
    assert resident(running) - before < BOUND_BYTES
    expect.status(server.get("/metadata"), 200)
    return answer


def test_a_bundle_of_100_mb_is_refused(running_server: Ours, server: Server) -> None:
    entry = json.dumps({"resource": {"resourceType": "Patient", "name": [{"text": "x" * 900}]},
                        "request": {"method": "POST", "url": "Patient"}}).encode() + b","  # fmt: skip
    pieces = (entry * (MIB // len(entry)) for _ in range(100))

    def body() -> Iterator[bytes]:
        yield b'{"resourceType":"Bundle","type":"transaction","entry":['
        yield from pieces

    expect.refused(bounded(running_server, server, "POST", "/", body()), 413)


def test_a_length_that_lies_is_refused_before_it_comes(running_server: Ours) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running_server.http_port, timeout=PATIENCE_S)
    fields = {"Content-Type": "application/fhir+json", "Content-Length": str(10**15)}
    connection.putrequest("POST", "/fhir/Patient")
    for name, value in fields.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413 and json.loads(response.read())["resourceType"] == "OperationOutcome"
    connection.close()


def test_a_gzip_bomb_is_refused(running_server: Ours, server: Server) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * MIB) for _ in range(200)) + packer.flush()
    assert len(bomb) < 2 * MIB
    expect.refused(bounded(running_server, server, "POST", "/Patient", iter([bomb]), Content_Encoding="gzip"), 413)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * (8 * MIB), id="brackets"),
        pytest.param(b'{"a":' * MIB, id="braces"),
        pytest.param(b'{"resourceType":"Patient","name":[' + b"{}," * (2 * MIB) + b"{}]}", id="empty objects"),
        pytest.param(b'{"resourceType":"Patient","id":"' + b"x" * (8 * MIB) + b'"}', id="a long string"),
        pytest.param(b'{"resourceType":"Basic","modifierExtension":' + b"9" * (4 * MIB) + b"}", id="a number"),
        pytest.param(b'{"resourceType":"Patient",' + b'"active":true,' * MIB + b'"active":true}', id="the same key"),
    ],
)
def test_json_made_to_cost_is_refused_in_time(running_server: Ours, server: Server, body: bytes) -> None:
    expect.refused(bounded(running_server, server, "POST", "/Patient", iter([body])))


@pytest.mark.parametrize(
    "query",
    [
        "name:contains=" + "%25" * 3000, "name:contains=" + "(a%2B)%2B" * 500, "name:contains=a", "_count=1000000000",
        "_include=*&_include:iterate=*&_revinclude:iterate=*", "_content=" + "a%20" * 2000,
        "&".join(f"name=x{number}" for number in range(900)), "_id=" + ",".join(str(one) for one in range(8000)),
        "general-practitioner:Practitioner.name=x&" * 50, "_sort=" + ",".join(["name"] * 500),
        "_has:Observation:patient:" * 20 + "code=x", "organization." * 20 + "name=x", "_filter=" + "(" * 5000,
    ],
)  # fmt: skip
def test_searches_made_to_cost_are_answered_or_refused_in_time(server: Server, query: str) -> None:
    started = time.monotonic()
    answer = server.get(f"/Patient?{query}")
    assert time.monotonic() - started < 10
    if answer.status == 200:
        assert answer.resource("Bundle")["type"] == "searchset"
        assert len(answer.resource().get("entry", [])) <= 2000
    else:
        expect.refused(answer, 400, 404, 413, 414, 422)


@pytest.mark.parametrize("sql", ["'", "';SELECT pg_sleep(30)--", "x' UNION SELECT 1--", "\\'; --", "%(a)s", "{0}"])
def test_sql_in_every_parameter_is_text_like_any_other(server: Server, sql: str) -> None:
    statement = server.get("/metadata").resource()["rest"][0]
    names = next(one for one in statement["resource"] if one["type"] == "Observation")["searchParam"]
    started = time.monotonic()
    for one in names:
        answer = server.send("GET", str(httpx.URL("/Observation", params={one["name"]: sql})))
        assert answer.status == 200 or expect.refused(answer, 400)
        assert answer.status != 200 or not answer.resource("Bundle").get("total")
    assert time.monotonic() - started < 20


def test_a_header_of_a_megabyte_and_one_that_splits_are_refused(running_server: Ours, server: Server) -> None:
    lines = (b"X-Long: " + b"a" * MIB, b"Accept: a\x00b", b"If-None-Exist: a\rX: b", b"Content-Length: -1",
             b"Content-Length: 5\r\nContent-Length: 6", b"Transfer-Encoding: chunked\r\nContent-Length: 5")
    for raw in lines:
        connection = http.client.HTTPConnection("127.0.0.1", running_server.http_port, timeout=PATIENCE_S)
        connection.connect()
        try:
            connection.sock.sendall(b"POST /fhir/Patient HTTP/1.1\r\nHost: localhost\r\n" + raw + b"\r\n\r\n")
            connection.sock.shutdown(1)
            status = connection.sock.recv(200).split(b" ")[1:2]
            assert not status or status[0].startswith(b"4"), raw[:60]
        except OSError:
            pass                         # it has hung up
        finally:
            connection.close()
    expect.status(server.get("/metadata"), 200)
