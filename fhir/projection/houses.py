"""The organisations of the settings, as projections and clients' writes speak of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial

from config.settings import Settings
from fhir.projection.projected import House
from fhir.projection.systems import Systems
from pacsd.access.directory import Directory


class LocalZone(tzinfo):
    """The time zone of this machine, with its summer time."""

    def utcoffset(self, at: datetime | None) -> timedelta | None:
        """Of a local time."""
        return None if at is None else at.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, at: datetime | None) -> timedelta | None:
        """It is in the offset."""
        return None

    def fromutc(self, at: datetime) -> datetime:
        """The local time of a moment."""
        return at.replace(tzinfo=UTC).astimezone().replace(tzinfo=self)

    def tzname(self, at: datetime | None) -> str | None:
        """None."""
        return None


def houses(settings: Settings, directory: Directory) -> Mapping[int, House]:
    """The organisations by key, as the directory learns of them."""
    return directory.followed(partial(_houses, settings, directory))


def _houses(settings: Settings, directory: Directory) -> Mapping[int, House]:
    known = directory.known()
    systems = Systems({one.authority: one.universal_id for one in settings.identity_domains})
    base = (settings.web.public_url or f"http://{settings.host}:{settings.http_port}").rstrip("/")
    return {
        (key := known.keys[one.code]): House(
            key, one.code, one.name, one.assigning_authority, systems, f"{base}/dicom-web", LocalZone()
        )
        for one in known.organisations.values()
    }  # fmt: skip
