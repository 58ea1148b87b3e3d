"""Projections put together over one index and one archive, as every process opens them."""

from collections.abc import Mapping
from functools import partial

from config.settings import Settings
from fhir.interaction.services import Server
from fhir.projection.administration import Mappings, administered, mappings
from fhir.projection.consumer import Lag, Projections, View, not_measured
from fhir.projection.gathering import Archives, Gathered
from fhir.projection.houses import houses
from fhir.projection.projected import House, feed
from fhir.projection.projector import Projector
from fhir.store import administered as administered_rows
from fhir.store import shared
from pacsd.access.directory import Directory
from pacsd.archive.services import Archive
from pacsd.events.pace import Pace
from pacsd.index import locate
from pacsd.index.busy import arrivals
from pacsd.index.connect import Connection, Pool
from pacsd.reports.contents import Contents

# While they pour in: within a second a stored study is seen all the same, as long as few new ones come each second.
_SHARE, _REST_S = 0.05, 0.7


def giving_way(pool: Pool) -> Pace:
    """How what happens is projected beside objects and messages that pour in."""
    return Pace(partial(arrivals, pool), share=_SHARE, longest_s=_REST_S)


def open_projections(
    settings: Settings, archive: Archive, server: Server, *, holder: str, lag: Lag = not_measured,
    pace: Pace | None = None, sweeping: Pace | None = None,
) -> Projections:
    """What a worker does to bring FHIR up to what the archive knows. It gives way by `pace`, what was before it by
    `sweeping`."""
    directory, known = archive.directory, houses(settings, archive.directory)
    archives = Archives(
        directory.everybody, known, partial(locate.by_series, archive.pool), archive.sidecars, Contents(archive.blobs)
    )
    projector = Projector(server.units, archives, server.extract)
    written = partial(_written, settings, directory, known, projector, mappings(settings))
    view = View(directory.known, written)
    return Projections(archive.pool, projector, directory.everybody, view=view, holder=holder,
                       learn=archive.register.refresh, lag=lag, pace=pace, sweeping=sweeping)  # fmt: skip


def _written(
    settings: Settings, directory: Directory, houses: Mapping[int, House], projector: Projector, declared: Mappings,
    connection: Connection,
) -> None:  # fmt: skip
    """Bring what the directory knows up to date, and let go of what it knows no more."""
    shared.turn(connection)
    made = list(administered(settings, directory.known(), houses, declared))
    there = administered_rows.names(connection, directory.everybody(), {
        house.organisation: feed("settings", house.code) for house in houses.values()
    })  # fmt: skip
    names = {one.name for one in made}
    projector.write(connection, Gathered(made, [one for one in there if tuple(one[1]) not in names]))
