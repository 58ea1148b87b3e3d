"""Writing a rejection note (IHE RAD-66 4.66.4.4): a Key Object Selection of what is about to be deleted.

The same study and instances make the same note, byte for byte: one that is sent again is the same object.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pacsd.archive.rejection_note import KEY_OBJECT_SELECTION, TITLES
from pacsd.codec.documents.sop_classes import ENCAPSULATED, STRUCTURED_REPORTS, WAVEFORMS
from pacsd.codec.from_json import BulkValue, dataset_pieces, written
from pacsd.faults import Fault, PacsdError

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

_MANUFACTURER = "PACSD"
# General Study and Patient modules: type 2 of PS3.3, empty where the study has none
_FROM_STUDY = {
    "00080020": "DA", "00080030": "TM", "00080050": "SH", "00080090": "PN", "00081030": "LO", "00100010": "PN",
    "00100020": "LO", "00100021": "LO", "00100030": "DA", "00100040": "CS", "00200010": "SH",
}  # fmt: skip
_IF_PRESENT = frozenset(("00081030", "00100021"))


@dataclass(frozen=True, slots=True)
class Referenced:
    """One instance that a note names."""

    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class WrittenNote:
    """A note as it is sent: its UID, and its data set in Explicit VR Little Endian."""

    sop_instance_uid: str
    dataset: bytes


def write_note(
    code: str, study: Mapping[str, Any], referenced: Sequence[Referenced], *, organisation: str, on: date
) -> WrittenNote:
    """The note of a title that names these instances of a study; `study` are its attributes as DICOM JSON."""
    study_instance_uid = str(study["0020000D"]["Value"][0])
    names = sorted(one.sop_instance_uid for one in referenced)
    sop = _uid("note", organisation, code, study_instance_uid, *names)
    attributes = {
        **{
            tag: {"vr": vr, **({"Value": study[tag]["Value"]} if study.get(tag, {}).get("Value") else {})}
            for tag, vr in _FROM_STUDY.items() if tag not in _IF_PRESENT or study.get(tag, {}).get("Value")
        },
        **_document(code, referenced, on),
        "00080016": _one("UI", KEY_OBJECT_SELECTION),
        "00080018": _one("UI", sop),
        "0020000D": _one("UI", study_instance_uid),
        "0020000E": _one("UI", _uid("series", sop)),
        "0040A375": {"vr": "SQ", "Value": [_evidence(study_instance_uid, referenced)]},
    }  # fmt: skip
    return WrittenNote(sop, b"".join(written(dataset_pieces(attributes, _no_bulk, encapsulated=False))))


def _document(code: str, referenced: Sequence[Referenced], on: date) -> dict[str, Any]:
    """Key Object Document Series, General Equipment and SR Document Content modules (PS3.3 A.35.4)."""
    return {
        "00080023": _one("DA", f"{on:%Y%m%d}"),
        "00080033": _one("TM", "000000"),
        "00080060": _one("CS", "KO"),
        "00080070": _one("LO", _MANUFACTURER),
        "00081111": {"vr": "SQ"},
        "00200011": _one("IS", 1),
        "00200013": _one("IS", 1),
        "0040A040": _one("CS", "CONTAINER"),
        "0040A043": {"vr": "SQ", "Value": [_code(code, TITLES[code])]},
        "0040A050": _one("CS", "SEPARATE"),
        "0040A504": {"vr": "SQ", "Value": [{"00080105": _one("CS", "DCMR"), "0040DB00": _one("CS", "2010")}]},
        "0040A730": {"vr": "SQ", "Value": [_content(one) for one in referenced]},
    }


def _content(one: Referenced) -> dict[str, Any]:
    kinds = (("WAVEFORM", WAVEFORMS), ("COMPOSITE", STRUCTURED_REPORTS), ("COMPOSITE", ENCAPSULATED))
    value_type = next((kind for kind, classes in kinds if one.sop_class_uid in classes), "IMAGE")
    return {
        "00081199": {"vr": "SQ", "Value": [_reference(one)]},
        "0040A010": _one("CS", "CONTAINS"),
        "0040A040": _one("CS", value_type),
    }


def _evidence(study_instance_uid: str, referenced: Sequence[Referenced]) -> dict[str, Any]:
    series: dict[str, list[dict[str, Any]]] = {}
    for one in referenced:
        series.setdefault(one.series_instance_uid, []).append(_reference(one))
    items = [{"00081199": {"vr": "SQ", "Value": ones}, "0020000E": _one("UI", uid)} for uid, ones in series.items()]
    return {"00081115": {"vr": "SQ", "Value": items}, "0020000D": _one("UI", study_instance_uid)}


def _reference(one: Referenced) -> dict[str, Any]:
    return {"00081150": _one("UI", one.sop_class_uid), "00081155": _one("UI", one.sop_instance_uid)}


def _code(value: str, meaning: str) -> dict[str, Any]:
    return {"00080100": _one("SH", value), "00080102": _one("SH", "DCM"), "00080104": _one("LO", meaning)}


def _one(vr: str, value: object) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}


def _uid(*parts: str) -> str:
    """A UID of these parts (PS3.5 B.2: a number of 128 bits under 2.25)."""
    return f"2.25.{int.from_bytes(hashlib.sha256(chr(0).join(parts).encode()).digest()[:16], 'big')}"


def _no_bulk(_uri: str) -> Sequence[BulkValue]:
    raise PacsdError(Fault.INTERNAL, "a note holds no bulk data")
