"""A patient as an app is launched with one (SMART App Launch 2.2, "launch context")."""

from dataclasses import dataclass

from pacsd.access.principal import PatientKey


@dataclass(frozen=True, slots=True)
class LaunchPatient:
    """`id`: of the FHIR Patient. `name` as a person reads it; `birth_date` as FHIR writes it, empty where not known."""

    id: str
    key: PatientKey
    name: str
    birth_date: str = ""
