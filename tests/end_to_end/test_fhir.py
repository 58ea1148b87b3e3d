"""FHIR on the running server: nothing that was acknowledged is lost by a kill, or by a database that is made anew."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.server import Server, remove_folder, scratch_folder

JSON = {"content-type": "application/fhir+json"}
CLIENTS = 4
AT_LEAST = 60                            # acknowledged answers before the kill


@pytest.fixture
def server() -> Iterator[Server]:
    folder = scratch_folder("pacsd-fhir-")
    made = Server(folder / "data")
    try:
        yield made.start()
    finally:
        made.kill()
        remove_folder(folder)


class Writer(threading.Thread):
    """Writes as fast as it is answered, and keeps what it was told of: name and version."""

    def __init__(self, base: str, number: int, enough: threading.Semaphore) -> None:
        super().__init__()
        self.base = base
        self.number = number
        self.enough = enough
        self.told: dict[str, tuple[int, dict[str, Any]]] = {}

    def run(self) -> None:
        with httpx.Client(timeout=20) as client:
            for turn in range(100_000):
                name = f"w{self.number}-{turn // 3}"
                body = {"resourceType": "Patient", "id": name, "birthDate": f"{1900 + turn % 100}",
                        "identifier": [{"system": "http://x", "value": name}]}  # fmt: skip
                try:
                    answer = client.put(f"{self.base}/Patient/{name}", json=body, headers=JSON)
                except httpx.HTTPError:
                    return
                if answer.status_code in (200, 201):
                    told = answer.json()
                    self.told[name] = int(told["meta"]["versionId"]), told
                    self.enough.release()


def test_what_was_acknowledged_outlives_kills_and_a_new_database(server: Server) -> None:
    base, enough = f"http://127.0.0.1:{server.http_port}/fhir", threading.Semaphore(0)
    writers = [Writer(base, number, enough) for number in range(CLIENTS)]
    for one in writers:
        one.start()
    for _ in range(AT_LEAST):
        assert enough.acquire(timeout=60)
    server.kill()
    for one in writers:
        one.join(60)
    told = {name: said for one in writers for name, said in one.told.items()}
    assert len(told) >= AT_LEAST // 4
    server.start()
    kept(base, told)
    assert server.stop() == 0
    shutil.rmtree(server.data / "postgres")
    done = server.command("rebuild")
    assert done.returncode == 0, done.stderr
    server.start()
    kept(base, told)


def kept(base: str, told: dict[str, tuple[int, dict[str, Any]]]) -> None:
    """Every version that was acknowledged is there, or a later one that nobody was told of."""
    with httpx.Client(timeout=20) as client:
        for name, (version, resource) in told.items():
            newest = client.get(f"{base}/Patient/{name}")
            assert newest.status_code == 200, name
            assert int(newest.json()["meta"]["versionId"]) >= version
            assert client.get(f"{base}/Patient/{name}/_history/{version}").json() == resource
            found = client.get(f"{base}/Patient", params={"identifier": f"http://x|{name}"}).json()
            assert found["total"] == 1, name
