"""FHIR put together over one index and one archive, as every process opens it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from config.fhir import FhirSettings
from config.settings import IdentitySettings, Settings
from fhir.acting.actions import Actions, authorities
from fhir.audit.desk import AuditDesk
from fhir.audit.interactions import INTERACTIONS as AUDIT_INTERACTIONS
from fhir.audit.interactions import TYPE as AUDIT_EVENT
from fhir.audit.recording import Recording
from fhir.audit.search import SEARCHED
from fhir.bulk import export, importing
from fhir.bulk.export import Exports
from fhir.bulk.importing import Imports
from fhir.bulk.worker import Workbench, clear
from fhir.interaction.dispatch import Dispatch
from fhir.interaction.services import Claims, Limits, Server
from fhir.interaction.table import INTERACTIONS
from fhir.operation.table import OPERATIONS
from fhir.operation.ws_binding_token import SOCKET
from fhir.outgoing import Door
from fhir.projection.houses import houses
from fhir.projection.opening import Opening
from fhir.projection.standing import OrganisationScopes, Standing
from fhir.projection.systems import Systems
from fhir.restoration import Restoration
from fhir.search.extract import extract
from fhir.store import events
from fhir.store.rows import Rows, texts
from fhir.store.unit import Unit, Units
from fhir.subscription.service import Subscriptions
from fhir.subscription.topics import TOPICS
from fhir.terminology.library import Definitions, Library
from fhir.terminology.port import Codes
from fhir.terminology.shelves import LoadedShelf
from fhir.validation.check import Validator
from fhir.validation.policy import Mode, policy
from fhir.validation.profile.packages import Packages
from pacsd.access.grants import Grants
from pacsd.access.scope import Scope
from pacsd.archive.journal import FHIR_PREFIX, Journal
from pacsd.archive.register import Registration
from pacsd.archive.services import Archive
from pacsd.audit.services import reading, source
from pacsd.audit.trail import Recorder, Unrecorded
from pacsd.blobs.port import BlobStore
from pacsd.blobs.record_log import RecordLog
from pacsd.identity.matching import Thresholds
from pacsd.index.access_grants import GrantRows
from pacsd.index.access_openings import IndexOpenings
from pacsd.index.audit_events import AuditEvents
from pacsd.links.services import open_links
from pacsd.reports.contents import Contents
from pacsd.reports.reports import Reports
from pacsd.workflow.records import Deferred, Records
from pacsd.workflow.workitems import Workitems

FORMATS = ("application/fhir+json", "application/fhir+xml", "json", "xml")
_CATCH_UP_S, _FORGET_S = 60.0, 600.0


@dataclass(frozen=True, slots=True)
class Fhir:
    """What the edge, the worker and commands may ask. Who writes closes it when the process ends."""

    server: Server
    restoration: Restoration
    opening: Opening
    workbench: Workbench
    subscriptions: Subscriptions
    journal: Journal

    def close(self) -> None:
        """Give back what the journal wrote ahead."""
        self.journal.close()

    @property
    def chores(self) -> tuple[tuple[str, float, Callable[[], bool]], ...]:
        """What a worker does again and again: names, seconds between, and whether there is more at once."""
        restoring = ("catch up with what FHIR clients wrote", _CATCH_UP_S, self.restoration.catch_up)
        forgetting = ("forget events of subscriptions", _FORGET_S, self._forget)
        return restoring, forgetting

    def _forget(self) -> bool:
        events.forget(self.server.pool)
        return False


def limits(settings: FhirSettings) -> Limits:
    """What the settings allow one request."""
    return Limits(
        max_body_bytes=settings.max_body_bytes, max_entries=settings.max_entries, max_page=settings.max_page,
        conditional_deletes=settings.conditional_deletes,
    )  # fmt: skip


def _claims() -> Claims:
    return Claims(
        INTERACTIONS, OPERATIONS, formats=FORMATS, of_type={AUDIT_EVENT: AUDIT_INTERACTIONS},
        searched={AUDIT_EVENT: SEARCHED}, topics=tuple(one.url for one in TOPICS), socket=SOCKET,
    )  # fmt: skip


def _thresholds(settings: IdentitySettings) -> Thresholds:
    return Thresholds(settings.review_score, settings.automatic_score, settings.proofs)


def open_fhir(settings: Settings, archive: Archive, recorder: Recorder | None = None) -> Fhir:
    """The FHIR server of the settings; `recorder` is where its interactions are recorded."""
    directory = archive.directory
    keys, codes = directory.keys, directory.codes
    records = RecordLog(archive.files.root, reserve_bytes=settings.storage.reserve_bytes)     # one is of one folder
    journal = Journal(archive.blobs, prefix=FHIR_PREFIX, records=records)
    contents = Contents(archive.blobs)
    known_houses = houses(settings, directory)
    actions = Actions(
        directory, known_houses, authorities(settings, directory), contents,
        Reports(archive.pool, contents, codes), Registration(settings), _workitems(settings, archive), extract,
    )
    rows = Rows(texts if settings.fhir.full_text else None)
    units = Units(
        archive.pool, journal.append_all, lambda key: codes[key], rows=rows, effects=actions,
        say_beside=archive.journal.append_all,
    )
    known = Codes(Library((Definitions(), LoadedShelf(archive.pool, Scope((), 0)))))     # to everybody
    validator = Validator(Packages(settings.fhir.profiles).find, known.validate_code)
    server = Server(
        archive.pool, units, Dispatch(INTERACTIONS, OPERATIONS, {AUDIT_EVENT: AUDIT_INTERACTIONS}), _claims(),
        thresholds=_thresholds(settings.identity), blobs=archive.blobs,
        extract=extract, check=policy(validator, Mode(settings.fhir.validation)), validator=validator,
        limits=limits(settings.fhir), full_text=settings.fhir.full_text, houses=known_houses,
        grants=Grants(GrantRows(archive.pool, archive.journal.append_all)),
        links=open_links(settings, archive.pool, archive.journal.append_all, directory, recorder),
        audit=_desk(settings, archive, codes, recorder or Unrecorded()),
        recording=None if recorder is None else Recording(recorder, source(settings)),
    )  # fmt: skip
    restoration = Restoration(units, journal, keys, server.extract)
    opening = Opening(archive.pool, known_houses)
    standing = OrganisationScopes(directory, IndexOpenings(archive.pool), opening, codes)
    door = Door(settings.fhir.subscription_networks)
    subscriptions = Subscriptions(server, standing, door, base=base_of(settings))
    return Fhir(server, restoration, opening, workbench(server, archive.blobs, door, standing), subscriptions,
                journal)  # fmt: skip


def _workitems(settings: Settings, archive: Archive) -> Callable[[Unit], Workitems]:
    """Unified procedure steps, within a unit."""
    records = Records(archive.blobs, archive.directory.codes)

    def within(unit: Unit) -> Workitems:
        return Workitems(
            unit.pool, Deferred(records, unit.records), own_title=settings.ae_title,
            grace_s=settings.storage.grace_s, worklist_label=settings.worklist.default_label,
        )  # fmt: skip

    return within


def _desk(settings: Settings, archive: Archive, codes: Mapping[int, str], recorder: Recorder) -> AuditDesk:
    events = AuditEvents(archive.pool)
    systems = Systems({one.authority: one.universal_id for one in settings.identity_domains})
    loading = reading(settings, events)
    return AuditDesk(events, recorder, loading.refresh, loading.hurry, systems, codes, source(settings),
                     settings.audit.site)  # fmt: skip


def base_of(settings: Settings) -> str:
    """[base] as subscribers are told it, whoever asked for what changed."""
    public = settings.web.public_url or f"http://{settings.host}:{settings.http_port}"
    return public.rstrip("/") + "/fhir"


def workbench(server: Server, blobs: BlobStore, door: Door, standing: Standing) -> Workbench:
    """Who works on what goes on after its request."""
    exports = Exports(server.pool, server.searches, blobs, server.zone, standing=standing)
    steps = {export.KIND: exports.step, importing.KIND: Imports(server, blobs, door=door).step}
    clears = tuple(partial(clear, blobs, prefix) for prefix in (export.PREFIX, importing.PREFIX))
    return Workbench(server.pool, steps, clears)
