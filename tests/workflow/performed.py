"""Performed procedure steps for tests."""

from collections.abc import Iterable
from typing import Any

from tests.workflow.steps import Attributes, attribute

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"


def scheduled(study: str = "1.2.3", accession: str = "A1", step: str = "S1") -> Attributes:
    """What a step was scheduled as; empty strings where it was not."""

    def sh(vr: str, value: str) -> dict[str, Any]:
        return attribute(vr, value) if value else attribute(vr)

    return {
        "0020000D": attribute("UI", study),
        "00081110": attribute("SQ"),
        "00080050": sh("SH", accession),
        "00401001": sh("SH", step and f"R{step}"),
        "00321060": attribute("LO"),
        "00400009": sh("SH", step),
        "00400007": attribute("LO"),
        "00400008": attribute("SQ"),
    }


def begun(*orders: Attributes, **changes: Any) -> Attributes:
    """What N-CREATE says; keyword arguments by tag (`t00400253`) change it, None takes away."""
    made: Attributes = {
        "00400270": attribute("SQ", *(orders or (scheduled(),))),
        "00100010": attribute("PN", {"Alphabetic": "Zhang^San", "Ideographic": "张^三"}),
        "00100020": attribute("LO", "P1"),
        "00100030": attribute("DA", "19700102"),
        "00100040": attribute("CS", "O"),
        "00081120": attribute("SQ"),
        "00400253": attribute("SH", "PPS1"),
        "00400241": attribute("AE", "CT1"),
        "00400242": attribute("SH"),
        "00400243": attribute("SH"),
        "00400244": attribute("DA", "20261129"),
        "00400245": attribute("TM", "101500"),
        "00400252": attribute("CS", "IN PROGRESS"),
        "00400254": attribute("LO", "胸部平扫"),
        "00400255": attribute("LO"),
        "00081032": attribute("SQ"),
        "00400250": attribute("DA"),
        "00400251": attribute("TM"),
        "00400281": attribute("SQ"),
        "00080060": attribute("CS", "CT"),
        "00200010": attribute("SH"),
        "00400260": attribute("SQ"),
        "00400340": attribute("SQ"),
    }
    return _changed(made, changes)


def series(uid: str, instances: Iterable[str] = (), *, sop_class: str = CT, **changes: Any) -> Attributes:
    """A performed series with its images."""
    references = [{"00081150": attribute("UI", sop_class), "00081155": attribute("UI", one)} for one in instances]
    made = {
        "00081050": attribute("PN"),
        "00181030": attribute("LO", "Chest"),
        "00081070": attribute("PN"),
        "0020000E": attribute("UI", uid),
        "0008103E": attribute("LO"),
        "00080054": attribute("AE"),
        "00081140": attribute("SQ", *references),
        "00400220": attribute("SQ"),
    }
    return _changed(made, changes)


def ended(*performed: Attributes, status: str = "COMPLETED", **changes: Any) -> Attributes:
    """What N-SET says at the end."""
    made = {
        "00400252": attribute("CS", status),
        "00400250": attribute("DA", "20261129"),
        "00400251": attribute("TM", "102500"),
        "00400340": attribute("SQ", *(performed or (series("1.2.3.1"),))),
    }
    return _changed(made, changes)


def _changed(made: Attributes, changes: dict[str, Any]) -> Attributes:
    for name, value in changes.items():
        if value is None:
            made.pop(name[1:], None)
        else:
            made[name[1:]] = value
    return made
