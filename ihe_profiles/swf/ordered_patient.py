"""Whom an order is for: PID as in registration, told of as far as its sender may."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hl7.conditions import Condition, Hl7Error, Location
from hl7.ports import Sender
from hl7.reading import Identifier, Reading
from ihe_profiles.exchange.conditions import located
from ihe_profiles.pir.demographics import Attributes, demographics
from pacsd.faults import Fault, PacsdError
from pacsd.identity.patients import PatientKey, Patients
from pacsd.index.work import Work


@dataclass(frozen=True, slots=True)
class OrderedPatient:
    """The patient of an order, what PID says of it, and whether its sender speaks for that authority."""

    key: PatientKey
    location: Location
    demographics: Attributes
    spoken_for: bool

    @property
    def stated(self) -> dict[str, Mapping[str, Any]]:
        """What PID says, as attributes of the order itself."""
        return {tag: value for tag, value in self.demographics.items() if value is not None}


def ordered_patient(reading: Reading, sender: Sender) -> OrderedPatient:
    """The patient of PID: by an id of the sender's own authority, else of one it speaks for, else by the first.

    Raises Hl7Error.
    """
    found = len(reading.message.all("PID"))
    if found != 1:
        place = Location("PID", 2 if found else 1)
        raise Hl7Error(Condition.SEGMENT_SEQUENCE, place, "one patient and one segment PID a message")
    named = [(one, one.assigning_authority or sender.assigning_authority) for one in reading.identifiers("patient_id")]
    if not named:
        raise Hl7Error(Condition.REQUIRED_FIELD, reading.location("patient_id"), "without a patient id")
    one, authority = min(named, key=lambda pair: _rank(pair, sender))
    key = PatientKey(authority, one.value)
    return OrderedPatient(key, one.location, demographics(reading), sender.speaks_for(authority))


def state(patients: Patients, work: Work, patient: OrderedPatient) -> list[str]:
    """State what PID says where its sender may; what was done.

    A patient that was merged into another is the other's from then on, of whom this says nothing. Raises Hl7Error.
    """
    if not patient.spoken_for:
        return []
    try:
        with located(patient.location):
            changed = patients.state(work, patient.key, patient.demographics)
    except Hl7Error as error:
        cause = error.__cause__
        if isinstance(cause, PacsdError) and cause.fault is Fault.NOT_FOUND:
            return []
        raise
    return [f"states of {patient.key.patient_id} of {patient.key.assigning_authority}: {len(changed)} attributes"]


def _rank(pair: tuple[Identifier, str], sender: Sender) -> int:
    authority = pair[1]
    return 0 if authority == sender.assigning_authority else 1 if sender.speaks_for(authority) else 2
