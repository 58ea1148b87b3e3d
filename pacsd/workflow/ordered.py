"""What is said of an order, and what becomes of it, in the words of requested procedures and scheduled steps."""

from dataclasses import dataclass

from pacsd.index.orders import Procedure
from pacsd.index.scheduled_steps import Step
from pacsd.index.values import Attributes


@dataclass(frozen=True, slots=True)
class Said:
    """Which application said something, and when by its own clock (YYYYMMDDHHMMSS.F, as far as it tells)."""

    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Which:
    """What a message speaks of: an order by its placer's or filler's number ("id^namespace"), and of its procedures and
    steps those that are named; all where none is."""

    placer: str = ""
    filler: str = ""
    requested_procedure_id: str = ""
    study_instance_uid: str = ""
    accession_number: str = ""
    step_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderedStep:
    """A step as ordered: the attributes of its item, DICOM JSON by tag. `status` None: the one it has, or SCHEDULED."""

    step_id: str
    attributes: Attributes
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Ordered:
    """A requested procedure as ordered: attributes of patient, visit, request and procedure, and its steps.

    `renews`: steps that were canceled are scheduled again.
    """

    which: Which
    authority: str
    patient_id: str
    attributes: Attributes
    steps: tuple[OrderedStep, ...]
    said: Said
    renews: bool = True


@dataclass(frozen=True, slots=True)
class Touched:
    """A step whose status was changed."""

    step_id: str
    requested_procedure_id: str
    accession_number: str
    study_instance_uid: str
    placer_number: str
    filler_number: str
    status: str


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a statement: "new", "changed", "same", or "older" than what is known, and then without effect."""

    what: str
    procedure: Procedure
    steps: tuple[Step, ...]
