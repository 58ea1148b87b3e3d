"""Value sets expanded to their codes, as far as lists tell them (FHIR R4 valueset.html#expansion)."""

from collections.abc import Iterable, Mapping
from typing import Any


class Expansion:
    """Expands the value sets among some resources by the code systems among them."""

    def __init__(self, resources: Iterable[Mapping[str, Any]]) -> None:
        self._sets: dict[str, Mapping[str, Any]] = {}
        self._systems: dict[str, Mapping[str, Any]] = {}
        for one in resources:
            (self._sets if one["resourceType"] == "ValueSet" else self._systems).setdefault(one["url"], one)

    def codes(self, url: str) -> dict[str, list[str]] | None:
        """Its codes by system, in their order; None if it draws on a system that no list tells (UCUM, BCP 47)."""
        value_set = self._sets.get(url.split("|")[0])
        if value_set is None:
            return None
        found: dict[str, dict[str, None]] = {}
        for include in value_set["compose"]["include"]:
            told = self._told(include)
            if told is None:
                return None
            for system, codes in told.items():
                found.setdefault(system, {}).update(dict.fromkeys(codes))
        for exclude in value_set["compose"].get("exclude", ()):
            for system, codes in (self._told(exclude) or {}).items():
                for code in codes:
                    found.get(system, {}).pop(code, None)
        return {system: list(codes) for system, codes in found.items()}

    def _told(self, include: Mapping[str, Any]) -> dict[str, list[str]] | None:
        """What one include or exclude tells: of a system, or what several value sets have in common."""
        told: dict[str, list[str]] | None = None
        if "system" in include:
            codes = self._of_system(include)
            if codes is None:
                return None
            told = {include["system"]: codes}
        for url in include.get("valueSet", ()):
            other = self.codes(url)
            if other is None:
                return None
            told = other if told is None else {
                system: [code for code in codes if code in other.get(system, ())] for system, codes in told.items()}
        return told

    def _of_system(self, include: Mapping[str, Any]) -> list[str] | None:
        if "concept" in include:
            return [one["code"] for one in include["concept"]]
        system = self._systems.get(include["system"])
        if system is None or system.get("content") not in ("complete", "fragment"):
            return None
        rows = list(_all(system.get("concept", ()), ()))
        for one in include.get("filter", ()):
            if one["op"] not in ("is-a", "descendent-of", "is-not-a"):
                return None
            rows = [row for row in rows if _passes(row, one["op"], one["value"])]
        return [code for code, _above in rows]


def _all(concepts: Iterable[Mapping[str, Any]], above: tuple[str, ...]) -> Iterable[tuple[str, frozenset[str]]]:
    """Each concept with those above it."""
    for one in concepts:
        parents = {row["valueCode"] for row in one.get("property", ()) if row["code"] in ("subsumedBy", "parent")
                   and "valueCode" in row}
        yield one["code"], frozenset({*above, *parents})
        yield from _all(one.get("concept", ()), (*above, *parents, one["code"]))


def _passes(row: tuple[str, frozenset[str]], operator: str, value: str) -> bool:
    code, above = row
    if operator == "is-a":
        return code == value or value in above
    if operator == "is-not-a":
        return not (code == value or value in above)
    return value in above
