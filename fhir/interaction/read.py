"""read (http://hl7.org/fhir/R4/http.html#read): the newest version of a resource."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from fhir.interaction.request import Answer, Conditions, Request, etag
from fhir.interaction.services import Server
from fhir.interaction.versions import matches
from fhir.outcome import FhirError
from fhir.store import resources
from fhir.store.stored import Stored
from pacsd.faults import Fault

NOT_MODIFIED = 304


def read(server: Server, request: Request) -> Answer:
    """200 with the resource, 304 where the client has it already. Raises FhirError NOT_FOUND, GONE."""
    stored = resources.read(server.pool, request.asker.scope, request.name)
    return shown(stored, request.conditions)


def shown(stored: Stored | None, conditions: Conditions) -> Answer:
    """A version on its way out (http.html#read, #cread)."""
    found = there(stored)
    if _is_known(found, conditions):
        return Answer(NOT_MODIFIED, about=found)
    return Answer(200, stored=found, about=found)


def there(stored: Stored | None) -> Stored:
    """A version that is there. Raises FhirError NOT_FOUND, GONE."""
    if stored is None:
        raise FhirError(Fault.NOT_FOUND, "there is no such resource")
    if stored.deleted:
        raise FhirError(Fault.GONE, f"the resource was deleted in version {stored.version}",
                        headers={"ETag": etag(stored)})  # fmt: skip
    return stored


def _is_known(stored: Stored, conditions: Conditions) -> bool:
    """Whether the client has this version; a tag decides before a date does (RFC 9110 13.2.2)."""
    if conditions.if_none_match:
        return matches(conditions.if_none_match, stored)
    since = _date(conditions.if_modified_since)
    return since is not None and stored.updated.replace(microsecond=0) <= since


def _date(text: str) -> datetime | None:
    """An HTTP date; what is none is as if it were not there (RFC 9110 13.1.3)."""
    try:
        at = parsedate_to_datetime(text) if text else None
    except (ValueError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
