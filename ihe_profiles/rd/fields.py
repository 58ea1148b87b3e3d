"""What several kinds of result messages have in common: groups of segments, identifiers, people, codes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hl7.conditions import Condition, Hl7Error, Location
from hl7.message import NULL, Path, Segment, path
from hl7.ports import Sender
from hl7.reading import Reading
from hl7.times import moment
from pacsd.reports.report import Code, Order, Person

_FORBIDDEN = str.maketrans("^=\\", "   ")
MOST_ORDERS = 1000                       # of one message
MOST_NAME_CHARACTERS = 64                # of a component group (PS3.5 6.2, VR PN)


@dataclass(frozen=True, slots=True)
class Placed:
    """A segment, and its number among those of its name."""

    segment: Segment
    sequence: int

    def location(self, field: int, repetition: int = 0, component: int = 0) -> Location:
        """A place in it."""
        return Location(self.segment.name, self.sequence, field, repetition, component)


class Group:
    """Some segments of a message: what one order, or one document, is told by.

    `common`: by name, the segments that count where it has none of its own; shared by all groups of a message.
    """

    def __init__(self, reading: Reading, own: Sequence[Placed], common: Mapping[str, Placed]) -> None:
        self.reading = reading
        self.own = own
        self._first = first_of(own)
        self._common = common

    def segments(self, name: str) -> list[Placed]:
        """Its own segments of a name."""
        return [one for one in self.own if one.segment.name == name]

    def value(self, name: str) -> str:
        """A value of the sender's mapping, empty where it is not said or to be deleted. Raises Hl7Error."""
        return self.at(self.reading.mapping.path(name))

    def location(self, name: str) -> Location:
        """Where it stands, or would."""
        at = path(self.reading.mapping.path(name))
        found = self.segment(at.segment)
        return Location(at.segment, found.sequence if found else 1, at.field, at.repetition, at.component)

    def at(self, place: str) -> str:
        """The value at a path. Raises Hl7Error."""
        at = path(place)
        found = self.segment(at.segment)
        return self.part(found, at, max(at.component, 1), max(at.subcomponent, 1)) if found else ""

    def parts(self, place: str, count: int) -> list[str]:
        """The first components of the repetition at a path; a path with a component means a plain value."""
        at = path(place)
        found = self.segment(at.segment)
        if found is None:
            return [""] * count
        if at.component:
            return [self.part(found, at, at.component, max(at.subcomponent, 1)), *[""] * (count - 1)]
        return [self.part(found, at, number, 1) for number in range(1, count + 1)]

    def part(self, found: Placed, at: Path, component: int, subcomponent: int) -> str:
        """A component of the repetition that a path names."""
        repetitions = found.segment.repetitions(at.field)
        number = max(at.repetition, 1)
        text = repetitions[number - 1] if number <= len(repetitions) else ""
        return self.plain(found.segment.component(text, component, subcomponent), found, at.field, number)

    def plain(self, text: str, found: Placed, field: int, repetition: int, component: int = 0) -> str:
        """What was meant by some text at a place; nothing where it is HL7's null."""
        if not text:
            return ""
        message = self.reading.message
        if not message.delimiters.escape or message.delimiters.escape not in text:       # nearly always: a place costs
            meant = message.lifted.whole(text).strip()
        else:
            meant = message.meaning(text, found.location(field, repetition, component))
        return "" if meant == NULL else meant

    def segment(self, name: str) -> Placed | None:
        """The first of a name, its own or one that counts for all groups."""
        return self._first.get(name) or self._common.get(name)


def first_of(segments: Iterable[Placed]) -> dict[str, Placed]:
    """The first segment of each name."""
    found: dict[str, Placed] = {}
    for one in segments:
        found.setdefault(one.segment.name, one)
    return found


def placed(reading: Reading) -> list[Placed]:
    """All segments of a message with their numbers."""
    numbers: dict[str, int] = {}
    found = []
    for segment in reading.message.segments:
        if segment.text.strip():
            numbers[segment.name] = numbers.get(segment.name, 0) + 1
            found.append(Placed(segment, numbers[segment.name]))
    return found


def entity(group: Group, name: str, namespace: str) -> str:
    """An identifier (data type EI) with its namespace, the given one where it names none; empty where there is none."""
    value, said, universal = group.parts(group.reading.mapping.path(name), 3)
    return f"{value}^{said or universal or namespace}".rstrip("^") if value else ""


def order(group: Group, study_instance_uid: str = "") -> Order:
    """What the group is about. Raises Hl7Error for a Study Instance UID that is none."""
    uid = study_instance_uid or group.value("study_instance_uid")
    if uid and not is_uid(uid):
        raise Hl7Error(Condition.DATA_TYPE, group.location("study_instance_uid"), "not a UID")
    names = ("accession_number", "placer_order_number", "filler_order_number")
    return Order(uid, *(group.value(name) for name in names))


def is_uid(text: str) -> bool:
    """Whether this may be a UID (PS3.5 9.1)."""
    return 0 < len(text) <= 64 and text.isascii() and all(part.isdigit() for part in text.split("."))


def patients(reading: Reading, sender: Sender) -> tuple[tuple[str, str], ...]:
    """Assigning authority and id of the patient, of authorities for which the sender speaks. Raises Hl7Error."""
    found = len(reading.message.all("PID"))
    if found != 1:
        place = Location("PID", 2 if found else 1)
        raise Hl7Error(Condition.SEGMENT_SEQUENCE, place, "one patient and one segment PID a message")
    named = list(reading.identifiers("patient_id"))
    spoken = [(one.assigning_authority or sender.assigning_authority, one.value) for one in named]
    known = tuple(dict.fromkeys(one for one in spoken if sender.speaks_for(one[0])))
    where = reading.location("patient_id")
    if named and not known:
        text = "no identifier of an authority for which this sender speaks"
        raise Hl7Error(Condition.UNKNOWN_KEY, where, text)
    if not known:
        raise Hl7Error(Condition.REQUIRED_FIELD, where, "without a patient id")
    return known


def person(group: Group, place: str) -> tuple[Person | None, str]:
    """Somebody at a path, with the time that stands beside: data types XCN, PPN, NDL and CNN, or a plain name."""
    at = path(place)
    found = group.segment(at.segment)
    if found is None:
        return None, ""
    repetitions = found.segment.repetitions(at.field)
    first = repetitions[0] if repetitions else ""
    if at.component:
        name = group.at(place)
        return (Person(_cleaned(name)), "") if name else (None, "")
    inside = found.segment.delimiters.subcomponent
    if inside and inside in found.segment.component(first, 1):           # NDL: id&family&given&… ^ time
        parts = [group.part(found, at, 1, number) for number in range(1, 10)]
        time = group.part(found, at, 2, 1)
    else:
        parts = [group.part(found, at, number, 1) for number in range(1, 10)]
        time = group.part(found, at, 15, 1)
    return _person(parts), time if moment(time) else ""


def _person(parts: Sequence[str]) -> Person | None:
    identifier, family, given, middle, suffix, prefix, degree, _, authority = parts
    name = "^".join(map(_cleaned, (family, given, middle, prefix, f"{suffix} {degree}".strip()))).rstrip("^")
    if not name:                                 # whoever has no more than a first component writes the name there
        return Person(_cleaned(identifier)) if identifier else None
    return Person(name[:MOST_NAME_CHARACTERS], identifier, authority)


def _cleaned(text: str) -> str:
    return text.translate(_FORBIDDEN).strip()[:MOST_NAME_CHARACTERS]


def code(group: Group, found: Placed, field: int) -> Code | None:
    """A coded value (data types CE, CWE, CNE), None where there is none."""
    repetitions = found.segment.repetitions(field)
    return code_in(group, found, repetitions[0], field, 1) if repetitions else None


def code_in(group: Group, found: Placed, text: str, field: int, repetition: int) -> Code | None:
    """The same, of a repetition's text."""
    parts = [inside(group, found, text, field, repetition, number) for number in (1, 2, 3)]
    return Code(*parts) if any(parts) else None


def part(group: Group, found: Placed, field: int, component: int, subcomponent: int = 1) -> str:
    """A component of a field's first repetition, as it was meant."""
    repetitions = found.segment.repetitions(field)
    return inside(group, found, repetitions[0], field, 1, component, subcomponent) if repetitions else ""


def inside(
    group: Group, found: Placed, text: str, field: int, repetition: int, component: int, subcomponent: int = 1
) -> str:
    """A component of a repetition's text, as it was meant."""
    return group.plain(found.segment.component(text, component, subcomponent), found, field, repetition, component)


def when(group: Group, text: str, place: Location) -> str:
    """A time as it was sent, empty where there is none. Raises Hl7Error for what is no time."""
    if text and moment(text) is None:
        raise Hl7Error(Condition.DATA_TYPE, place, "not a time")
    return text


def sending_application(reading: Reading) -> str:
    """MSH-3, which gives the namespace of identifiers that name none."""
    return reading.message.value("MSH-3")
