"""What is in a value set (http://hl7.org/fhir/R4/valueset.html#compositions)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fhir.terminology import filters
from fhir.terminology.concepts import CodeSystem, Concept
from fhir.terminology.library import Library
from pacsd.faults import Fault, PacsdError

MOST_WALKED = 500_000                    # concepts that are looked at for one expansion
MOST_OPENED = 1_000_000                  # value sets that are looked into, the same one again and again too
_DEEPEST = 20                            # value sets that name value sets

Resource = Mapping[str, Any]


class NotTold(PacsdError):
    """What a code system or value set would tell is not known here."""

    def __init__(self, kind: str, canonical: str) -> None:
        super().__init__(Fault.NOT_FOUND, f"the {kind} {canonical[:200]} is not known here")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Member:
    """A code in a value set. `version` is that of the code system which told it; empty where none did."""

    system: str
    version: str
    concept: Concept

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same member."""
        return self.system, self.concept.code


class Composition:
    """Reads value sets by one reader's library, for one request.

    `versions`: which of a code system counts where none is named.
    """

    def __init__(self, library: Library, versions: Mapping[str, str] | None = None) -> None:
        self._library = library
        self._versions = versions or {}
        self._found: dict[str, Resource] = {}
        self._systems: dict[tuple[str, str], CodeSystem | None] = {}
        self._opened = 0

    def value_set(self, canonical: str) -> Resource:
        """A value set by its canonical. Raises NotTold."""
        found = self._found.get(canonical) or self._library.value_set(canonical)
        if found is None:
            raise NotTold("value set", canonical)
        self._found[canonical] = found
        return found

    def members(self, value_set: Resource, words: Sequence[str] = (), path: tuple[str, ...] = ()) -> Iterator[Member]:
        """Its codes, each once, in order; those with all words.

        Raises NotTold, PacsdError TOO_MUCH when more than MOST_WALKED concepts would have to be looked at.
        """
        path = self._deeper(value_set, path)
        compose = value_set.get("compose")
        if compose is None:
            yield from (one for one in _expanded(value_set) if _has(one.concept, words))
            return
        seen: set[tuple[str, str]] = set()
        walked = 0
        for include in compose.get("include", ()):
            for one in self._included(include, words, path):
                walked += 1
                if walked > MOST_WALKED:
                    raise PacsdError(Fault.TOO_MUCH, f"more than {MOST_WALKED} codes; ask by filter or count")
                if one.key in seen or (compose.get("inactive") is False and one.concept.inactive):
                    continue
                seen.add(one.key)
                if not any(self._part_holds(row, *one.key, path) for row in compose.get("exclude", ())):
                    yield one

    def holds(self, value_set: Resource, system: str | None, code: str, path: tuple[str, ...] = ()) -> Member | None:
        """The member that a code is; without a system, of the first that has it. Raises NotTold."""
        path = self._deeper(value_set, path)
        compose = value_set.get("compose")
        if compose is None:
            return next((one for one in _expanded(value_set) if one.concept.code == code
                         and system in (None, one.system)), None)  # fmt: skip
        unknown: NotTold | None = None
        for include in compose.get("include", ()):
            try:
                found = self._part_holds(include, system, code, path)
            except NotTold as error:
                unknown = unknown or error
                continue
            if found is not None and not (compose.get("inactive") is False and found.concept.inactive):
                excluded = any(self._part_holds(row, *found.key, path) for row in compose.get("exclude", ()))
                return None if excluded else found
        if unknown is not None:
            raise unknown
        return None

    def _deeper(self, value_set: Resource, path: tuple[str, ...]) -> tuple[str, ...]:
        """The way to a value set that is looked into. Raises PacsdError where it leads back, or everywhere."""
        url = str(value_set.get("url", ""))
        if (url and url in path) or len(path) >= _DEEPEST:
            raise PacsdError(Fault.MISMATCH, f"the value set {url[:200]} is made of itself")
        self._opened += 1
        if self._opened > MOST_OPENED:
            raise PacsdError(Fault.TOO_MUCH, f"the value set {url[:200]} leads to more than {MOST_OPENED} others")
        return (*path, url)

    def _included(self, include: Resource, words: Sequence[str], path: tuple[str, ...]) -> Iterator[Member]:
        others = [self.value_set(url) for url in include.get("valueSet", ())]
        if "system" in include:
            ours, rest = self._of_system(include, words), others
        elif others:
            ours, rest = self.members(others[0], words, path), others[1:]
        else:
            raise PacsdError(Fault.MALFORMED, "a value set includes neither a system nor value sets")
        for one in ours:
            if all(self.holds(other, *one.key, path) for other in rest):
                yield one

    def _of_system(self, include: Resource, words: Sequence[str]) -> Iterator[Member]:
        system = self._system(include)
        url, version = include["system"], system.header.version if system else str(include.get("version", ""))
        if "concept" in include:
            for row in include["concept"]:
                one = _listed(row, system)
                if one is not None and _has(one, words):
                    yield Member(url, version, one)
            return
        if system is None:
            raise NotTold("code system", _canonical(include))
        for one in filters.selected(system, include.get("filter", ()), words):
            yield Member(url, version, one)

    def _part_holds(self, include: Resource, system: str | None, code: str, path: tuple[str, ...]) -> Member | None:
        """The member of one include or exclude that a code is."""
        others = [self.value_set(url) for url in include.get("valueSet", ())]
        found: Member | None = None
        if "system" in include:
            if system not in (None, include["system"]):
                return None
            found = self._listed_or_filtered(include, code)
        elif others:
            found, others = self.holds(others[0], system, code, path), others[1:]
        if found is None or not all(self.holds(other, *found.key, path) for other in others):
            return None
        return found

    def _listed_or_filtered(self, include: Resource, code: str) -> Member | None:
        system = self._system(include)
        url, version = include["system"], system.header.version if system else str(include.get("version", ""))
        if "concept" in include:
            row = next((row for row in include["concept"] if row.get("code") == code), None)
            one = None if row is None else _listed(row, system)
            return None if one is None else Member(url, version, one)
        if system is None:
            raise NotTold("code system", _canonical(include))
        concept = system.get(code)
        if concept is None:
            if system.header.content != "complete":
                raise NotTold("rest of the code system", system.header.canonical)
            return None
        passed = all(test(concept) for test in filters.tests(system, include.get("filter", ())))
        return Member(url, version, concept) if passed else None

    def _system(self, include: Resource) -> CodeSystem | None:
        url, version = include["system"], str(include.get("version", ""))
        if version == "*":
            version = ""
        key = url, version or self._versions.get(url, "")
        if key not in self._systems:
            self._systems[key] = self._library.code_system(*key)
        return self._systems[key]


def _listed(row: Resource, system: CodeSystem | None) -> Concept | None:
    """A code that the value set itself lists, with its own words for it."""
    code = row.get("code")
    if not code:
        return None
    known = system.get(code) if system is not None else None
    one = known or Concept(code)
    return replace(one, code=code, display=row.get("display") or one.display,
                   designations=(*row.get("designation", ()), *one.designations))  # fmt: skip


def _expanded(value_set: Resource) -> Iterator[Member]:
    """Of a value set that has but an expansion."""
    waiting = list(reversed(value_set.get("expansion", {}).get("contains", ())))
    while waiting:
        row = waiting.pop()
        if row.get("code") and not row.get("abstract"):
            concept = Concept(row["code"], row.get("display", ""), "", row.get("designation", ()),
                              ({"code": "inactive", "valueBoolean": True},) if row.get("inactive") else ())  # fmt: skip
            yield Member(row.get("system", ""), row.get("version", ""), concept)
        waiting.extend(reversed(row.get("contains", ())))


def _has(one: Concept, words: Sequence[str]) -> bool:
    return not words or all(word in one.searched for word in words)


def _canonical(include: Resource) -> str:
    version = include.get("version")
    return f"{include['system']}|{version}" if version else str(include["system"])
