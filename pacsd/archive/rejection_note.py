"""Reading a rejection note: a Key Object Selection that says why instances are rejected (IHE RAD-66 4.66.4).

What it rejects stands in its Current Requested Procedure Evidence Sequence (PS3.3 C.17.2). It is read where it lies,
one element after the other, however long it is. Elements that do not matter here are stepped over, whatever they hold.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pacsd.codec.structure import SEQUENCE_DELIMITATION, UNDEFINED, items_are_big_endian
from pacsd.codec.walk import Dataset, Located, Reader
from pacsd.faults import Fault, PacsdError

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
QUALITY, PATIENT_SAFETY, WORKLIST_ENTRY, RETENTION = "113001", "113037", "113038", "113039"
TITLES = {                               # PS3.16 CID 7010
    QUALITY: "Rejected for Quality Reasons",
    PATIENT_SAFETY: "Rejected for Patient Safety Reasons",
    WORKLIST_ENTRY: "Incorrect Modality Worklist Entry",
    RETENTION: "Data Retention Policy Expired",
}
MAX_REFERENCES, MAX_STUDIES = 250_000, 1_000
MAX_NOTE_BYTES = 256 << 20

_CONCEPT_NAME_CODE_SEQUENCE, _EVIDENCE_SEQUENCE = 0x0040A043, 0x0040A375
_CODE_VALUE, _CODING_SCHEME_DESIGNATOR = 0x00080100, 0x00080102
_STUDY_INSTANCE_UID, _SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
_REFERENCED_SERIES_SEQUENCE, _REFERENCED_SOP_SEQUENCE = 0x00081115, 0x00081199
_REFERENCED_SOP_INSTANCE_UID = 0x00081155
_MAX_VALUE_BYTES = 256                   # of the values that are read here
_UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")

References = dict[str, dict[str, list[str]]]             # Study -> Series -> SOP Instance UIDs


@dataclass(frozen=True, slots=True)
class RejectionNote:
    """Why a note rejects, a code of TITLES, and what it names."""

    code: str
    references: References


@dataclass(frozen=True, slots=True)
class _Item:
    at: int
    end: int
    big: bool


def read_note(
    reader: Reader, *, offset_bytes: int, length_bytes: int, transfer_syntax_uid: str
) -> RejectionNote | None:
    """The note in the data set of a Key Object Selection; None for one of another title.

    Raises PacsdError MALFORMED for a note that cannot be read or names nothing, TOO_MUCH for one that names more than
    MAX_REFERENCES instances or MAX_STUDIES studies: what cannot take effect as a whole is not to be stored.
    """
    if length_bytes > MAX_NOTE_BYTES:
        raise PacsdError(Fault.TOO_MUCH, f"a Key Object Selection of more than {MAX_NOTE_BYTES >> 20} MiB")
    dataset = Dataset(
        reader, offset_bytes=offset_bytes, length_bytes=length_bytes, transfer_syntax_uid=transfer_syntax_uid
    )
    code, references = None, References()
    for element in dataset.elements():
        if element.tag == _CONCEPT_NAME_CODE_SEQUENCE:
            code = _title(dataset, element)
            if code is None:
                return None
        elif element.tag == _EVIDENCE_SEQUENCE and code is not None:
            references = _references(dataset, element)
    if code is None:
        return None
    if not references:
        raise PacsdError(Fault.MALFORMED, "the rejection note has no evidence (0040,A375) and rejects nothing")
    return RejectionNote(code, references)


def _title(dataset: Dataset, sequence: Located) -> str | None:
    for item in _items(dataset, sequence, dataset.big_endian):
        values = {
            element.tag: _text(dataset, element)
            for element in dataset.elements(item.at, item.end, big=item.big)
            if element.tag in (_CODE_VALUE, _CODING_SCHEME_DESIGNATOR)
        }
        code = values.get(_CODE_VALUE)
        return code if code in TITLES and values.get(_CODING_SCHEME_DESIGNATOR) == "DCM" else None
    return None


def _references(dataset: Dataset, sequence: Located) -> References:
    references = References()
    for count, (study, series, sop) in enumerate(_evidence(dataset, sequence)):
        if count == MAX_REFERENCES:
            raise PacsdError(Fault.TOO_MUCH, f"a note names more than {MAX_REFERENCES} instances")
        if len(references) == MAX_STUDIES and study not in references:
            raise PacsdError(Fault.TOO_MUCH, f"a note names more than {MAX_STUDIES} studies")
        references.setdefault(study, {}).setdefault(series, []).append(sop)
    return references


def _evidence(dataset: Dataset, sequence: Located) -> Iterator[tuple[str, str, str]]:
    for study in _items(dataset, sequence, dataset.big_endian):
        study_uid, below = _named(dataset, study, _STUDY_INSTANCE_UID, _REFERENCED_SERIES_SEQUENCE)
        for series in _items(dataset, below, study.big):
            series_uid, instances = _named(dataset, series, _SERIES_INSTANCE_UID, _REFERENCED_SOP_SEQUENCE)
            for instance in _items(dataset, instances, series.big):
                yield study_uid, series_uid, _instance(dataset, instance)


def _named(dataset: Dataset, item: _Item, uid: int, below: int) -> tuple[str, Located]:
    """The UID in an item, and the sequence below; whichever stands first."""
    name, found = "", None
    for element in dataset.elements(item.at, item.end, big=item.big):
        if element.tag == uid:
            name = _uid(dataset, element)
        elif element.tag == below:
            found = element
    if not name or found is None:
        raise _without(below if name else uid)
    return name, found


def _instance(dataset: Dataset, item: _Item) -> str:
    for element in dataset.elements(item.at, item.end, big=item.big):
        if element.tag == _REFERENCED_SOP_INSTANCE_UID:
            return _uid(dataset, element)
    raise _without(_REFERENCED_SOP_INSTANCE_UID)


def _items(dataset: Dataset, sequence: Located, big: bool) -> Iterator[_Item]:
    """The items of a sequence, of whatever lengths they and it are told."""
    at = sequence.value_at
    big = items_are_big_endian(dataset.read(at, 2), 0, big_endian=big)
    while True:
        following = None
        for item in dataset.items(at, sequence.end, big=big):
            if item.tag == SEQUENCE_DELIMITATION:
                return
            if item.length == UNDEFINED:
                following = _end(dataset, item.value_at, sequence.end, big)
                yield _Item(item.value_at, sequence.end, big)
            else:
                end = item.value_at + item.length
                if end > sequence.end:
                    raise PacsdError(Fault.MALFORMED, f"an item leaves {_shown(sequence.tag)}")
                yield _Item(item.value_at, end, big)
        if following is None:
            return
        at = following


def _end(dataset: Dataset, at: int, end: int, big: bool) -> int:
    """Where the next item begins behind one of undefined length."""
    for element in dataset.elements(at, end, big=big):
        at = element.end
    return at + 8


def _uid(dataset: Dataset, element: Located) -> str:
    text = _text(dataset, element)
    if not _UID.fullmatch(text):
        raise PacsdError(Fault.MALFORMED, f"{_shown(element.tag)} in the note's evidence is not a UID")
    return text


def _text(dataset: Dataset, element: Located) -> str:
    if element.length == UNDEFINED or element.length > _MAX_VALUE_BYTES:
        return ""
    return dataset.read(element.value_at, element.length).decode("latin-1").strip(" \0")


def _without(tag: int) -> PacsdError:
    return PacsdError(Fault.MALFORMED, f"an item of the note's evidence is without {_shown(tag)}")


def _shown(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
