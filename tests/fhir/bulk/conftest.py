"""A server with a place for files, and who works on its jobs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhir.bulk.worker import Workbench
from fhir.outgoing import Door
from fhir.services import workbench
from pacsd.access.scope import Scope
from pacsd.blobs import LocalBlobs
from tests.fhir.house import BASE, House, opened


@dataclass
class Plant:
    """A house, its workbench and its blobs."""

    house: House
    bench: Workbench
    blobs: LocalBlobs

    def work(self) -> None:
        """Until nothing waits."""
        while self.bench.work():
            pass

    def put(self, kind: str, name: str, /, **more: Any) -> None:
        answer = self.house.put(f"{kind}/{name}", {"resourceType": kind, "id": name, **more})
        assert answer.status_code in (200, 201), answer.text

    def started(self, path: str, body: Any = None, **headers: str) -> str:
        """Where a job says how it stands."""
        answer = self.house.post(path, body, **headers) if body is not None else self.house.get(path, **headers)
        assert answer.status_code == 202, answer.text
        return str(answer.headers["content-location"]).removeprefix(BASE + "/")

    def done(self, where: str) -> dict[str, Any]:
        self.work()
        answer = self.house.get(where)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        return dict(answer.json())

    def lines(self, url: str) -> list[dict[str, Any]]:
        answer = self.house.get(url.removeprefix(BASE + "/"))
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/fhir+ndjson"
        return [orjson.loads(line) for line in answer.content.splitlines()]

    def exported(self, path: str) -> dict[str, list[str]]:
        """Ids by type."""
        found: dict[str, list[str]] = {}
        for one in self.done(self.started(path))["output"]:
            lines = self.lines(one["url"])
            assert len(lines) == one["count"] and {line["resourceType"] for line in lines} == {one["type"]}
            found.setdefault(one["type"], []).extend(line["id"] for line in lines)
        return {kind: sorted(ids) for kind, ids in found.items()}


@pytest.fixture
def plant(database: str, tmp_path: Path) -> Iterator[Plant]:
    with opened(database, tmp_path / "journal") as made:
        blobs = LocalBlobs(tmp_path / "blobs", reserve_bytes=0)
        server = replace(made.server, blobs=blobs)
        house = House(made.pool, made.journal, made.keys, server)
        bench = workbench(server, blobs, Door(("127.0.0.0/8",)), lambda key: Scope(tuple(made.keys.values()), key))
        yield Plant(house, bench, blobs)
