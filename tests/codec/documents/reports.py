"""Makers of structured reports in the DICOM JSON Model, and the attributes of files."""

from pathlib import Path
from typing import Any

from pydicom import dcmread

from pacsd.codec.dicom_json import members
from pacsd.codec.documents import json_model

Attributes = dict[str, Any]
BASE = "http://pacs.test/dicom-web"


def value(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def coded(meaning: str, code: str = "1", scheme: str = "99TEST") -> Attributes:
    return {"00080100": value("SH", code), "00080102": value("SH", scheme), "00080104": value("LO", meaning)}


def node(kind: str, name: str = "", *children: Attributes, relationship: str = "CONTAINS", **more: Any) -> Attributes:
    """A content item; `more` are attributes as t0040A160=…"""
    found = {"0040A010": value("CS", relationship), "0040A040": value("CS", kind)}
    if name:
        found["0040A043"] = value("SQ", coded(name))
    if children:
        found["0040A730"] = value("SQ", *children)
    return found | {key[1:]: one for key, one in more.items()}


def words(name: str, said: str, *children: Attributes, relationship: str = "CONTAINS") -> Attributes:
    return node("TEXT", name, *children, relationship=relationship, t0040A160=value("UT", said))


def code_item(name: str, said: Attributes, *children: Attributes, relationship: str = "CONTAINS") -> Attributes:
    return node("CODE", name, *children, relationship=relationship, t0040A168=value("SQ", said))


def measured(name: str, number: Any, unit: Attributes, *children: Attributes, **more: Any) -> Attributes:
    inside = {"0040A30A": value("DS", number), "004008EA": value("SQ", unit)}
    return node("NUM", name, *children, t0040A300=value("SQ", inside), **more)


def image(uid: str, *frames: int, name: str = "") -> Attributes:
    reference = {"00081150": value("UI", "1.2.840.10008.5.1.4.1.1.2"), "00081155": value("UI", uid)}
    if frames:
        reference["00081160"] = value("IS", *frames)
    return node("IMAGE", name, t00081199=value("SQ", reference))


def evidence(study: str, series: str, *instances: str) -> dict[str, Any]:
    listed = [{"00081155": value("UI", uid)} for uid in instances]
    within = {"0020000E": value("UI", series), "00081199": value("SQ", *listed)}
    return value("SQ", {"0020000D": value("UI", study), "00081115": value("SQ", within)})


def report(*children: Attributes, title: str = "Chest CT", **more: Any) -> Attributes:
    return node("CONTAINER", title, *children, relationship="", **more) | {
        "00100010": value("PN", {"Alphabetic": "Doe^Jane"}),
        "00100020": value("LO", "4711"),
    }


def attributes_of(path: Path) -> json_model.Attributes:
    """What the metadata of a file say, as the web edge gets them."""
    content = path.read_bytes()
    found = dcmread(path, stop_before_pixels=True, force=True)
    start = 132 + 12 + found.file_meta.FileMetaInformationGroupLength if content[128:132] == b"DICM" else 0
    found_members = members(content[start:], found.file_meta.TransferSyntaxUID)
    text = b",".join(b'"%b":%b' % (tag.encode(), member) for tag, member in found_members)
    return json_model.parse(b"[{" + text.replace(b"\0", BASE.encode()) + b"}]")
