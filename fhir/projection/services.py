"""Projections put together over one index and one archive, as every process opens them."""

from collections.abc import Iterator, Mapping
from functools import partial

from config.settings import Settings
from fhir.interaction.services import Server
from fhir.projection.consumer import Lag, Projections, not_measured
from fhir.projection.device import application_entity
from fhir.projection.endpoint import endpoint
from fhir.projection.gathering import Archives, Gathered
from fhir.projection.houses import houses
from fhir.projection.organization import organization
from fhir.projection.pace import Pace
from fhir.projection.projected import House, Projected
from fhir.projection.projector import Projector
from pacsd.access.directory import Directory
from pacsd.archive.services import Archive
from pacsd.index import locate, messages
from pacsd.index.connect import Connection
from pacsd.reports.contents import Contents


def open_projections(
    settings: Settings, archive: Archive, server: Server, *, holder: str, lag: Lag = not_measured
) -> Projections:
    """What a worker does to bring FHIR up to what the archive knows."""
    everybody = archive.directory.everybody()
    known = houses(settings, archive.directory)
    archives = Archives(
        everybody, known, partial(locate.by_series, archive.pool), archive.sidecars, Contents(archive.blobs)
    )
    projector = Projector(server.units, archives, server.extract)
    configured = partial(_configured, settings, archive.directory, known, projector)
    pace = Pace(partial(messages.newest, archive.pool))
    return Projections(archive.pool, projector, everybody, settings=configured, holder=holder, lag=lag, pace=pace)


def _configured(
    settings: Settings, directory: Directory, known: Mapping[int, House], projector: Projector, connection: Connection
) -> int:
    """Bring what the settings name up to date."""
    return projector.write(connection, Gathered(list(_named(settings, directory, known))))


def _named(settings: Settings, directory: Directory, known: Mapping[int, House]) -> Iterator[Projected]:
    for house in known.values():
        yield organization(house)
        yield endpoint(house)
    by_title = {(one.organisation, one.title) for one in settings.own_aes}
    by_title |= {(one.organisation, one.title) for one in settings.remote_aes}
    for code, title in sorted(by_title):
        yield application_entity(known[directory.organisation_key(code)], title)
