"""ConceptMap/$translate (http://hl7.org/fhir/R4/conceptmap-operation-translate.html)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Resource = Mapping[str, Any]
# what an equivalence says when it is read from the target (valueset-concept-map-equivalence.html)
_REVERSED = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
_NO_MATCH = ("unmatched", "disjoint")


@dataclass(frozen=True, slots=True)
class Match:
    """A code that another one becomes."""

    equivalence: str
    coding: Mapping[str, Any]
    source: str                          # canonical of the map

    def parameter(self) -> dict[str, Any]:
        """As the operation answers."""
        parts: list[dict[str, Any]] = [{"name": "equivalence", "valueCode": self.equivalence}]
        if self.coding:
            parts.append({"name": "concept", "valueCoding": dict(self.coding)})
        if self.source:
            parts.append({"name": "source", "valueUri": self.source})
        return {"name": "match", "part": parts}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Between which value sets and systems is translated; empty: whichever."""

    source: str = ""
    target: str = ""
    target_system: str = ""
    reverse: bool = False


def translate(maps: Iterable[Resource], codings: Sequence[Mapping[str, Any]], wanted: Wanted) -> list[dict[str, Any]]:
    """Parameters of the answer: `result` is whether anything but `unmatched` and `disjoint` was found."""
    found = list(dict.fromkeys(
        _hashable(one) for resource in maps if _is_of(resource, wanted) for coding in codings
        for one in _matches(resource, coding, wanted)))  # fmt: skip
    matches = [Match(equivalence, dict(coding), source) for equivalence, coding, source in found]
    result = any(one.equivalence not in _NO_MATCH for one in matches)
    rows: list[dict[str, Any]] = [{"name": "result", "valueBoolean": result}]
    if not matches:
        rows.append({"name": "message", "valueString": "no map that is known here says what this code becomes"})
    return [*rows, *(one.parameter() for one in matches)]


def _hashable(one: Match) -> tuple[str, tuple[tuple[str, Any], ...], str]:
    return one.equivalence, tuple(one.coding.items()), one.source


def _is_of(resource: Resource, wanted: Wanted) -> bool:
    source = resource.get("sourceUri") or resource.get("sourceCanonical", "")
    target = resource.get("targetUri") or resource.get("targetCanonical", "")
    if wanted.reverse:
        source, target = target, source
    return _same(wanted.source, source) and _same(wanted.target, target)


def _same(wanted: str, has: str) -> bool:
    return not wanted or wanted.split("|")[0] == has.split("|")[0]


def _matches(resource: Resource, coding: Mapping[str, Any], wanted: Wanted) -> Iterator[Match]:
    canonical = str(resource.get("url", ""))
    for group in resource.get("group", ()):
        here, there = group.get("source", ""), group.get("target", "")
        if wanted.reverse:
            here, there = there, here
        if not _speaks(group, coding, here, wanted) or (wanted.target_system and wanted.target_system != there):
            continue
        yield from (_reversed if wanted.reverse else _forwards)(group, coding, canonical)


def _speaks(group: Resource, coding: Mapping[str, Any], system: str, wanted: Wanted) -> bool:
    version = group.get("targetVersion" if wanted.reverse else "sourceVersion")
    asked, asked_version = coding.get("system"), coding.get("version")
    return asked in (None, system) and (not version or not asked_version or version == asked_version)


def _forwards(group: Resource, coding: Mapping[str, Any], source: str) -> Iterator[Match]:
    told = False
    for element in group.get("element", ()):
        if element.get("code") == coding.get("code"):
            told = True
            for target in element.get("target", ()):
                yield Match(target.get("equivalence", "equivalent"), _coding(group, target, "target"), source)
    if not told:
        yield from _unmapped(group, coding, source)


def _reversed(group: Resource, coding: Mapping[str, Any], source: str) -> Iterator[Match]:
    for element in group.get("element", ()):
        for target in element.get("target", ()):
            if target.get("code") == coding.get("code"):
                said = target.get("equivalence", "equivalent")
                yield Match(_REVERSED.get(said, said), _coding(group, element, "source"), source)


def _unmapped(group: Resource, coding: Mapping[str, Any], source: str) -> Iterator[Match]:
    """What a group says of all codes that it does not name (conceptmap.html#unmapped)."""
    unmapped = group.get("unmapped", {})
    if unmapped.get("mode") == "provided":
        yield Match("inexact", _coding(group, {"code": coding.get("code")}, "target"), source)
    elif unmapped.get("mode") == "fixed" and unmapped.get("code"):
        yield Match("inexact", _coding(group, unmapped, "target"), source)


def _coding(group: Resource, row: Resource, side: str) -> dict[str, Any]:
    told = {"system": group.get(side), "version": group.get(f"{side}Version"), "code": row.get("code"),
            "display": row.get("display")}  # fmt: skip
    return {key: value for key, value in told.items() if value} if row.get("code") else {}
