"""FHIR put together over one index and one archive, as every process opens it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from config.fhir import FhirSettings
from config.settings import Settings
from fhir.acting.actions import Actions, authorities
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
from fhir.validation.check import Validator
from fhir.validation.policy import Mode, policy
from fhir.validation.profile.packages import Packages
from pacsd.access.directory import Directory
from pacsd.archive.journal import FHIR_PREFIX, Journal
from pacsd.archive.services import Archive
from pacsd.reports.contents import Contents
from pacsd.reports.reports import Reports

FORMATS = ("application/fhir+json", "application/fhir+xml", "json", "xml")
_CATCH_UP_S = 60.0


@dataclass(frozen=True, slots=True)
class Fhir:
    """What the edge, the worker and commands may ask."""

    server: Server
    restoration: Restoration
    organisations: Mapping[str, int]
    _directory: Directory

    @property
    def chores(self) -> tuple[tuple[str, float, Callable[[], bool]], ...]:
        """What a worker does again and again: names, seconds between, and whether there is more at once."""
        return (("catch up with what FHIR clients wrote", _CATCH_UP_S, self.restoration.catch_up),)

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
    validator = Validator(Packages(settings.fhir.profiles).find)
    server = Server(
        archive.pool, units, Dispatch(INTERACTIONS, OPERATIONS), Claims(INTERACTIONS, OPERATIONS, formats=FORMATS),
        extract=extract, check=policy(validator, Mode(settings.fhir.validation)), validator=validator,
        limits=limits(settings.fhir), full_text=settings.fhir.full_text,
    )  # fmt: skip
    restoration = Restoration(units, journal, keys, server.extract)
    return Fhir(server, restoration, keys, directory)
