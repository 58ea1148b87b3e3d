"""Workitems for tests."""

from typing import Any

Attributes = dict[str, dict[str, Any]]


def attribute(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def code(value: str, scheme: str = "99TEST", meaning: str = "meaning") -> Attributes:
    return {
        "00080100": attribute("SH", value),
        "00080102": attribute("SH", scheme),
        "00080104": attribute("LO", meaning),
    }


def step(**changes: Any) -> Attributes:
    """A whole workitem as a client creates it; keyword arguments by tag (`t00741204`) change it, None takes away."""
    made: Attributes = {
        "00741000": attribute("CS", "SCHEDULED"),
        "00741200": attribute("CS", "MEDIUM"),
        "00741204": attribute("LO", "Lung nodule CAD"),
        "00741202": attribute("LO", "CAD"),
        "00741210": attribute("SQ"),
        "00404025": attribute("SQ", code("GPU1")),
        "00404026": attribute("SQ"),
        "00404027": attribute("SQ"),
        "00404005": attribute("DT", "20261125100000"),
        "00404018": attribute("SQ", code("110005", "DCM", "Interpretation")),
        "00400400": attribute("LT"),
        "00404041": attribute("CS", "READY"),
        "00404021": attribute("SQ"),
        "00100010": attribute("PN", {"Alphabetic": "Zhang^San", "Ideographic": "张^三"}),
        "00100020": attribute("LO", "P1"),
        "00100021": attribute("LO"),
        "00100024": attribute("SQ"),
        "00101002": attribute("SQ"),
        "00100030": attribute("DA", "19700102"),
        "00100040": attribute("CS", "O"),
        "00380010": attribute("LO"),
        "00380014": attribute("SQ"),
        "00081080": attribute("LO"),
        "00081084": attribute("SQ"),
        "0040A370": attribute("SQ"),
        "00741002": attribute("SQ"),
        "00741216": attribute("SQ"),
    }
    for name, value in changes.items():
        if value is None:
            del made[name[1:]]
        else:
            made[name[1:]] = value
    return made


def performed() -> Attributes:
    """What a performer must have said before it may complete a step."""
    return {"00741216": attribute("SQ", {
        "00404028": attribute("SQ", code("GPU1")),
        "00404050": attribute("DT", "20261125100100"),
        "00404051": attribute("DT", "20261125100200"),
        "00404019": attribute("SQ", code("110005", "DCM", "Interpretation")),
        "00404033": attribute("SQ"),
    })}  # fmt: skip


def progress(percent: float) -> Attributes:
    return {"00741002": attribute("SQ", {"00741004": attribute("DS", percent)})}


def first(attributes: Attributes, tag: str) -> Any:
    return (attributes.get(tag, {}).get("Value") or [None])[0]
