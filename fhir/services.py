"""FHIR put together over one index and one archive, as every process opens it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from config.settings import Settings
from fhir.interaction.dispatch import Dispatch
from fhir.interaction.request import Asker
from fhir.interaction.services import Claims, Server
from fhir.interaction.table import INTERACTIONS
from fhir.operation.table import OPERATIONS
from fhir.restoration import Restoration
from fhir.store.rows import Rows
from fhir.store.unit import Units
from pacsd.access.directory import Directory
from pacsd.archive.journal import FHIR_PREFIX, Journal
from pacsd.archive.services import Archive

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


def open_fhir(settings: Settings, archive: Archive) -> Fhir:
    """The FHIR server of the settings."""
    directory = archive.directory
    keys = {one.code: directory.organisation_key(one.code) for one in settings.organisations}
    codes = {key: code for code, key in keys.items()}
    journal = Journal(archive.blobs, prefix=FHIR_PREFIX)
    units = Units(archive.pool, journal.append_all, codes.__getitem__, rows=Rows())
    server = Server(
        archive.pool, units, Dispatch(INTERACTIONS, OPERATIONS), Claims(INTERACTIONS, OPERATIONS)
    )
    restoration = Restoration(units, journal, keys, server.extract)
    return Fhir(server, restoration, keys, directory)
