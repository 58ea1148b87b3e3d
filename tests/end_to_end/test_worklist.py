"""The worklist of the whole server: several web processes, kill -9, and an index rebuilt from nothing."""

import shutil
from collections.abc import Iterator

import httpx
import orjson
import pytest
from websockets.sync.client import connect

from tests.end_to_end.house import failed
from tests.server import Server, remove_folder, scratch_folder
from tests.workflow.steps import attribute, first, step

JSON = {"Content-Type": "application/dicom+json"}
ALL, ONE, LOCK = "1.2.840.10008.5.1.4.34.5", "1.2.826.0.1.3680043.9.3", "1.2.3.4"


@pytest.fixture
def server() -> Iterator[Server]:
    folder = scratch_folder("pacsd-worklist-")
    made = Server(folder / "data", config="[web]\nprocesses = 2\n")
    try:
        yield made.start()
    finally:
        made.kill()
        remove_folder(folder)


def ask(server: Server, method: str, path: str, body: object = None) -> httpx.Response:
    content = None if body is None else orjson.dumps(body)
    return httpx.request(method, server.base_url + path, content=content, headers=JSON, timeout=30)


def state(server: Server, value: str, lock: str = LOCK) -> int:
    body = {"00741000": attribute("CS", value), "00081195": attribute("UI", lock)}
    return ask(server, "PUT", f"/workitems/{ONE}/state", body).status_code


def heard(server: Server, count: int) -> list[object]:
    """The states, or statuses of the server, that the next reports tell."""
    told: dict[object, object] = {}
    with connect(server.base_url.replace("http", "ws", 1) + "/ws/subscribers/WATCH") as channel:
        while len(told) < count:
            report = orjson.loads(channel.recv(timeout=20))
            told[first(report, "00000110")] = first(report, "00741000") or first(report, "00741242")
    return list(told.values())


def test_claims_and_subscriptions_outlive_kills_and_a_lost_index(server: Server):
    assert ask(server, "POST", f"/workitems/{ALL}/subscribers/WATCH").status_code == 201
    assert ask(server, "POST", f"/workitems?{ONE}", step(t00404025=attribute("SQ"))).status_code == 201
    assert state(server, "IN PROGRESS") == 200
    server.kill()
    server.start()
    assert state(server, "IN PROGRESS", "9.9") == 400
    assert heard(server, 3) == ["SCHEDULED", "IN PROGRESS", "RESTARTED"]
    assert server.stop() == 0
    shutil.rmtree(server.data / "postgres")
    done = server.command("rebuild")
    assert done.returncode == 0, failed(done)
    server.start()
    assert state(server, "CANCELED", "9.9") == 400
    assert state(server, "CANCELED") == 200
    assert heard(server, 2) == ["RESTARTED", "CANCELED"]
    found = ask(server, "GET", "/workitems?ProcedureStepState=CANCELED").json()
    assert [first(one, "00080018") for one in found] == [ONE]
