"""What a sender is told of an object that is kept."""

from typing import NamedTuple

from pacsd.index.records import Arrival, Outcome, Stored


class Accepted(NamedTuple):
    """An object that is durable and indexed. DUPLICATE means these very bytes were kept already."""

    outcome: Outcome
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str


def accepted(arrival: Arrival, stored: Stored) -> Accepted:
    """An arrival that the index has."""
    return Accepted(
        stored.outcome,
        arrival.sop_class_uid,
        arrival.sop_instance_uid,
        arrival.study_instance_uid,
        arrival.series_instance_uid,
    )
