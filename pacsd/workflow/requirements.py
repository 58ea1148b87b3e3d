"""Whether a workitem holds what it must: when created, when set, and before it ends (PS3.4 CC.2.5.1, Table CC.2.5-3).

Two leniencies, both told to the client as modifications: type 2 attributes that a creation leaves out are created
empty, and a Worklist Label without a value gets the default one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import dictionary_VR

from pacsd.workflow.attributes import ENUMERATED, NO_ITEMS_NEEDED, ROWS, Row
from pacsd.workflow.refusals import Reason, Refusal
from pacsd.workflow.states import State

Attribute = Mapping[str, Any]
Dataset = Mapping[str, Attribute]        # DICOM JSON by tag

UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
STATE, TRANSACTION_UID, SOP_CLASS_UID, SOP_INSTANCE_UID = "00741000", "00081195", "00080016", "00080018"
WORKLIST_LABEL, MODIFIED_AT, PROGRESS = "00741202", "00404010", "00741002"
_CHARACTER_SET = "00080005"
_CODES = ("00080100", "00080119", "00080120")            # one of them says the code (PS3.3 Table 8.8-1)
_CODE_MEANING = "00080104"
_OWN = frozenset((SOP_CLASS_UID, SOP_INSTANCE_UID, MODIFIED_AT, TRANSACTION_UID, _CHARACTER_SET))


@dataclass(frozen=True, slots=True)
class Checked:
    """Attributes as they are kept, and whether that is not what was sent."""

    attributes: dict[str, Attribute]
    modified: bool = False


def created(dataset: Dataset, *, worklist_label: str) -> Checked:
    """What a creation makes (PS3.4 CC.2.5.3). Raises Refusal."""
    _check(dataset, ROWS, "create")
    state = first(dataset.get(STATE))
    if state != State.SCHEDULED.value:
        raise Refusal(Reason.NOT_CREATED_SCHEDULED)
    kept = {tag: attribute for tag, attribute in dataset.items() if tag not in _OWN}
    absent = {row.tag for row in ROWS if row.create[0] == "2" and "C" not in row.create} - kept.keys() - _OWN
    kept |= {tag: {"vr": dictionary_VR(int(tag, 16))} for tag in absent}
    return _labelled(kept, worklist_label, modified=bool(absent))


def updated(current: Dataset, changes: Dataset, *, worklist_label: str) -> Checked:
    """What setting attributes leads to (PS3.4 CC.2.6.3): a sequence is replaced as a whole. Raises Refusal."""
    _check(changes, ROWS, "set")
    for row in ROWS:
        if row.create.startswith("1/") and row.tag in changes and not has_value(changes[row.tag]):
            raise _refusal(Reason.MISSING_VALUE, row.path)
    kept = {tag: attribute for tag, attribute in changes.items() if tag not in _OWN}
    return _labelled({**current, **kept}, worklist_label, modified=False)


def check_final(dataset: Dataset, state: State) -> None:
    """Whether a step may end so (PS3.4 CC.2.5.1.1). Raises Refusal that names the first attribute that lacks."""
    codes = ("R", "P") if state is State.COMPLETED else ("R", "X")
    for path in _lacking(dataset, ROWS, codes):
        raise _refusal(Reason.FINAL_STATE_NOT_MET, path)


def has_value(attribute: Attribute | None) -> bool:
    """Whether there is a value that is not empty."""
    if not attribute:
        return False
    return bool(attribute.get("InlineBinary")) or any(one not in (None, "") for one in attribute.get("Value") or ())


def first(attribute: Attribute | None) -> Any:
    """The first value, or None."""
    values = (attribute or {}).get("Value") or (None,)
    return values[0]


def items(attribute: Attribute | None) -> list[Dataset]:
    """The items of a sequence."""
    return [one for one in (attribute or {}).get("Value") or () if isinstance(one, Mapping)]


def _check(dataset: Dataset, rows: tuple[Row, ...], operation: str) -> None:
    for row in rows:
        requirement, attribute = getattr(row, operation), dataset.get(row.tag)
        _check_presence(row, requirement, attribute)
        if row.tag in ENUMERATED and has_value(attribute) and first(attribute) not in ENUMERATED[row.tag]:
            raise _refusal(Reason.INVALID_VALUE, row.path)
        for item in items(attribute) if row.items else ():
            _check(item, row.items, operation)
            _check_code(row, item)


def _check_presence(row: Row, requirement: str, attribute: Attribute | None) -> None:
    if requirement == "-" and attribute is not None and row.path != SOP_INSTANCE_UID:
        raise _refusal(Reason.NOT_ALLOWED, row.path)
    if requirement.endswith("e") and has_value(attribute):
        raise _refusal(Reason.NOT_ALLOWED, row.path)
    if requirement.startswith("1/") and attribute is None:
        raise _refusal(Reason.MISSING_ATTRIBUTE, row.path)
    if requirement.startswith("1/") and not has_value(attribute):
        raise _refusal(Reason.MISSING_VALUE, row.path)


def _check_code(row: Row, item: Dataset) -> None:
    if any(one.tag == _CODE_MEANING for one in row.items) and not any(has_value(item.get(tag)) for tag in _CODES):
        raise _refusal(Reason.MISSING_VALUE, row.path, " Code Value")


def _lacking(dataset: Dataset, rows: tuple[Row, ...], codes: tuple[str, ...]) -> Iterator[str]:
    for row in rows:
        attribute = dataset.get(row.tag)
        if row.final in codes and not has_value(attribute) and not (row.tag == NO_ITEMS_NEEDED and attribute):
            yield row.path
        for item in items(attribute) if row.items else ():
            yield from _lacking(item, row.items, codes)


def _labelled(attributes: dict[str, Attribute], label: str, *, modified: bool) -> Checked:
    if has_value(attributes.get(WORKLIST_LABEL)):
        return Checked(attributes, modified)
    return Checked({**attributes, WORKLIST_LABEL: {"vr": "LO", "Value": [label]}}, True)


def _refusal(reason: Reason, path: str, what: str = "") -> Refusal:
    return Refusal(reason, f"{_shown(path)}{what}", offending=(int(path[:8], 16),))


def _shown(path: str) -> str:
    return " > ".join(f"({tag[:4]},{tag[4:]})" for tag in path.split("."))
