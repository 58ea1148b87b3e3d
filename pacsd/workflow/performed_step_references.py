"""What a performed procedure step refers to: what was ordered, and what came of it (PS3.3 C.4.13, C.4.15)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pacsd.workflow.performed_step_requirements import SERIES
from pacsd.workflow.requirements import Dataset, first, items

_SCHEDULED = "00400270"
_STUDY, _ACCESSION, _STEP_ID, _SERIES_UID = "0020000D", "00080050", "00400009", "0020000E"
_PATIENT_ID, _ISSUER = "00100020", "00100021"
_REFERENCES = ("00081140", "00400220")                   # images, and what is none
_CLASS, _INSTANCE = "00081150", "00081155"


@dataclass(frozen=True, slots=True)
class ScheduledSteps:
    """Scheduled steps of one requested procedure; no ids where the step was not scheduled."""

    study_instance_uid: str
    accession_number: str
    scheduled_step_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PerformedSeries:
    """A series that a step made, with its instances as (SOP Class UID, SOP Instance UID)."""

    series_instance_uid: str
    instances: tuple[tuple[str, str], ...]


def scheduled(dataset: Dataset) -> list[ScheduledSteps]:
    """What the step was scheduled as: several where procedures were grouped (IHE SWF, group case)."""
    found: dict[tuple[str, str], list[str]] = {}
    for item in items(dataset.get(_SCHEDULED)):
        ids = found.setdefault((_text(item, _STUDY), _text(item, _ACCESSION)), [])
        if step := _text(item, _STEP_ID):
            ids.append(step)
    return [ScheduledSteps(study, accession, tuple(dict.fromkeys(ids))) for (study, accession), ids in found.items()]


def performed(dataset: Dataset) -> list[PerformedSeries]:
    """What came of it so far."""
    return [
        PerformedSeries(_text(item, _SERIES_UID), tuple(_references(item))) for item in items(dataset.get(SERIES))
    ]


def studies(dataset: Dataset) -> list[str]:
    """The studies it is said to belong to."""
    return sorted({one.study_instance_uid for one in scheduled(dataset)})


def patient(dataset: Dataset, assigning_authority: str) -> tuple[str, str]:
    """Whom it is about, as (authority, id), found as for stored objects: an id without issuer is of the AE's own.

    Both are empty where no id is given.
    """
    patient_id = _text(dataset, _PATIENT_ID)
    return (_text(dataset, _ISSUER) or assigning_authority, patient_id) if patient_id else ("", "")


def _references(item: Dataset) -> Iterable[tuple[str, str]]:
    for sequence in _REFERENCES:
        for reference in items(item.get(sequence)):
            yield _text(reference, _CLASS), _text(reference, _INSTANCE)


def _text(dataset: Mapping[str, Any], tag: str) -> str:
    value = first(dataset.get(tag))
    return value.strip() if isinstance(value, str) else ""
