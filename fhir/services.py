"""FHIR put together over one index and one archive, as every process opens it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from config.fhir import FhirSettings
from config.settings import IdentitySettings, Settings
from fhir.acting.actions import Actions, authorities
from fhir.bulk import export, importing
from fhir.bulk.export import Exports
from fhir.bulk.importing import Imports
from fhir.bulk.worker import Workbench, clear
from fhir.interaction.dispatch import Dispatch
from fhir.interaction.request import Asker
from fhir.interaction.services import Claims, Limits, Server
from fhir.interaction.table import INTERACTIONS
from fhir.operation.table import OPERATIONS
from fhir.projection.houses import houses
from fhir.restoration import Restoration
from fhir.search.extract import extract
from fhir.store.rows import Rows, texts
from fhir.store.unit import Units
from fhir.subscription.channel import Door
from fhir.subscription.service import Subscriptions
from fhir.terminology.library import Definitions, Library
from fhir.terminology.port import Codes
from fhir.terminology.shelves import LoadedShelf
from fhir.validation.check import Validator
from fhir.validation.policy import Mode, policy
from fhir.validation.profile.packages import Packages
from pacsd.access.directory import Directory
from pacsd.access.scope import Scope
from pacsd.archive.journal import FHIR_PREFIX, Journal
from pacsd.archive.services import Archive
from pacsd.blobs.port import BlobStore
from pacsd.identity.matching import Thresholds
from pacsd.reports.contents import Contents
from pacsd.reports.reports import Reports

FORMATS = ("application/fhir+json", "application/fhir+xml", "json", "xml")
_CATCH_UP_S = 60.0


@dataclass(frozen=True, slots=True)
class Fhir:
    """What the edge, the worker and commands may ask."""

    server: Server
    restoration: Restoration
    _directory: Directory
    workbench: Workbench
    subscriptions: Subscriptions

    @property
    def chores(self) -> tuple[tuple[str, float, Callable[[], bool]], ...]:
        """What a worker does again and again: names, seconds between, and whether there is more at once."""
        restoring = ("catch up with what FHIR clients wrote", _CATCH_UP_S, self.restoration.catch_up)
        return (restoring, *self.workbench.chores())

    def asker(self) -> Asker:
        """On whose behalf a web client acts (no authentication yet: one reader for all)."""
        peer = self._directory.web_reader()
        return Asker(peer.scope, peer.organisation)


def limits(settings: FhirSettings) -> Limits:
    """What the settings allow one request."""
    return Limits(
        max_body_bytes=settings.max_body_bytes, max_entries=settings.max_entries, max_page=settings.max_page,
        conditional_deletes=settings.conditional_deletes,
    )  # fmt: skip


def _thresholds(settings: IdentitySettings) -> Thresholds:
    return Thresholds(settings.review_score, settings.automatic_score, settings.proofs)


def open_fhir(settings: Settings, archive: Archive) -> Fhir:
    """The FHIR server of the settings."""
    directory = archive.directory
    keys = {one.code: directory.organisation_key(one.code) for one in settings.organisations}
    codes = {key: code for code, key in keys.items()}
    journal = Journal(archive.blobs, prefix=FHIR_PREFIX)
    contents = Contents(archive.blobs)
    actions = Actions(
        houses(settings, directory), authorities(settings, keys), contents, Reports(archive.pool, contents, codes)
    )
    rows = Rows(texts if settings.fhir.full_text else None)
    units = Units(
        archive.pool, journal.append_all, codes.__getitem__, rows=rows, effects=actions,
        say_beside=archive.journal.append_all,
    )
    known = Codes(Library((Definitions(), LoadedShelf(archive.pool, Scope((), 0)))))     # to everybody
    validator = Validator(Packages(settings.fhir.profiles).find, known.validate_code)
    server = Server(
        archive.pool, units, Dispatch(INTERACTIONS, OPERATIONS), Claims(INTERACTIONS, OPERATIONS, formats=FORMATS),
        thresholds=_thresholds(settings.identity), blobs=archive.blobs,
        extract=extract, check=policy(validator, Mode(settings.fhir.validation)), validator=validator,
        limits=limits(settings.fhir), full_text=settings.fhir.full_text,
    )  # fmt: skip
    restoration = Restoration(units, journal, keys, server.extract)
    subscriptions = Subscriptions(server, lambda key: directory.scope(codes[key]),
                                  Door(settings.fhir.subscription_networks))  # fmt: skip
    return Fhir(server, restoration, directory, workbench(server, archive.blobs), subscriptions)


def workbench(server: Server, blobs: BlobStore) -> Workbench:
    """Who works on what goes on after its request."""
    exports = Exports(server.pool, server.searches, blobs, server.zone)
    steps = {export.KIND: exports.step, importing.KIND: Imports(server, blobs).step}
    clears = tuple(partial(clear, blobs, prefix) for prefix in (export.PREFIX, importing.PREFIX))
    return Workbench(server.pool, steps, clears)
