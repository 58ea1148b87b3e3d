"""A request for storage commitment and its result as data sets (PS3.3 C.14), for DIMSE and DICOMweb alike."""

import re
from collections.abc import Mapping
from typing import Any

from pacsd.archive.commitment import Result
from pacsd.faults import Fault, PacsdError
from pacsd.index.commitments import Reference

REFERENCED, FAILED, FAILURE_REASON = "00081199", "00081198", "00081197"
_CLASS, _INSTANCE = "00081150", "00081155"
_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")    # what can be kept as a key, as for stored objects

Dataset = dict[str, dict[str, Any]]      # DICOM JSON by tag


def references(dataset: Mapping[str, Any]) -> list[Reference]:
    """What is to be committed to: SOP Class UID, SOP Instance UID. Raises PacsdError MALFORMED."""
    items = (dataset.get(REFERENCED) or {}).get("Value") or ()
    if not items or not all(isinstance(one, Mapping) for one in items):
        raise PacsdError(Fault.MALFORMED, "Referenced SOP Sequence has no item")
    return [(uid_at(item, _CLASS), uid_at(item, _INSTANCE)) for item in items]


def result_dataset(result: Result) -> Dataset:
    """What is committed to, and what is not, with the reasons; a sequence is absent where there is none."""
    dataset: Dataset = {}
    if result.committed:
        dataset[REFERENCED] = value("SQ", *(_reference(*one) for one in result.committed))
    if result.failed:
        failed = (
            {**_reference(sop_class, instance), FAILURE_REASON: value("US", reason)}
            for sop_class, instance, reason in result.failed
        )
        dataset[FAILED] = value("SQ", *failed)
    return dataset


def uid_at(dataset: Mapping[str, Any], tag: str) -> str:
    """The single UID of an attribute. Raises PacsdError MALFORMED."""
    values: list[Any] = (dataset.get(tag) or {}).get("Value") or []
    if len(values) != 1 or not isinstance(values[0], str) or not _UID.fullmatch(values[0]):
        raise PacsdError(Fault.MALFORMED, f"({tag[:4]},{tag[4:]}) is missing or no UID")
    return str(values[0])


def value(vr: str, *values: Any) -> dict[str, Any]:
    """An attribute with values."""
    return {"vr": vr, "Value": list(values)}


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    return {_CLASS: value("UI", sop_class_uid), _INSTANCE: value("UI", sop_instance_uid)}
