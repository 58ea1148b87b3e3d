"""Visits of ADT messages as care relations: whom an organisation admitted it cares for, as of whom it has an order.

A visit is known by its number, else by the account it is billed to (RAD TF-2 4.1.4.1.2.4: one of the two is there),
else it could never be ended, and is none. It counts from its admission on, while it goes on or is over since lately, by
the rule of orders and encounters (pacsd.access.grants).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum

from hl7.reading import Reading
from hl7.times import moment
from pacsd.access.principal import PatientKey
from pacsd.index import care_encounters
from pacsd.index.care_encounters import CareEncounter
from pacsd.index.work import Work


class Effect(Enum):
    """What an event does to a visit (HL7 v2.5.1 3.3). The value says so."""

    GOES_ON = "cares for"
    ENDS = "cared for"
    NEVER_WAS = "does not care for"


EVENTS: Mapping[str, Effect] = {
    "A01": Effect.GOES_ON, "A02": Effect.GOES_ON, "A03": Effect.ENDS, "A04": Effect.GOES_ON, "A06": Effect.GOES_ON,
    "A07": Effect.GOES_ON, "A11": Effect.NEVER_WAS, "A12": Effect.GOES_ON, "A13": Effect.GOES_ON,
}  # fmt: skip
_NUMBERS = ("PV1-19", "PV1-50", "PID-18")
_NO_CARE = ("P", "N")                    # table 0004: preadmitted, not applicable
_MOST_CHARACTERS = 250                   # of a number (HL7 v2.5.1 3.4.3.19), and of a patient id


def visit_of(reading: Reading, patient: PatientKey, now: datetime) -> CareEncounter | None:
    """The visit that a message speaks of, one that does not stand where it never was; None where it speaks of none.

    Raises Hl7Error for text that cannot be read.
    """
    effect = EVENTS.get(reading.message.value("MSH-9.2"))
    number = next(filter(None, (_said(reading, place) for place in _NUMBERS)), "")
    if effect is None or max(len(number), len(patient.patient_id)) > _MOST_CHARACTERS:
        return None
    if not number or not number.isprintable():       # a NUL among it could not be kept
        return None
    if reading.message.segment("PV1") is None or _said(reading, "PV1-2") in _NO_CARE:
        return None
    happened = _moment(reading, "EVN-6") or _moment(reading, "EVN-2") or now
    ends = _moment(reading, "PV1-45")
    if effect is Effect.ENDS:
        ends = min(ends or happened, now)
    elif ends is not None and ends > now:            # it is foreseen, and nothing that happened
        ends = None
    starts = _moment(reading, "PV1-44") or ends or happened
    return CareEncounter(f"visit {number}", patient, starts, ends, stands=effect is not Effect.NEVER_WAS)


def keep(work: Work, visit: CareEncounter) -> None:
    """Keep one as it is now."""
    if visit.stands:
        care_encounters.say_and_keep(work, visit)
    else:
        care_encounters.withdraw(work, visit.name)


def keep_all(work: Work, organisation: str, visits: Iterable[CareEncounter]) -> None:
    """Keep several with the commit; of one that several messages speak of, as the last says."""
    last = {one.name: one for one in visits}.values()
    for one in last:
        if not one.stands:
            care_encounters.withdraw(work, one.name)
    if standing := [one for one in last if one.stands]:
        work.last.append(care_encounters.keeping(work, organisation, standing))


def said(visit: CareEncounter) -> str:
    """What was done."""
    effect = Effect.NEVER_WAS if not visit.stands else Effect.GOES_ON if visit.ends is None else Effect.ENDS
    return f"{effect.value} {visit.patient.patient_id} of {visit.patient.assigning_authority}: {visit.name}"


def _said(reading: Reading, place: str) -> str:
    return reading.message.value(place).strip('"')       # HL7's null says nothing of a visit


def _moment(reading: Reading, place: str) -> datetime | None:
    return moment(reading.message.value(place))
