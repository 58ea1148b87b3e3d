"""Whether a performed procedure step holds what it must: when created, when set, and before it ends (PS3.4 F.7.2).

Leniencies, none of which changes what is kept: an N-SET may repeat what cannot be set with the value it has, as
modalities do that send their whole data set again; and it may set what N-CREATE left out, if the table lets it be set
at all.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from pacsd.workflow.performed_step_attributes import STEP_ROW_BY_TAG, STEP_ROWS, StepRow
from pacsd.workflow.performed_step_refusals import StepReason, StepRefusal
from pacsd.workflow.requirements import Dataset, first, has_value, items

STATUS, SERIES = "00400252", "00400340"
_CODES = ("00080100", "00080119", "00080120")            # one of them says the code (PS3.3 Table 8.8-1)
_UIDS = frozenset(("0020000D", "0020000E", "00081150", "00081155"))
_NOT_ATTRIBUTES = frozenset(("00080005", "00080016", "00080018"))    # of the message or of the instance itself
_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")    # what can be kept as a key, as for stored objects


class StepState(Enum):
    """Performed Procedure Step Status (0040,0252), PS3.3 C.4.14."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"

    @property
    def final(self) -> bool:
        """Whether nothing can follow (PS3.4 Table F.1-4)."""
        return self is not StepState.IN_PROGRESS


def is_uid(text: object) -> bool:
    """Whether this can be kept as a UID."""
    return isinstance(text, str) and _UID.fullmatch(text) is not None


def created(dataset: Dataset) -> dict[str, Mapping[str, Any]]:
    """The attributes that a creation keeps (PS3.4 F.7.2.1). Raises StepRefusal."""
    _check(dataset, STEP_ROWS, "create")
    if first(dataset[STATUS]) != StepState.IN_PROGRESS.value:
        raise StepRefusal(StepReason.INVALID_VALUE, STATUS)
    return {tag: attribute for tag, attribute in dataset.items() if tag not in _NOT_ATTRIBUTES}


def updated(current: Dataset, changes: Dataset) -> dict[str, Mapping[str, Any]]:
    """What setting attributes leads to (PS3.4 F.7.2.2): a sequence is replaced as a whole. Raises StepRefusal."""
    settable = {}
    for tag, attribute in changes.items():
        row = STEP_ROW_BY_TAG.get(tag)
        if tag in _NOT_ATTRIBUTES or (row is not None and row.set == "X" and same(attribute, current.get(tag))):
            continue
        if row is not None and row.set == "X":
            raise StepRefusal(StepReason.NO_SUCH_ATTRIBUTE, tag)
        settable[tag] = attribute
    _check(settable, STEP_ROWS, "set")
    following = {**current, **settable}
    state = state_of(following)
    if state.final:
        check_final(following)
    return following


def state_of(dataset: Dataset) -> StepState:
    """Its status. Raises StepRefusal for one that there is not."""
    try:
        return StepState(first(dataset.get(STATUS)))
    except ValueError:
        raise StepRefusal(StepReason.INVALID_VALUE, STATUS) from None


def check_final(dataset: Dataset) -> None:
    """Whether a step may end so (PS3.4 Table F.7.2-1, last column). Raises StepRefusal naming all that lack."""
    lacking = list(_lacking(dataset, STEP_ROWS))
    if lacking:
        raise StepRefusal(StepReason.MISSING_VALUE, lacking[0], sorted({int(path[:8], 16) for path in lacking}))


def same(attribute: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two attributes say the same; an absent one says what an empty one says."""
    return (attribute or {}).get("Value") == (other or {}).get("Value")


def _check(dataset: Dataset, rows: tuple[StepRow, ...], operation: str) -> None:
    for row in rows:
        attribute = dataset.get(row.tag)
        _check_presence(row, dataset, operation)
        if attribute is not None and not _well_formed(row, attribute):
            raise StepRefusal(StepReason.INVALID_VALUE, row.path)
        for item in items(attribute) if row.items else ():
            _check(item, row.items, operation)


def _check_presence(row: StepRow, dataset: Dataset, operation: str) -> None:
    requirement, attribute = getattr(row, operation), dataset.get(row.tag)
    if requirement == "1C" and not any(has_value(dataset.get(tag)) for tag in _CODES):
        raise StepRefusal(StepReason.MISSING_VALUE, row.path)
    if requirement in ("1", "2") and attribute is None:          # PS3.7 10.1.3.1.9 has no other status for N-SET
        missing = StepReason.MISSING_ATTRIBUTE if operation == "create" else StepReason.MISSING_VALUE
        raise StepRefusal(missing, row.path)
    if requirement == "1" and not has_value(attribute):
        raise StepRefusal(StepReason.MISSING_VALUE, row.path)


def _well_formed(row: StepRow, attribute: Mapping[str, Any]) -> bool:
    values = attribute.get("Value") or ()
    if row.items:
        return all(isinstance(one, Mapping) for one in values) and attribute.get("vr") == "SQ"
    if row.tag in _UIDS:
        return all(is_uid(one) for one in values)
    return attribute.get("vr") != "SQ"


def _lacking(dataset: Dataset, rows: tuple[StepRow, ...]) -> Iterator[str]:
    for row in rows:
        attribute = dataset.get(row.tag)
        if (row.final == "1" and not has_value(attribute)) or (row.final == "2" and attribute is None):
            yield row.path
        for item in items(attribute) if row.items else ():
            yield from _lacking(item, row.items)
