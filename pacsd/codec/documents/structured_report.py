"""The content tree of a structured report (PS3.3 C.17.3), from its attributes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pacsd.codec.documents.json_model import (
    Attributes,
    bulk_uri,
    date,
    date_time,
    item,
    items,
    number,
    numbers,
    string,
    strings,
    time,
)
from pacsd.faults import Fault, PacsdError

MAX_DEPTH = 64                           # of content items within each other
MAX_ITEMS = 100_000                      # of one document

CONTENT_SEQUENCE = "0040A730"
_CURRENT_EVIDENCE, _OTHER_EVIDENCE = "0040A375", "0040A385"
_PREDECESSORS, _IDENTICAL = "0040A360", "0040A525"


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept (PS3.3 8): its meaning is what people read."""

    value: str
    scheme: str
    meaning: str

    def __str__(self) -> str:
        return self.meaning or self.value


@dataclass(frozen=True, slots=True)
class Reference:
    """A SOP instance that a content item refers to; its study and series if the evidence lists name them."""

    sop_class_uid: str
    sop_instance_uid: str
    place: str = ""                      # studies/…/series/…/instances/…
    frames: tuple[int, ...] = ()
    detail: str = ""                     # segments, channels


@dataclass(frozen=True, slots=True)
class ContentItem:
    """One node: its relationship to its parent, its name, its value as text, and the items below it."""

    value_type: str
    relationship: str = ""
    concept: Code | None = None
    text: str = ""
    unit: Code | None = None
    qualifier: Code | None = None
    references: tuple[Reference, ...] = ()
    bulk_uri: str = ""                   # of a value too long to be told with the rest
    same_as: str = ""                    # by reference: the place of the item meant (PS3.3 C.17.3.2.5)
    continuous: bool = False
    language: str = ""                   # of a CODE item that names one (RFC 5646)
    place: str = "1"                     # as Referenced Content Item Identifier counts, joined by dots
    children: tuple["ContentItem", ...] = ()

    def related(self, *relationships: str) -> list["ContentItem"]:
        """The children with one of these relationships."""
        return [child for child in self.children if child.relationship in relationships]

    def walk(self) -> Iterator["ContentItem"]:
        """This item and all below it, in document order."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            yield one
            waiting.extend(reversed(one.children))


def code(attributes: Attributes) -> Code | None:
    """The code of one item of a code sequence; long and URN codes too (PS3.3 8.1)."""
    value = next(filter(None, (string(attributes, tag) for tag in ("00080100", "00080119", "00080120"))), "")
    meaning = string(attributes, "00080104")
    return Code(value, string(attributes, "00080102"), meaning) if value or meaning else None


def content(attributes: Attributes) -> ContentItem:
    """The root content item with all below it.

    By-reference relationships are told, never followed, so they cannot make a cycle. Raises PacsdError TOO_MUCH
    beyond MAX_DEPTH or MAX_ITEMS.
    """
    return _Reading(places_of_evidence(attributes)).item(attributes, "1", 0)


def places_of_evidence(attributes: Attributes) -> dict[str, str]:
    """Where the instances are that the document names as evidence or as its predecessors (PS3.3 C.17.2)."""
    places: dict[str, str] = {}
    for tag in (_CURRENT_EVIDENCE, _OTHER_EVIDENCE, _PREDECESSORS, _IDENTICAL):
        for study in items(attributes, tag):
            for series in items(study, "00081115"):
                for instance in items(series, "00081199"):
                    uids = string(study, "0020000D"), string(series, "0020000E"), string(instance, "00081155")
                    if all(map(_is_uid, uids)):
                        places.setdefault(uids[2], f"studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}")
    return places


def _is_uid(text: str) -> bool:
    return 0 < len(text) <= 64 and set(text) <= set("0123456789.")


@dataclass
class _Reading:
    """One pass over a document."""

    places: Mapping[str, str]
    count: int = 0

    def item(self, attributes: Attributes, place: str, depth: int) -> ContentItem:
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_ITEMS:
            raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_ITEMS} content items, or nested deeper than {MAX_DEPTH}")
        value_type = string(attributes, "0040A040")
        value = _VALUES.get(value_type, _no_value)(attributes)
        return ContentItem(
            value_type=value_type,
            relationship=string(attributes, "0040A010"),
            concept=code(item(attributes, "0040A043")),
            text=value.text,
            unit=value.unit,
            qualifier=value.qualifier,
            references=tuple(self._references(attributes, value_type)),
            bulk_uri=value.bulk_uri,
            same_as=".".join(f"{int(one)}" for one in numbers(attributes, "0040DB73")),
            continuous=string(attributes, "0040A050") == "CONTINUOUS",
            language=value.language,
            place=place,
            children=tuple(
                self.item(child, f"{place}.{position}", depth + 1)
                for position, child in enumerate(items(attributes, CONTENT_SEQUENCE), 1)
            ),
        )

    def _references(self, attributes: Attributes, value_type: str) -> Iterator[Reference]:
        """Composite, image and waveform references (PS3.3 C.18.3 to C.18.5), their presentation states left out."""
        for one in items(attributes, "00081199") if value_type in ("COMPOSITE", "IMAGE", "WAVEFORM") else ():
            uid = string(one, "00081155")
            details = [
                f"{word} {', '.join(strings(one, tag))}" for tag, word in _DETAILS.items() if strings(one, tag)
            ]
            frames = tuple(int(frame) for frame in numbers(one, "00081160") if frame >= 1)
            yield Reference(string(one, "00081150"), uid, self.places.get(uid, ""), frames, "; ".join(details))


_LANGUAGE_SCHEMES = ("RFC5646", "RFC3066", "RFC4646", "ISO639_1", "ISO639_2")
_DETAILS = {"0062000B": "segment", "0040A0B0": "channels"}


@dataclass(frozen=True, slots=True)
class _Value:
    text: str = ""
    unit: Code | None = None
    qualifier: Code | None = None
    bulk_uri: str = ""
    language: str = ""


def _no_value(attributes: Attributes) -> _Value:
    return _Value()


def _plain(tag: str, shown: Callable[[str], str] = str) -> Callable[[Attributes], _Value]:
    def read(attributes: Attributes) -> _Value:
        return _Value(shown(string(attributes, tag)), bulk_uri=bulk_uri(attributes, tag))

    return read


def _coded(attributes: Attributes) -> _Value:
    found = code(item(attributes, "0040A168"))
    language = found.value if found and found.scheme in _LANGUAGE_SCHEMES else ""
    return _Value(str(found) if found else "", language=language)


def _numeric(attributes: Attributes) -> _Value:
    """PS3.3 C.18.1; without a Measured Value item the qualifier says why there is none."""
    measured = item(attributes, "0040A300")
    text = string(measured, "0040A30A") or string(measured, "0040A161")
    unit = code(item(measured, "004008EA"))
    return _Value(text, unit, code(item(attributes, "0040A301")))


def _coordinates(attributes: Attributes) -> _Value:
    """PS3.3 C.18.6 and C.18.9: the shape, and its points unless they are many."""
    in_space = "00700022" in attributes and "30060024" in attributes
    size = 3 if in_space else 2
    data = numbers(attributes, "00700022")
    points = [data[at : at + size] for at in range(0, len(data), size)]
    shown = " ".join("(" + ", ".join(f"{one:g}" for one in point) + ")" for point in points[:8])
    more = f" … {len(points)} points" if len(points) > 8 else ""
    return _Value(" ".join(filter(None, (string(attributes, "00700023"), shown + more))))


def _temporal(attributes: Attributes) -> _Value:
    """PS3.3 C.18.7: of a waveform or cine, by sample, seconds or date and time."""
    spans = [
        ("samples", ", ".join(strings(attributes, "0040A132"))),
        ("s", ", ".join(strings(attributes, "0040A138"))),
        ("", ", ".join(date_time(one) for one in strings(attributes, "0040A13A"))),
    ]
    where = " ".join(f"{text} {word}".strip() for word, text in spans if text)
    return _Value(" ".join(filter(None, (string(attributes, "0040A130"), where))))


def _table(attributes: Attributes) -> _Value:
    """PS3.3 C.18.10: its size; the cells are left to the metadata."""
    table = item(attributes, "0040A801")
    rows, columns = int(number(table, "0040A802")), int(number(table, "0040A803"))
    return _Value(f"{rows} × {columns}" if rows or columns else "")


_VALUES: dict[str, Callable[[Attributes], _Value]] = {       # PS3.3 Table C.17.3-7
    "TEXT": _plain("0040A160"),
    "PNAME": _plain("0040A123"),
    "UIDREF": _plain("0040A124"),
    "DATE": _plain("0040A121", date),
    "TIME": _plain("0040A122", time),
    "DATETIME": _plain("0040A120", date_time),
    "CODE": _coded,
    "NUM": _numeric,
    "SCOORD": _coordinates,
    "SCOORD3D": _coordinates,
    "TCOORD": _temporal,
    "TABLE": _table,
}
