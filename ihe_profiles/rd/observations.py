"""OBX: what a result message says, by the data type of each value (HL7 v2.5.1 7.4.2, table 0125)."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hl7.conditions import Condition, Hl7Error, Location
from hl7.message import NULL
from hl7.times import moment, readable
from ihe_profiles.rd.encapsulated import Encapsulated
from ihe_profiles.rd.fields import Group, Placed, code, code_in, inside, is_uid, part
from pacsd.reports.report import Code, Observation
from pacsd.reports.sections import DEFAULT, section_of

# HL7 table 0078, and the category that the ACR wants told within minutes (IHE RAD RD)
CRITICAL_FLAGS = frozenset(("AA", "HH", "LL", "RID49480"))
STUDY_CODES = frozenset(("113014", "110180"))            # DCM: DICOM Study, Study Instance UID
LEFT_OUT = frozenset(("D", "W", "X", "N"))               # table 0085: deleted, wrong, no result, not asked for
MOST_OBSERVATIONS = 10_000
MOST_FLAGS = 50                          # of an observation; there are some thirty
MOST_COMPONENTS = 30
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,4})?)?)?([+-]\d{4})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Observed:
    """What the segments of a group say. `documents`: by the position of their observations."""

    observations: tuple[Observation, ...]
    documents: Mapping[int, Encapsulated]
    study_instance_uids: tuple[str, ...]
    critical: bool
    statuses: frozenset[str]


def observed(group: Group, segments: Sequence[Placed]) -> Observed:
    """All of it. Raises Hl7Error for the first value that is none of its type, and types that nobody reads here."""
    if len(segments) > MOST_OBSERVATIONS:
        place = segments[MOST_OBSERVATIONS].location(1)
        raise Hl7Error(Condition.VALUE_TOO_LONG, place, f"more than {MOST_OBSERVATIONS} observations of one report")
    studies: list[str] = []
    found: list[tuple[Observation, Encapsulated | None]] = []
    for one in segments:
        if _names_study(group, one):
            studies.append(_study(group, one))
        elif part(group, one, 11, 1) not in LEFT_OUT:
            found += _observation(group, one)
    joined = list(_joined(found))
    return Observed(
        tuple(one for one, _ in joined),
        {at: document for at, (_, document) in enumerate(joined) if document is not None},
        tuple(studies),
        any(_is_critical(one) for one, _ in joined),
        frozenset(part(group, one, 11, 1) for one in segments if not _names_study(group, one)),
    )


def _names_study(group: Group, one: Placed) -> bool:
    return part(group, one, 3, 1) in STUDY_CODES and part(group, one, 2, 1) != "ED"


def _study(group: Group, one: Placed) -> str:
    """Data types ST, UI, HD, RP, EI: the component that is a UID (IHE RAD TF-2 4.28, RD 4.128)."""
    for component in (1, 2):
        text = part(group, one, 5, component)
        if is_uid(text):
            return text
    raise Hl7Error(Condition.DATA_TYPE, one.location(5), "no Study Instance UID")


def _observation(group: Group, one: Placed) -> Iterator[tuple[Observation, Encapsulated | None]]:
    kind = part(group, one, 2, 1)
    if not one.segment.field(5):
        if kind in TEXTS:
            yield _made(group, one, kind, "", None), None                   # an empty line
        return
    if not kind:
        raise Hl7Error(Condition.REQUIRED_FIELD, one.location(2), "a value without its type")
    if kind == "ED":
        yield _made(group, one, kind, "", None), Encapsulated.of(group, one)
        return
    reader = READERS.get(kind)
    if reader is None:
        raise Hl7Error(Condition.TABLE_VALUE, one.location(2), f"read here: {', '.join(sorted((*READERS, 'ED')))}")
    read = [reader(group, one, number, text) for number, text in enumerate(one.segment.repetitions(5), 1)]
    value = read[0][1] if len(read) == 1 else None
    yield _made(group, one, kind, "\n".join(text for text, _ in read), value), None


def _made(group: Group, one: Placed, kind: str, text: str, value: Code | None) -> Observation:
    mapping = group.reading.mapping
    what = code(group, one, 3) or Code("")
    named = mapping.code("report_section", what.value)
    section = section_of(named, part(group, one, 3, 1, 2), part(group, one, 3, 4))
    repetitions = one.segment.repetitions(8)[:MOST_FLAGS]
    flags = (inside(group, one, text, 8, number, 1) for number, text in enumerate(repetitions, 1))
    return Observation(
        code=what,
        section=section or DEFAULT,
        kind=kind,
        text=text,
        value=value,
        units=code(group, one, 6),
        flags=tuple(mapping.code("abnormal_flag", flag) for flag in flags if flag),
        reference_range=part(group, one, 7, 1),
        status=part(group, one, 11, 1),
        label="" if section else what.meaning or what.value,
    )


def _joined(
    found: Iterable[tuple[Observation, Encapsulated | None]]
) -> Iterator[tuple[Observation, Encapsulated | None]]:
    """Segments that are the lines of one text are one: the same kind of text about the same, one behind the other."""
    held: Observation | None = None
    lines: list[str] = []
    for one, document in found:
        if held is not None and one.kind in TEXTS and _alike(held, one):
            lines.append(one.text)
            held = replace(held, flags=_together(held.flags, one.flags)) if one.flags else held
            continue
        if held is not None:
            yield replace(held, text="\n".join(lines)), None
        held, lines = (one, [one.text]) if one.kind in TEXTS else (None, [])
        if held is None:
            yield one, document
    if held is not None:
        yield replace(held, text="\n".join(lines)), None


def _together(flags: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """Each once and MOST_FLAGS at most, of however many lines; what is critical is never among those left out."""
    every = dict.fromkeys((*flags, *more))
    return tuple(flag for number, flag in enumerate(every) if number < MOST_FLAGS or flag in CRITICAL_FLAGS)


def _alike(one: Observation, other: Observation) -> bool:
    return (one.code, one.kind, one.section, one.status) == (other.code, other.kind, other.section, other.status)


def _is_critical(one: Observation) -> bool:
    return bool(CRITICAL_FLAGS & {*one.flags, one.value.value if one.value else ""})


Reader = Callable[[Group, Placed, int, str], tuple[str, Code | None]]
"""What a repetition of OBX-5 says, by its number and its text: in words, and as a code where it is one."""


def _text(group: Group, one: Placed, repetition: int, text: str) -> tuple[str, Code | None]:
    """A component separator that its sender did not escape is part of the text: nothing else can be meant."""
    meant = group.reading.message.unescaped(text, one.location(5, repetition))
    return "" if meant.strip() == NULL else meant.rstrip(), None


def _number(group: Group, one: Placed, repetition: int, text: str) -> tuple[str, Code | None]:
    said = inside(group, one, text, 5, repetition, 1)
    if said and _NUMBER.fullmatch(said) is None:
        raise _wrong(one, repetition, "not a number")
    return said, None


def _structured_number(group: Group, one: Placed, repetition: int, text: str) -> tuple[str, Code | None]:
    parts = [inside(group, one, text, 5, repetition, number) for number in (1, 2, 3, 4)]
    if any(each and _NUMBER.fullmatch(each) is None for each in (parts[1], parts[3])):
        raise _wrong(one, repetition, "not a structured number")
    return "".join(parts), None


def _coded(group: Group, one: Placed, repetition: int, text: str) -> tuple[str, Code | None]:
    value = code_in(group, one, text, 5, repetition)
    original = inside(group, one, text, 5, repetition, 9)                # CWE: original text
    if value is None:
        return original, None
    return value.meaning or original or value.value, value


def _moment(group: Group, one: Placed, repetition: int, text: str) -> tuple[str, Code | None]:
    said = inside(group, one, text, 5, repetition, 1)
    if said and moment(said) is None:
        raise _wrong(one, repetition, "not a date or time")
    return readable(said), None


def _time_of_day(group: Group, one: Placed, repetition: int, text: str) -> tuple[str, Code | None]:
    said = inside(group, one, text, 5, repetition, 1)
    if said and _TIME_OF_DAY.fullmatch(said) is None:
        raise _wrong(one, repetition, "not a time of day")
    return ":".join(filter(None, (said[:2], said[2:4], said[4:6]))), None


def _components(group: Group, one: Placed, repetition: int, text: str) -> tuple[str, Code | None]:
    """Names, identifiers, pointers: their components, as people read them."""
    count = min(text.count(one.segment.delimiters.component) + 1, MOST_COMPONENTS)
    parts = (inside(group, one, text, 5, repetition, number) for number in range(1, count + 1))
    return " ".join(filter(None, parts)), None


def _wrong(one: Placed, repetition: int, text: str) -> Hl7Error:
    return Hl7Error(Condition.DATA_TYPE, Location(one.segment.name, one.sequence, 5, repetition), text)


TEXTS = frozenset(("TX", "FT", "ST"))
READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("TX", "FT", "ST"), _text),
    **dict.fromkeys(("CE", "CWE", "CNE", "CF"), _coded),
    **dict.fromkeys(("DT", "TS", "DTM"), _moment),
    **dict.fromkeys(
        ("ID", "IS", "SI", "CX", "EI", "HD", "RP", "PN", "XPN", "CN", "XCN", "XON", "XAD", "XTN", "CQ"), _components
    ),
    "NM": _number,
    "SN": _structured_number,
    "TM": _time_of_day,
}
