"""A hospital on real PostgreSQL and real files: DICOM and HL7 come in, and what they say is projected into FHIR."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from config.settings import (
    Hl7SenderSettings,
    IdentityDomainSettings,
    OrganisationSettings,
    Settings,
    WebSettings,
)
from fhir.http.app import Edge, FhirApp
from fhir.interaction.request import Asker
from fhir.projection.consumer import NAME, Projections
from fhir.projection.services import open_projections
from fhir.services import Fhir, open_fhir
from fhir.store.stored import Stored
from ihe_profiles.exchange.services import Exchange
from pacsd.archive.services import Archive, open_archive
from tests.fhir.house import Mounted, in_thread
from tests.ihe_profiles.test_exchange import ask

EAST_OID = "1.2.3.1"
_MOST_S = 10.0                            # that something may hold the horizon
SETTINGS: dict[str, Any] = {
    "organisations": (
        OrganisationSettings("east", "East Hospital", "EAST"), OrganisationSettings("west", "West Hospital", "WEST"),
    ),
    "hl7_senders": (Hl7SenderSettings("ris", "RIS", "east"), Hl7SenderSettings("his", "HIS", "east")),
    "identity_domains": (IdentityDomainSettings("EAST", EAST_OID),),
    "web": WebSettings(public_url="https://pacs.example"),
}  # fmt: skip


class Hospital:
    """Everything over one index."""

    def __init__(self, archive: Archive, settings: Settings) -> None:
        self.archive, self.settings = archive, settings
        self.exchange = Exchange(settings, archive.pool, archive.journal, archive.directory, archive.blobs)
        self.fhir: Fhir = open_fhir(settings, archive)
        self.lags: list[float] = []
        self.projections: Projections = self.opened()

    def opened(self) -> Projections:
        """As a worker opens it."""
        return open_projections(self.settings, self.archive, self.fhir.server, holder="worker 0", lag=self.lags.append)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """An answer of the FHIR edge."""
        return asyncio.run(self._ask(method, path, body, headers))

    async def asking(self, _request: Any) -> Asker:
        """Everybody is the web reader."""
        peer = self.archive.directory.web_reader()
        return Asker(peer.scope, peer.organisation)

    async def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        edge = Edge(self.asking, lambda _: "https://pacs.example", read=in_thread, write=in_thread)
        transport = httpx.ASGITransport(Mounted(FhirApp(self.fhir.server, edge)))
        named = {name.replace("_", "-"): one for name, one in headers.items()}
        told = {"content-type": "application/fhir+json", **named}
        async with httpx.AsyncClient(transport=transport, timeout=60) as client:
            content = None if body is None else orjson.dumps(body)
            return await client.request(method, f"https://pacs.example/fhir/{path}", content=content, headers=told)

    def store(self, *files: bytes, code: str = "east") -> None:
        """Store Part 10 files."""
        for file in files:
            reception = self.archive.ingest.receive_part10(self.archive.directory.member(code))
            reception.write(file)
            reception.commit()

    def say(self, message: str) -> None:
        """An HL7 message that is taken."""
        answer = ask(self.exchange, message)
        assert answer[0] == "AA", answer

    def project(self) -> None:
        """Until nothing is left to do."""
        while self.projections.sweep():
            pass
        ends = time.monotonic() + _MOST_S
        while self.projections.run() or (self._is_held_back() and time.monotonic() < ends):
            pass

    def _is_held_back(self) -> bool:
        """Whether something happened that is not read yet: PostgreSQL's own work now and then holds the horizon."""
        return bool(self.rows(
            "select from event where transaction >= (select window_to from consumer where name = %s) limit 1", NAME
        ))  # fmt: skip

    def rows(self, statement: str, *values: object) -> Sequence[tuple[Any, ...]]:
        """What the database says."""
        with self.archive.pool.connection() as connection:
            return connection.execute(statement, values).fetchall()

    def stored(self, type_name: str, code: str = "east") -> list[Stored]:
        """The newest versions of a type that are there."""
        key = self.archive.directory.organisation_key(code)
        found = self.rows(
            """select pk, organisation, type, id, version, updated, deleted, method, owner, body from fhir_resource
            where type = %s and organisation = %s and not deleted order by pk""", type_name, key)  # fmt: skip
        return [Stored(*row) for row in found]

    def all(self, type_name: str, code: str = "east") -> list[dict[str, Any]]:
        """Their bodies."""
        return [orjson.loads(one.body) for one in self.stored(type_name, code)]

    def only(self, type_name: str, code: str = "east") -> dict[str, Any]:
        """The only one there is."""
        (found,) = self.all(type_name, code)
        return found

    def versions(self) -> dict[str, int]:
        """Of every resource."""
        return {f"{row[0]}/{row[1]}": row[2] for row in self.rows("select type, id, version from fhir_resource")}


@contextmanager
def opened(dsn: str, folder: Path, **changes: Any) -> Iterator[Hospital]:
    """A hospital over a migrated database."""
    settings = Settings(data_dir=folder, **{**SETTINGS, **changes})
    archive = open_archive(settings, dsn, readers=6)
    try:
        yield Hospital(archive, settings)
    finally:
        archive.close()
