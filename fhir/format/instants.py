"""Moments as resources tell them (http://hl7.org/fhir/R4/datatypes.html#instant)."""

from datetime import UTC, datetime


def instant(at: datetime) -> str:
    """A moment, to the millisecond, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
