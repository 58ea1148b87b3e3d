"""Where code systems, value sets and concept maps come from, by canonical URL (references.html#canonical)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol, TypeVar

from fhir.definitions.terminology import code_systems, concept_maps, value_sets
from fhir.terminology.concepts import CodeSystem
from fhir.terminology.listed import ListedCodeSystem

Resource = Mapping[str, Any]
Told = TypeVar("Told")
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"


class Shelf(Protocol):
    """One place of theirs, as one reader sees it."""

    def code_systems(self, url: str) -> Iterable[CodeSystem]:
        """All versions of a code system that it has."""

    def value_sets(self, url: str) -> Iterable[Resource]:
        """All versions of a value set."""

    def concept_maps(self) -> Iterable[Resource]:
        """All concept maps."""

    def whole(self, value_set: str) -> Iterable[CodeSystem]:
        """Code systems that name a value set as that of all their codes (codesystem.html#CodeSystem.valueSet)."""


class Definitions:
    """The shelf of what HL7 defines."""

    def code_systems(self, url: str) -> Iterator[CodeSystem]:
        """All versions of a code system: one."""
        if url in code_systems():
            yield _official(url)

    def value_sets(self, url: str) -> Iterator[Resource]:
        """All versions of a value set: one."""
        if url in value_sets():
            yield value_sets()[url]

    def concept_maps(self) -> Iterable[Resource]:
        """All concept maps."""
        return concept_maps().values()

    def whole(self, value_set: str) -> Iterator[CodeSystem]:
        """Code systems that name a value set."""
        for url, one in code_systems().items():
            if one.get("valueSet") == value_set:
                yield _official(url)


@cache
def _official(url: str) -> ListedCodeSystem:
    return ListedCodeSystem(code_systems()[url])


class Library:
    """Several shelves; the first that has what is asked for counts."""

    def __init__(self, shelves: Sequence[Shelf]) -> None:
        self._shelves = shelves

    def code_system(self, canonical: str, version: str = "") -> CodeSystem | None:
        """In the version that is named, else in the newest, if its concepts are known here at all."""
        url, _, named = canonical.partition("|")
        for shelf in self._shelves:
            told = [(one.header.version, one) for one in shelf.code_systems(url) if has_concepts(one)]
            found = _newest(told, version or named)
            if found is not None:
                return found
        return None

    def value_set(self, canonical: str, version: str = "") -> Resource | None:
        """In the version that is named, else in the newest; of all codes of a system, where a system says so."""
        url, _, named = canonical.partition("|")
        for shelf in self._shelves:
            found = _newest([(str(one.get("version", "")), one) for one in shelf.value_sets(url)], version or named)
            if found is not None:
                return found
        return self._implicit(url, version or named)

    def concept_maps(self, url: str = "") -> Iterator[Resource]:
        """All concept maps, or those of a canonical URL."""
        wanted, _, version = url.partition("|")
        for shelf in self._shelves:
            for one in shelf.concept_maps():
                if not url or (one.get("url") == wanted and version in ("", one.get("version"))):
                    yield one

    def _implicit(self, url: str, version: str) -> Resource | None:
        """Value sets that no resource tells (snomedct.html#implicit, loinc.html#vs)."""
        include = _snomed(url)
        if include is None and url == f"{LOINC}/vs":
            include = {"system": LOINC}
        if include is None:
            whole = _newest([(one.header.version, one) for shelf in self._shelves for one in shelf.whole(url)], version)
            if whole is None:
                return None
            include = {"system": whole.header.url, "version": whole.header.version or None}
        include = {key: value for key, value in include.items() if value is not None}
        return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}


def has_concepts(one: CodeSystem) -> bool:
    """Whether it tells its codes, or a part of them."""
    return one.header.content in ("complete", "fragment", "example")


def _snomed(url: str) -> dict[str, Any] | None:
    base, mark, asked = url.partition("?fhir_vs")
    if base != SNOMED or not mark:
        return None
    if asked.startswith("=isa/"):
        below = asked.removeprefix("=isa/")
        return {"system": SNOMED, "filter": [{"property": "concept", "op": "is-a", "value": below}]}
    return {"system": SNOMED} if not asked else None


def _newest(told: Iterable[tuple[str, Told]], version: str) -> Told | None:
    among = [(_order(has), number, one) for number, (has, one) in enumerate(told) if not version or has == version]
    return max(among, key=lambda row: row[:2])[2] if among else None


def _order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Versions as people count: 4.10 comes after 4.9."""
    parts: list[str] = re.findall(r"\d{1,18}|[^\d.]+", version)
    return tuple((1, int(part), "") if part.isdigit() and part.isascii() else (0, 0, part) for part in parts)
