"""From orders to worklist attributes (IHE RAD TF-2 Appendix B, table B-1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hl7.conditions import Condition, Hl7Error, Location
from hl7.message import NULL, Message
from hl7.reading import Reading
from ihe_profiles.swf import values
from ihe_profiles.swf.order_groups import Group
from ihe_profiles.swf.values import attribute

Attributes = dict[str, Mapping[str, Any]]
Pairs = list[tuple[str, Mapping[str, Any]]]

# HL7 table 0485 -> Requested Procedure Priority (PS3.3 C.4.11)
PRIORITIES = {"S": "STAT", "A": "HIGH", "P": "HIGH", "C": "HIGH", "T": "MEDIUM", "R": "ROUTINE", "PRN": "LOW"}
PREGNANT = "B6"                          # of table 0009
_WEIGHT = ("3142-7", "29463-7", "BODY WEIGHT")           # LOINC, or the words that IHE has (RAD TF-2 4.4)
_PREGNANCY_STATUS_DEFINITE = 3


def _person(reading: Reading, name: str, _vr: str) -> object:
    return values.person(reading.parts(name))


def _text(reading: Reading, name: str, vr: str) -> object:
    parts = reading.parts(name)
    return values.text(next((one for one in parts if one), ""), vr)


def _place(reading: Reading, name: str, vr: str) -> object:
    return values.text(" ".join(one for one in reading.parts(name)[:4] if one), vr)


@dataclass(frozen=True, slots=True)
class Entry:
    """An attribute, and which value of a message becomes it."""

    tag: str
    vr: str
    name: str
    read: Callable[[Reading, str, str], object] = _text


ENTRIES = (
    Entry("00080090", "PN", "referring_doctor", _person),
    Entry("00321032", "PN", "ordering_provider", _person),
    Entry("00321033", "LO", "requesting_service"),
    Entry("00102000", "LO", "clinical_information"),
    Entry("00380300", "LO", "patient_location", _place),
    Entry("00380500", "LO", "danger_code"),
    Entry("00401002", "LO", "reason"),
    Entry("00401004", "LO", "transport"),
    Entry("00402008", "PN", "entered_by", _person),
    Entry("00402009", "SH", "entering_location"),
    Entry("00402010", "SH", "callback_number"),
    Entry("00403001", "LO", "confidentiality"),
)


def procedure_attributes(group: Group) -> Attributes:
    """What an order says of visit, request and procedure. Raises Hl7Error."""
    reading = group.reading
    found = {one.tag: one.read(reading, one.name, one.vr) for one in ENTRIES}
    made: Attributes = {one.tag: attribute(one.vr, found[one.tag]) for one in ENTRIES if found[one.tag]}
    for tag, value in (*_procedure(group), *_visit(group), *_patient(reading.message)):
        made[tag] = value
    made["00401003"] = attribute("SH", _priority(group))
    made["00402004"], made["00402005"] = _ordered_at(group)
    comments = "\n".join(_notes(reading.message))
    if comments:
        made["00401400"] = attribute("LT", values.text(comments, "LT"))
    return made


def step_attributes(group: Group) -> Attributes:
    """What an order says of one scheduled step. Raises Hl7Error for what a worklist cannot do without."""
    reading = group.reading
    modality, titles = _modality(group), _stations(group)
    day, clock = _start(group)
    made: Attributes = {
        "00080060": attribute("CS", modality), "00400002": attribute("DA", day), "00400003": attribute("TM", clock),
    }  # fmt: skip
    if stations := titles or list(reading.mapping.stations_of(modality)):
        made["00400001"] = attribute("AE", *stations)
    code, description = _protocol(group)
    if code:
        made["00400008"] = attribute("SQ", code)
    for tag, vr, value in (
        ("00400007", "LO", description), ("00400006", "PN", _performer(reading)),
        ("00400010", "SH", _text(reading, "station_name", "SH")), ("00400011", "SH",
         _text(reading, "step_location", "SH")),
    ):  # fmt: skip
        if value:
            made[tag] = attribute(vr, value)
    return made


def _procedure(group: Group) -> Pairs:
    """Requested Procedure Code Sequence and Description, in the platform's code where the mapping has one."""
    parts = [*group.reading.parts("procedure"), "", "", ""][:3]
    mapped = group.reading.mapping.procedure(parts[0])
    if mapped is not None:
        parts = [mapped.code or parts[0], mapped.meaning or parts[1], mapped.scheme or parts[2]]
    code = values.coded(parts, group.reading.mapping.coding_scheme)
    description = values.text(parts[1] or parts[0], "LO")
    if not description:
        raise Hl7Error(Condition.REQUIRED_FIELD, group.where("procedure"), "without a procedure")
    found: Pairs = [("00321060", attribute("LO", description))]
    return [*found, ("00321064", attribute("SQ", code))] if code else found


def _protocol(group: Group) -> tuple[dict[str, Any] | None, str]:
    """Scheduled Protocol Code and Scheduled Procedure Step Description: IPC-6, else the second triplet of OBR-4."""
    reading = group.reading
    parts = reading.parts("protocol") or [*reading.parts("procedure"), *[""] * 6][3:6]
    if not any(parts):
        parts = [*reading.parts("procedure"), "", "", ""][:3]
        mapped = reading.mapping.procedure(parts[0])
        if mapped is not None:
            parts = [mapped.code or parts[0], mapped.meaning or parts[1], mapped.scheme or parts[2]]
    parts = [*parts, "", "", ""][:3]
    return values.coded(parts, reading.mapping.coding_scheme), values.text(parts[1] or parts[0], "LO")


def _visit(group: Group) -> Pairs:
    parts = [*group.reading.parts("admission_id"), *[""] * 4][:4]
    if not parts[0]:
        return []
    found: Pairs = [("00380010", attribute("LO", values.identifier(parts[0], "LO", group.where("admission_id"))))]
    if parts[3]:
        issuer = {"00400031": attribute("UT", parts[3])}
        found.append(("00380014", attribute("SQ", issuer)))
    return found


def _patient(message: Message) -> Pairs:
    """Allergies, pregnancy and weight."""
    found: Pairs = []
    allergies = [words or code for code, words in zip(*(_each(message, "AL1", 3, n) for n in (1, 2)), strict=True)]
    if named := [text for one in allergies if (text := values.text(one, "LO"))]:
        found.append(("00102110", attribute("LO", *named)))
    if message.value("PV1-15") == PREGNANT:
        found.append(("001021C0", attribute("US", _PREGNANCY_STATUS_DEFINITE)))
    found += [("00101030", attribute("DS", float(one))) for one in _weights(message)][:1]
    return found


def _weights(message: Message) -> list[str]:
    columns = [_each(message, "OBX", field, component) for field, component in ((3, 1), (3, 2), (5, 1), (6, 1))]
    return [
        weight for code, words, weight, unit in zip(*columns, strict=True)
        if {code.upper(), words.upper()} & set(_WEIGHT) and unit.lower() in ("kg", "") and _is_number(weight)
    ]  # fmt: skip


def _each(message: Message, name: str, field: int, component: int = 1) -> list[str]:
    """A component of every segment of a name, empty where it says nothing."""
    found = []
    for number, segment in enumerate(message.all(name), 1):
        sent = [*segment.repetitions(field), ""][0]
        value = message.meaning(segment.component(sent, component, 1), Location(name, number, field))
        found.append("" if value == NULL else value)
    return found


def _is_number(text: str) -> bool:
    try:
        return 0 < float(text) < 1000
    except ValueError:
        return False


def _notes(message: Message) -> list[str]:
    return [one for one in _each(message, "NTE", 3) if one]


def _priority(group: Group) -> str:
    said = group.reading.said("priority")
    if said and said not in PRIORITIES:
        text = f"a priority that is none of {', '.join(PRIORITIES)}"
        raise Hl7Error(Condition.TABLE_VALUE, group.where("priority"), text)
    return PRIORITIES[said] if said else "ROUTINE"


def _ordered_at(group: Group) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    said = group.reading.said("ordered_at")
    if not said:
        return attribute("DA"), attribute("TM")
    day, clock = values.date_and_time(said, group.where("ordered_at"))
    return attribute("DA", day), attribute("TM", clock)


def _modality(group: Group) -> str:
    reading = group.reading
    said, where = reading.said("modality"), group.where("modality")
    if not said:
        mapped = reading.mapping.procedure([*reading.parts("procedure"), ""][0])
        said = mapped.modality if mapped else ""
    if not said:
        raise Hl7Error(Condition.REQUIRED_FIELD, where, "without a modality, and the procedure is not mapped to one")
    return values.code_string(said, where)


def _stations(group: Group) -> list[str]:
    said = group.reading.said("station_ae_title")
    if said:
        return [values.ae_title(said, group.where("station_ae_title"))]
    mapped = group.reading.mapping.procedure([*group.reading.parts("procedure"), ""][0])
    return list(mapped.ae_titles) if mapped else []


def _start(group: Group) -> tuple[str, str]:
    said, where = group.reading.said("start"), group.where("start")
    if not said and group.reading.mapping.start_from_order:
        said = group.reading.said("ordered_at")
    if not said:
        raise Hl7Error(Condition.REQUIRED_FIELD, where, "without a start")
    return values.date_and_time(said, where)


def _performer(reading: Reading) -> dict[str, str] | None:
    """OBR-34 is NDL, whose first component holds id, family and given name as subcomponents; XCN where it is not."""
    place = reading.place("performing_physician")
    if "." in place:
        return values.person(reading.parts("performing_physician"))
    inner = [reading.message.value(f"{place}.1.{n}") for n in range(1, 8)]
    if any(inner[1:]):
        return values.person(["" if one == NULL else one for one in inner])
    return values.person(reading.parts("performing_physician"))
