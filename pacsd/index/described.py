"""An arrival in the words of the index: its attributes by level, decoded once."""

from collections.abc import Callable
from dataclasses import dataclass

from pacsd.codec import attributes as codec
from pacsd.codec.header import Header
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Arrival
from pacsd.index.rows import ISSUER_OF_PATIENT_ID, PATIENT_ID, joined
from pacsd.index.values import Attribute, Attributes, bounded, text_at

MAX_UID_CHARACTERS = 128             # twice PS3.5's limit: enough for what devices get wrong


@dataclass(frozen=True, slots=True)
class Above:
    """What an arrival says of its patient, study and series."""

    assigning_authority: str
    patient_id: str
    patient: dict[str, Attribute]
    study: dict[str, Attribute]
    series: dict[str, Attribute]


Describe = Callable[[Arrival], Above]


def instance_members(header: Header, character_set: str | None) -> str:
    """The instance level as JSON members text; `character_set` as in Arrival."""
    return joined(codec.instance_texts(header, override=character_set))


def require_keys(arrival: Arrival) -> None:
    """Raises PacsdError MALFORMED for a UID no key can hold."""
    for uid in (arrival.study_instance_uid, arrival.series_instance_uid, arrival.sop_instance_uid):
        if not uid or len(uid) > MAX_UID_CHARACTERS or "\0" in uid:
            raise PacsdError(Fault.MALFORMED, "a UID of the object is empty or too long")


def above(arrival: Arrival) -> Above:
    """The levels above the instance; an id without issuer belongs to the arrival's authority."""
    header, override = arrival.header, arrival.character_set
    return named(
        arrival.assigning_authority,
        patient=codec.patient(header, override=override),
        study=codec.study(header, override=override),
        series=codec.series(header, override=override),
    )


def named(authority: str, *, patient: Attributes, study: Attributes, series: Attributes) -> Above:
    """The same from ready attributes."""
    return Above(
        assigning_authority=bounded(text_at(patient, ISSUER_OF_PATIENT_ID) or authority),
        patient_id=text_at(patient, PATIENT_ID) or "",
        patient=dict(patient),
        study=dict(study),
        series=dict(series),
    )
