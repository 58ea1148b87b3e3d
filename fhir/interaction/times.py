"""Dates and times of parameters (http://hl7.org/fhir/R4/datatypes.html#dateTime) as the instants they stand for."""

from datetime import UTC, datetime, timedelta

from fhir.outcome import FhirError
from fhir.search.dates import instants
from pacsd.faults import Fault

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def period(text: str, name: str) -> tuple[datetime, datetime]:
    """The first instant a value stands for, and the first after it; the last that there is, after 9999, by which many
    say that something does not end. Without a zone it is UTC. Raises FhirError.

    A plus sign that came through a form as a space is one again.
    """
    found = instants(text.replace(" ", "+"))
    try:
        if found is None:
            raise ValueError(text)
        low, high = (_EPOCH + timedelta(microseconds=one) for one in (found[0], min(found[1], _LAST)))
    except (ValueError, OverflowError) as error:
        raise FhirError(Fault.MALFORMED, f"{name} is no date or time", code="value") from error
    return low, high
