"""$import: lines kept and refused, once each, whatever happens in between."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest

from fhir import outgoing
from fhir.bulk import fetching, importing
from fhir.bulk.importing import PREFIX, Imports
from fhir.outgoing import Door
from fhir.store import jobs
from pacsd.faults import Fault, PacsdError
from tests.fhir.bulk.conftest import Plant
from tests.fhir.house import issue

NDJSON = "application/fhir+ndjson"


class Refusing:
    """A check that refuses everything."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, *_: Any) -> None:
        self.asked += 1
        raise PacsdError(Fault.INVALID, "no")


def lines(*resources: dict[str, Any] | bytes) -> bytes:
    return b"".join((one if isinstance(one, bytes) else orjson.dumps(one)) + b"\n" for one in resources)


def patient(name: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": name, **more}


def imported(plant: Plant, body: bytes) -> dict[str, Any]:
    return plant.done(plant.started("$import", body, content_type=NDJSON))


def ids(plant: Plant, query: str = "") -> list[str]:
    told = plant.house.get(f"Patient?_count=1000{query}").json()
    return sorted(one["resource"]["id"] for one in told.get("entry", []))


def test_lines_are_kept_and_found(plant: Plant) -> None:
    many = [patient(f"p{number}", gender="male" if number % 2 else "female") for number in range(600)]
    told = imported(plant, lines(*many, {"resourceType": "Organization", "id": "o", "name": "诊所"}))
    assert told["output"] == [{"type": "Organization", "count": 1}, {"type": "Patient", "count": 600}]
    assert told["error"] == []
    assert len(ids(plant)) == 600 and len(ids(plant, "&gender=male")) == 300
    again = imported(plant, lines(*many))
    assert again["error"] == [] and plant.house.get("Patient/p1").headers["etag"] == 'W/"1"'


def test_wrong_lines_are_told_of_and_the_others_kept(plant: Plant) -> None:
    told = imported(plant, lines(
        patient("a"), b"{not json", patient("b", gender="blue"), {"resourceType": "Nothing"}, patient("c d"), b"[]",
        patient("a", active=True), b"", patient("z"),
    ))  # fmt: skip
    assert told["output"] == [{"type": "Patient", "count": 3}]
    (file,) = told["error"]
    said = [one["issue"][0]["diagnostics"].partition(":")[0] for one in plant.lines(file["url"])]
    assert said == ["line 2", "line 3", "line 4", "line 5", "line 6"] and file["count"] == 5
    assert ids(plant) == ["a", "z"]
    assert plant.house.get("Patient/a").json()["active"] is True
    assert plant.house.get("Patient/a/_history").json()["total"] == 2


def test_anothers_resource_is_refused_alone(plant: Plant) -> None:
    plant.house.act_as(plant.house.member("west"))
    plant.put("Patient", "theirs")
    plant.house.act_as(plant.house.member("east"))
    told = imported(plant, lines(patient("ours"), patient("theirs", active=False)))
    assert told["output"] == [{"type": "Patient", "count": 1}] and told["error"][0]["count"] == 1
    assert ids(plant) == ["ours"]


def test_a_part_taken_in_twice_after_a_crash_comes_once(plant: Plant) -> None:
    body = lines(*({"resourceType": "Patient", "gender": "male"} for _ in range(40)), *map(patient, "abc"))
    where = plant.started("$import", body, content_type=NDJSON)
    imports = Imports(plant.house.server, plant.blobs, step_bytes=300)
    job = jobs.take(plant.house.pool)
    assert job is not None
    assert imports.step(job) and imports.step(job)       # as if the first had not said how far it came
    while True:
        now = jobs.read(plant.house.pool, job.scope, job.id, "import")
        assert now is not None
        if now.status != "waiting":
            break
        imports.step(replace(job, state=now.state))
    told = plant.done(where)
    assert len(ids(plant)) == 43 and told["error"] == []


def test_what_is_no_import_is_refused(plant: Plant) -> None:
    assert issue(plant.house.post("$import", b"", content_type=NDJSON)) == (400, "required")
    assert plant.house.post("$import", b"x", content_type="text/plain").status_code in (400, 415)
    assert plant.house.post("$import?mode=x", lines(patient("a")), content_type=NDJSON).status_code == 400
    assert plant.house.get("$import").status_code == 405


def test_the_file_goes_with_the_job(plant: Plant) -> None:
    where = plant.started("$import", lines(patient("a")), content_type=NDJSON)
    plant.done(where)
    assert plant.house.delete(where).status_code == 202
    with plant.house.pool.connection() as connection:
        connection.execute("update fhir_job set taken_until = '-infinity'")
    plant.bench.clear_up()
    assert not list(plant.blobs.list(PREFIX)) and ids(plant) == ["a"]


def test_imports_that_wait_keep_no_export_out(plant: Plant) -> None:
    for _ in range(20):
        plant.started("$import", lines(patient("a")), content_type=NDJSON)
    assert plant.house.get("$export").status_code == 202


def test_an_import_of_nothing_but_wrong_lines_is_given_up_within_a_step(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MOST_ERRORS", 20)
    monkeypatch.setattr(importing, "acceptable", refusing := Refusing())
    where = plant.started("$import", lines(*[patient(f"p{number}") for number in range(500)]), content_type=NDJSON)
    plant.work()
    assert issue(plant.house.get(where)) == (500, "processing")
    assert refusing.asked == 21          # what comes after is not looked at, and nothing is kept of it


@pytest.fixture
def shelf(plant: Plant) -> Iterator[dict[str, tuple[int, bytes]]]:
    """Files of a server by path: status and content; its address under `""`."""
    files: dict[str, tuple[int, bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = files.get(self.path, (404, b""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Location", "/a.ndjson")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    files[""] = (0, f"http://127.0.0.1:{server.server_address[1]}".encode())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield files
    server.shutdown()
    server.server_close()


def named(*sources: tuple[str, str], **more: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [{"name": name, "valueString": value} for name, value in more.items()]
    rows += [{"name": "input", "part": [{"name": "type", "valueCode": kind}, {"name": "url", "valueUri": url}]}
             for kind, url in sources]  # fmt: skip
    return {"resourceType": "Parameters", "parameter": rows}


def test_files_at_urls_are_fetched_and_taken_in(plant: Plant, shelf: dict[str, tuple[int, bytes]]) -> None:
    host = shelf[""][1].decode()
    many = [patient(f"p{number}") for number in range(400)]
    shelf["/a.ndjson"] = (200, lines(*many, {"resourceType": "Basic", "id": "b", "code": {"text": "x"}}))
    shelf["/b.ndjson?x=1"] = (200, lines({"resourceType": "Organization", "name": "one"}))
    shelf["/empty.ndjson"] = (200, b"")
    where = plant.started("$import", named(("Basic", f"{host}/empty.ndjson"), ("Patient", f"{host}/a.ndjson"),
                                           ("Organization", f"{host}/b.ndjson?x=1"),
                                           inputFormat=NDJSON))  # fmt: skip
    told = plant.done(where)
    assert told["output"] == [{"type": "Organization", "count": 1}, {"type": "Patient", "count": 400}]
    assert [one["count"] for one in told["error"]] == [1]
    assert "no Patient" in plant.lines(told["error"][0]["url"])[0]["issue"][0]["diagnostics"]
    assert plant.house.request("DELETE", where).status_code == 202
    plant.bench.clear_up()
    assert list(plant.blobs.list(PREFIX)) == []


def test_a_source_that_is_not_to_be_had_ends_the_import_with_the_reason(
    plant: Plant, shelf: dict[str, tuple[int, bytes]]
) -> None:
    host = shelf[""][1].decode()
    shelf["/moved.ndjson"], shelf["/broken.ndjson"] = (302, b""), (500, b"")
    for url, reason in ((f"{host}/none.ndjson", "404"), (f"{host}/moved.ndjson", "302"),
                        ("http://10.0.0.1/x", "not opened")):  # fmt: skip
        where = plant.started("$import", named(("Patient", url)))
        plant.work()
        answer = plant.house.get(where)
        assert answer.status_code == 500 and reason in answer.json()["issue"][0]["diagnostics"]
    where = plant.started("$import", named(("Patient", f"{host}/broken.ndjson")))
    for _ in range(importing.MOST_TRIES - 1):
        assert plant.bench.work()                                        # it waits, and holds nothing up
        assert not plant.bench.work()
        assert plant.house.get(where).status_code == 202
        with plant.house.pool.connection() as connection:            # the minute is over
            connection.execute("update fhir_job set taken_until = '-infinity'")
    plant.work()
    assert plant.house.get(where).status_code == 500
    assert list(plant.blobs.list(PREFIX)) == []


def test_parameters_that_name_no_files_are_refused(plant: Plant) -> None:
    wrong = [
        named(), named(("Nothing", "http://a/b")), named(("Patient", "ftp://a/b")), named(("Patient", "http://u@a/b")),
        named(("Patient", "http://a/b"), inputFormat="text/csv"), named(("Patient", "http://a/b"), mode="x"),
        {"resourceType": "Parameters", "parameter": [{"name": "input"}]}, {"resourceType": "Parameters",
                                                                          "parameter": "x"}, patient("p"),
    ]  # fmt: skip
    for body in wrong:
        assert plant.house.post("$import", body).status_code == 400, body


def trickling(pieces: int, size: int) -> Iterator[str]:
    """A server that sends a file piece by piece; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        def send() -> None:
            with suppress(OSError), listening.accept()[0] as caller:
                caller.recv(4096)
                caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pieces * size))
                for _ in range(pieces):
                    caller.sendall(b"x" * size)
                    told.wait(0.05)

        told = threading.Event()
        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/a.ndjson"
        told.set()
        thread.join(5)


def test_a_source_that_trickles_is_let_go_of() -> None:
    door, taken = Door(("127.0.0.0/8",)), list[bytes]()
    passed = itertools.count(0, 40)                          # seconds, each time somebody looks
    for url in trickling(50, 10):
        with outgoing.client() as client, pytest.raises(PacsdError) as raised:
            fetching.fetch(client, door, url, taken.append, monotonic=lambda: float(next(passed)))
        assert raised.value.fault is Fault.UNAVAILABLE and "KiB a second" in raised.value.message
        assert 0 < sum(map(len, taken)) < 500


def test_a_source_that_sends_enough_is_taken_to_its_end() -> None:
    door, taken = Door(("127.0.0.0/8",)), list[bytes]()
    passed = itertools.count(0, 0.1)
    for url in trickling(4, 1 << 20):
        with outgoing.client() as client:
            fetching.fetch(client, door, url, taken.append, monotonic=lambda: float(next(passed)))
        assert sum(map(len, taken)) == 4 << 20
