"""FHIR put together over one index and one archive, as every process opens it."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.settings import Settings
from fhir.acting.actions import Actions, authorities
from fhir.interaction.dispatch import Dispatch
from fhir.interaction.request import Asker
from fhir.interaction.services import Claims, Server
from fhir.interaction.table import INTERACTIONS
from fhir.operation.table import OPERATIONS
from fhir.projection.houses import houses
from fhir.store.unit import Units
from pacsd.access.directory import Directory
from pacsd.archive.journal import FHIR_PREFIX, Journal
from pacsd.archive.services import Archive
from pacsd.reports.contents import Contents
from pacsd.reports.reports import Reports


@dataclass(frozen=True, slots=True)
class Fhir:
    """What the edge, the worker and commands may ask."""

    server: Server
    journal: Journal
    organisations: Mapping[str, int]
    _directory: Directory

    def asker(self) -> Asker:
        """On whose behalf a web client acts (no authentication yet: one reader for all)."""
        peer = self._directory.web_reader()
        return Asker(peer.scope, peer.organisation)


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
    units = Units(
        archive.pool, journal.append_all, codes.__getitem__, effects=actions, say_beside=archive.journal.append_all
    )
    server = Server(
        archive.pool, units, Dispatch(INTERACTIONS, OPERATIONS), Claims(INTERACTIONS, OPERATIONS)
    )
    return Fhir(server, journal, keys, directory)
