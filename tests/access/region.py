"""Three hospitals over one index, everybody with a token: the whole web server, its FHIR edge and its HL7 queries.

`west` has the study that everybody asks for. It shared the patient with `south`. `east` cares for the same person, by
an order, and was given nothing.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson

from config.settings import (
    Hl7SenderSettings,
    IdentityDomainSettings,
    OrganisationSettings,
    ResearchProjectSettings,
    Settings,
    WebSettings,
)
from fhir.http.app import Edge, FhirApp
from fhir.interaction.request import Asker, asker_of
from fhir.projection.services import open_projections
from fhir.services import open_fhir
from ihe_profiles.exchange.services import Exchange
from pacsd.access.grants import Grants
from pacsd.access.principal import PatientKey, Principal, Proof, Role
from pacsd.access.resolution import Resolution
from pacsd.archive.research.services import open_research
from pacsd.archive.services import Archive, open_archive
from pacsd.audit.message import AuditMessage
from pacsd.deidentify import Project
from pacsd.faults import Fault, PacsdError
from pacsd.identity.linking import Linker
from pacsd.identity.matching import Thresholds
from pacsd.identity.patients import PatientKey as Key
from pacsd.identity.person import Persons
from pacsd.identity.work import working
from pacsd.index.access_grants import GrantRows
from pacsd.index.access_openings import IndexOpenings
from pacsd.index.links import LinkRows
from pacsd.links.link import Link
from pacsd.links.records import LinkRecords
from pacsd.links.sessions import Sessions
from pacsd.links.visit import Visits
from pacsd.web.addresses import Addresses
from pacsd.web.admission import Admission, Bearer
from pacsd.web.app import create_app
from pacsd.web.link_session import WithLinks
from pacsd.web.services import Services
from pacsd.workflow.services import Workflow, open_workflow
from tests.conftest import Postgres
from tests.hl7.orders import orm
from tests.hl7.results import oru, study_uid, text
from tests.ihe_profiles.test_exchange import ask
from tests.synthetic import Study, ct_slice, study

BASE = "https://pacs.example"
PROJECT = Project("lung", b"lung" * 8)
CODES = ("east", "west", "south")
STUDIES: Mapping[str, Study] = {
    code: study(61, number, patient_id=f"{code[0].upper()}1", accession_number=f"A{code}", modality="CT")
    for number, code in enumerate(CODES)
}
UNRELEASED = study(61, 9, patient_id="W1", accession_number="Alater", modality="CT")
SETTINGS = Settings(
    organisations=tuple(OrganisationSettings(one, f"Hospital {one}", one.upper()) for one in CODES),
    hl7_senders=(
        Hl7SenderSettings("west", "WRIS", "west"), Hl7SenderSettings("east", "HIS", "east"),
        Hl7SenderSettings("south", "SRIS", "south"),
    ),
    identity_domains=tuple(IdentityDomainSettings(one.upper(), f"1.2.3.{n}") for n, one in enumerate(CODES, 1)),
    web=WebSettings(public_url=BASE),
)  # fmt: skip


def somebody(role: Role, code: str) -> Principal:
    """Somebody of one role in a hospital; a patient is the one of its study, a link leads there."""
    patient = PatientKey(code.upper(), STUDIES[code].patient_id) if role is Role.PATIENT else None
    roles = {role, Role.LINK} if role is Role.LINK_COPY else {role}
    link = f"link of {code}" if Role.LINK in roles else ""
    return Principal(f"{role.value}@{code}", code, frozenset(roles), Proof.TOKEN, patient=patient, link=link)


class Tokens:
    """Tokens that name whose they are."""

    def known(self, token: str, **_told: Any) -> Principal | None:
        """None: each is verified."""
        return None

    def verify(self, token: str, **_told: Any) -> Principal:
        """`role@code`. Raises PacsdError UNAUTHENTICATED for another."""
        role, _, code = token.partition("@")
        if role not in {one.value for one in Role} or code not in (*CODES, "nowhere"):
            raise PacsdError(Fault.UNAUTHENTICATED, "no such token")
        return somebody(Role(role), code) if code in CODES else replace(somebody(Role(role), "east"), organisation=code)


class Noted:
    """A recorder that remembers."""

    def __init__(self) -> None:
        self.messages: list[AuditMessage] = []

    def write(self, *messages: AuditMessage) -> tuple[str, int]:
        """As Recorder has it."""
        self.messages += messages
        return "", len(self.messages)

    def begin(self, make: Callable[[], Sequence[AuditMessage]], *, key: Hashable | None = None) -> None:
        """As Recorder has it."""
        del key
        self.messages += make()


@dataclass
class Region:
    """Everything over one index; `now` is the clock by which resolved accesses grow old."""

    archive: Archive
    workflow: Workflow
    resolution: Resolution
    app: Any
    exchange: Exchange
    grants: Grants
    links: LinkRows
    visits: Visits
    noted: Noted
    clock: list[float] = field(default_factory=lambda: [0.0])
    _project: Any = None
    served: Any = None                   # of FHIR
    projects: tuple[ResearchProjectSettings, ...] = ()

    def request(self, method: str, path: str, token: str = "", **told: Any) -> httpx.Response:
        """One answer, its body whole."""
        return asyncio.run(self._request(method, path, token, told))

    async def _request(self, method: str, path: str, token: str, told: dict[str, Any]) -> httpx.Response:
        headers = {**({"authorization": f"Bearer {token}"} if token else {}), **told.pop("headers", {})}
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.request(method, path, headers=headers, **told)

    def fhir(self, method: str, path: str, token: str, body: Any = None, **headers: str) -> httpx.Response:
        """One answer of the FHIR edge."""
        told = {"content-type": "application/fhir+json", **headers}
        content = None if body is None else orjson.dumps(body)
        return self.request(method, f"/fhir/{path}", token, content=content, headers=told)

    def later(self) -> None:
        """So much later that what was resolved is resolved anew."""
        self.clock[0] += 60.0
        self.served.subscriptions.scope_of._known.clear()

    def exported(self, types: str, token: str) -> list[str]:
        """Ids of what an export of these types holds."""
        asked = self.fhir("GET", f"$export?_type={types}", token, prefer="respond-async")
        assert asked.status_code == 202, asked.content
        where = asked.headers["content-location"].removeprefix(f"{BASE}/fhir/")
        while self.served.workbench.work():
            pass
        files = [one["url"].removeprefix(f"{BASE}/fhir/") for one in self.fhir("GET", where, token).json()["output"]]
        lines = [line for one in files for line in self.fhir("GET", one, token).content.splitlines()]
        return sorted(orjson.loads(line)["id"] for line in lines)

    def told(self, subscription: str) -> int:
        """Of how many events a subscription has told by now."""
        self.rows("update fhir_subscription set due_at = now(), taken_until = '-infinity' returning resource")
        for one in self.served.subscriptions.settle():
            self.served.subscriptions.serve(one)
        return int(self.rows("""select s.events from fhir_subscription s join fhir_resource r on r.pk = s.resource
            where r.id = %s""", subscription)[0][0])

    def key(self, code: str) -> int:
        """The key of an organisation."""
        return self.archive.directory.organisation_key(code)

    def project(self) -> None:
        """Have FHIR say what the archive says."""
        while self._project.sweep():
            pass
        while self._project.run():
            pass

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database says."""
        with self.archive.pool.connection() as connection:
            return connection.execute(statement, values).fetchall()

    def id_of(self, type_name: str, code: str) -> str:
        """The id of the only resource of a type that an organisation has, or of that which names its study."""
        found = self.rows("select id, body from fhir_resource where type = %s and organisation = %s and not deleted",
                          type_name, self.key(code))  # fmt: skip
        named = [row[0] for row in found if STUDIES[code].study_instance_uid.encode() in bytes(row[1])]
        return str((named or [row[0] for row in found])[0])


def store(archive: Archive, code: str, of: Study) -> None:
    """Two images of one series."""
    for instance in (1, 2):
        reception = archive.ingest.receive_part10(archive.directory.member(code))
        reception.write(ct_slice(of, instance=instance, rows=16, columns=16))
        reception.commit()


def link(archive: Archive, one: tuple[str, str], other: tuple[str, str]) -> None:
    """Say that two records are one person."""
    own = archive.directory.organisation_key("east")
    with working(archive.pool, archive.journal.append_all, own) as work:
        Persons().decide(work, Key(*one), Key(*other), linked=True, said_by="a test")
    Linker(archive.pool, archive.journal.append_all, Thresholds()).catch_up()


def admission(application: str, patient: str) -> str:
    """ADT^A08: what a hospital states of its own patient."""
    lines = (f"MSH|^~\\&|{application}|F|PACSD|F|20260101120000||ADT^A08^ADT_A01|a{patient}|P|2.5.1", "EVN||20260101",
             f"PID|||{patient}||WANG^{patient}||1980010{len(patient)}|F", "PV1|1|O")  # fmt: skip
    return "".join(f"{line}\r" for line in lines)


def fill(region: Region) -> None:
    """What the three have, and what they know of each other."""
    archive, west = region.archive, STUDIES["west"]
    for code, of in STUDIES.items():
        store(archive, code, of)
    store(archive, "west", UNRELEASED)
    for application, patient in (("HIS", "E1"), ("WRIS", "W1"), ("SRIS", "S1")):
        assert ask(region.exchange, admission(application, patient))[0] == "AA"
    order = orm("NW", placer="P9", patient="E1", accession="Anew", name="WANG^WU")
    assert ask(region.exchange, order)[0] == "AA"
    for number, (of, status) in enumerate(((west, "F"), (UNRELEASED, "P"))):
        report = oru(f"R{number}", study_uid(of.study_instance_uid), text("No nodule.", status=status), patient="W1",
                     status=status, accession=of.accession_number, filler=f"F{number}", placer=f"P{number}",
                     application="WRIS")  # fmt: skip
        assert ask(region.exchange, report)[0] == "AA"
    link(archive, ("EAST", "E1"), ("WEST", "W1"))
    administrator = somebody(Role.ADMINISTRATOR, "west")
    region.grants.share(
        administrator, region.key("west"), grantee=region.key("south"), patient=PatientKey("WEST", "W1"),
        until=datetime.now(UTC) + timedelta(days=1), reason="a second opinion",
    )  # fmt: skip
    for code, of in STUDIES.items():
        region.links.add(link_to(of, region.key(code), f"link of {code}"))
    region.project()


def link_to(of: Study, organisation: int, name: str) -> Link:
    """A link to one study, whose token nobody knows."""
    now = datetime.now(UTC)
    return Link(name, organisation, (of.study_instance_uid,), None, "a test", now, now + timedelta(days=1),
                digest=name.encode())  # fmt: skip


@contextmanager
def filled(postgres: Postgres, template: str, folder: Path) -> Iterator[Region]:
    """A region with all that it has, over a database that ends with it."""
    name, dsn = postgres.create(template=template)
    with opened(dsn, folder) as region:
        fill(region)
        yield region
    postgres.drop(name)


@contextmanager
def opened(dsn: str, folder: Path) -> Iterator[Region]:
    """A region over a migrated database, still empty."""
    lung = ResearchProjectSettings("lung", folder / "lung.txt", "west", members=("researcher@west",))
    settings = replace(SETTINGS, data_dir=folder, research_projects=(lung,))
    archive = open_archive(settings, dsn, readers=9)
    clock = [0.0]
    resolution = Resolution(archive.directory, IndexOpenings(archive.pool), now=lambda: clock[0])
    links = LinkRows(archive.pool, archive.journal.append_all)
    noted = Noted()

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=clock[0])

    sessions = Sessions(links, lasts_s=600.0, clock=now, now=lambda: clock[0])
    visits = Visits(links, sessions, recording=LinkRecords(noted), clock=now)
    admission = Admission(WithLinks(Bearer(Tokens()), sessions), resolution)
    settings.research_projects[0].studies.write_text(f"# consented\n{STUDIES['west'].study_instance_uid}\n")
    research = open_research(settings, archive, lambda _: PROJECT, now=lambda: clock[0])
    workflow = open_workflow(settings, archive.pool, archive.blobs, archive.directory)
    services = Services(archive=archive, directory=archive.directory, addresses=Addresses(public_url=BASE),
                        workflow=workflow, admission=admission, metrics=lambda: b"pacsd_up 1\n",
                        links=visits, research=research)  # fmt: skip
    fhir = open_fhir(settings, archive)

    async def asker(request: Any) -> Asker:
        return asker_of(await admission.access(request.scope))

    edge = Edge(asker, services.addresses.origin, read=services.threads.run, write=services.threads.commit,
                opening=fhir.opening)  # fmt: skip
    app = create_app(services, {"/fhir": FhirApp(fhir.server, edge)})
    exchange = Exchange(settings, archive.pool, archive.journal, archive.directory, archive.blobs)
    grants = Grants(GrantRows(archive.pool, archive.journal.append_all))
    projections = open_projections(settings, archive, fhir.server, holder="a test", lag=lambda _: None)
    try:
        yield Region(archive, workflow, resolution, app, exchange, grants, links, visits, noted, clock, projections,
                     fhir, settings.research_projects)
    finally:
        archive.close()
