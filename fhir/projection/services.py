"""Projections put together over one index and one archive, as every process opens them."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, tzinfo
from functools import partial

from config.settings import Settings
from fhir.interaction.services import Server
from fhir.projection.consumer import Lag, Projections, not_measured
from fhir.projection.device import application_entity
from fhir.projection.endpoint import endpoint
from fhir.projection.gathering import Archives, Gathered
from fhir.projection.organization import organization
from fhir.projection.projected import House, Projected
from fhir.projection.projector import Projector
from fhir.projection.systems import Systems
from pacsd.access.directory import Directory
from pacsd.archive.services import Archive
from pacsd.index import locate
from pacsd.index.connect import Connection
from pacsd.reports.contents import Contents


class LocalZone(tzinfo):
    """The time zone of this machine, with its summer time."""

    def utcoffset(self, at: datetime | None) -> timedelta | None:
        """Of a local time."""
        return None if at is None else at.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, at: datetime | None) -> timedelta | None:
        """It is in the offset."""
        return None

    def tzname(self, at: datetime | None) -> str | None:
        """None."""
        return None


def houses(settings: Settings, directory: Directory) -> Mapping[int, House]:
    """The organisations by key."""
    systems = Systems({one.authority: one.universal_id for one in settings.identity_domains})
    base = (settings.web.public_url or f"http://{settings.host}:{settings.http_port}").rstrip("/")
    return {
        (key := directory.organisation_key(one.code)): House(
            key, one.code, one.name, one.assigning_authority, systems, f"{base}/dicom-web", LocalZone()
        )
        for one in settings.organisations
    }  # fmt: skip


def open_projections(
    settings: Settings, archive: Archive, server: Server, *, lag: Lag = not_measured
) -> Projections:
    """What a worker does to bring FHIR up to what the archive knows."""
    everybody = archive.directory.everybody()
    known = houses(settings, archive.directory)
    archives = Archives(
        everybody, known, partial(locate.by_series, archive.pool), archive.sidecars, Contents(archive.blobs)
    )
    projector = Projector(server.units, archives, server.extract)
    configured = partial(_configured, settings, archive.directory, known, projector)
    return Projections(archive.pool, projector, everybody, settings=configured, lag=lag)


def _configured(
    settings: Settings, directory: Directory, known: Mapping[int, House], projector: Projector, connection: Connection
) -> int:
    """Bring what the settings name up to date."""
    return projector.write(connection, Gathered(list(_named(settings, directory, known))))


def _named(settings: Settings, directory: Directory, known: Mapping[int, House]) -> Iterator[Projected]:
    for house in known.values():
        yield organization(house)
        yield endpoint(house)
    by_title = {(one.organisation, one.title) for one in (*settings.own_aes, *settings.remote_aes)}
    for code, title in sorted(by_title):
        yield application_entity(known[directory.organisation_key(code)], title)
