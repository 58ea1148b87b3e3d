"""A FHIR server on real PostgreSQL, spoken to as over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx

from fhir.http.app import Edge, FhirApp
from fhir.interaction.dispatch import Dispatch
from fhir.interaction.request import Asker
from fhir.interaction.services import Claims, Server
from fhir.interaction.table import INTERACTIONS
from fhir.operation.table import OPERATIONS
from fhir.search.extract import extract
from fhir.store.rows import Rows, texts
from fhir.store.unit import Units
from fhir.validation.check import Validator
from fhir.validation.policy import Mode, policy
from pacsd.access.scope import Scope
from pacsd.archive.journal import FHIR_PREFIX, Journal
from pacsd.blobs import LocalBlobs
from pacsd.index.connect import Pool, pool
from pacsd.index.organisations import register

BASE = "http://pacs.example/fhir"
JSON = "application/fhir+json"


@dataclass
class House:
    """One server with two organisations; `west` sees what `east` keeps only where it is asked to."""

    pool: Pool
    journal: Journal
    keys: Mapping[str, int]
    server: Server
    app: FhirApp = field(init=False)
    asker: Asker = field(init=False)

    def __post_init__(self) -> None:
        self.asker = self.member("east")
        self.app = FhirApp(
            self.server, Edge(self.asking, lambda _: "http://pacs.example", read=in_thread, write=in_thread)
        )

    def member(self, code: str, *reads: str) -> Asker:
        """Somebody of an organisation, who also sees what others opened to it."""
        return Asker(Scope(tuple(self.keys[one] for one in (code, *reads)), self.keys[code]), self.keys[code])

    async def asking(self, _request: Any) -> Asker:
        """Whoever acts now."""
        return self.asker

    def act_as(self, asker: Asker) -> None:
        """Ask as somebody else from now on."""
        self.asker = asker

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """An answer; header names have underscores for hyphens. `body`: a resource, or bytes as they are."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, (dict, list)):
            told.setdefault("content-type", JSON)
        content = {"json": body} if isinstance(body, (dict, list)) else {"content": body}
        return asyncio.run(self._request(method, path, headers=told, **content))

    async def _request(self, method: str, path: str, **told: Any) -> httpx.Response:
        async with self.client() as client:
            return await client.request(method, path if path.startswith("http") else f"{BASE}/{path}", **told)

    def client(self) -> httpx.AsyncClient:
        """For several requests at once."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(Mounted(self.app)), timeout=60)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.request("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.request("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.request("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> httpx.Response:
        return self.request("DELETE", path, **headers)


class Mounted:
    """The application at its base, as Starlette mounts it."""

    def __init__(self, app: FhirApp) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app({**scope, "root_path": "/fhir"}, receive, send)


async def in_thread(call: Any, *args: Any) -> Any:
    """As the server runs calls."""
    return await anyio.to_thread.run_sync(lambda: call(*args))


@contextmanager
def opened(dsn: str, folder: Path, *, connections: int = 8, **changes: Any) -> Iterator[House]:
    """A house over a migrated database; `changes` of the Server."""
    with pool(dsn, min_size=1, max_size=connections) as made:
        keys = register(made, [("east", "East", "EAST"), ("west", "West", "WEST")])
        codes = {key: code for code, key in keys.items()}
        journal = Journal(LocalBlobs(folder, reserve_bytes=0), prefix=FHIR_PREFIX)
        units = Units(made, journal.append_all, codes.__getitem__, rows=Rows(texts))
        server = Server(made, units, Dispatch(INTERACTIONS, OPERATIONS), Claims(INTERACTIONS, OPERATIONS),
                        extract=extract, check=policy(Validator(), Mode.STRICT))  # fmt: skip
        yield House(made, journal, keys, replace(server, **changes))


def patient(**more: Any) -> dict[str, Any]:
    """A Patient."""
    return {"resourceType": "Patient", "active": True, **more}


def issue(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of the first issue of an OperationOutcome."""
    told = answer.json()
    assert told["resourceType"] == "OperationOutcome", told
    return answer.status_code, told["issue"][0]["code"]
