"""A code system told by the concepts of its CodeSystem resource (http://hl7.org/fhir/R4/codesystem.html)."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir.terminology.concepts import Concept, Header

_PARENTS = ("parent", "subsumedBy")      # properties that name a code above, as nesting does
_CHILDREN = ("child",)


def header(resource: Mapping[str, Any]) -> Header:
    """What a CodeSystem resource says of itself."""
    return Header(
        url=resource.get("url", ""), version=resource.get("version", ""), name=resource.get("name", ""),
        content=resource.get("content", "complete"), case_sensitive=resource.get("caseSensitive", True),
        is_a=resource.get("hierarchyMeaning", "is-a") == "is-a", value_set=resource.get("valueSet", ""),
        properties=resource.get("property", ()),
    )  # fmt: skip


class ListedCodeSystem:
    """Its concepts in memory. A code that stands there twice counts where it stands first."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self.header = header(resource)
        self._concepts = {one.code: one for one in reversed(list(concepts(resource)))}
        self._concepts = dict(reversed(self._concepts.items()))
        self._folded = {} if self.header.case_sensitive else {code.casefold(): code for code in self._concepts}
        self._parents = {code: set(one.parents) for code, one in self._concepts.items()}
        for code, one in self._concepts.items():
            for child in _named(one.properties, _CHILDREN):
                self._parents.setdefault(child, set()).add(code)
        self._children: dict[str, list[str]] = {}
        for code in self._concepts:
            for parent in sorted(self._parents[code]):
                self._children.setdefault(parent, []).append(code)

    def __len__(self) -> int:
        return len(self._concepts)

    def get(self, code: str) -> Concept | None:
        """The concept of a code."""
        return self._concepts.get(code) or self._concepts.get(self._folded.get(code.casefold(), ""))

    def is_below(self, code: str, above: str) -> bool:
        """Whether a concept is under another one, at any distance."""
        waiting, seen = deque(self._parents.get(code, ())), {code}
        while waiting:
            one = waiting.popleft()
            if one == above:
                return True
            if one not in seen:
                seen.add(one)
                waiting.extend(self._parents.get(one, ()))
        return False

    def children(self, code: str) -> Sequence[str]:
        """Codes right under a concept."""
        return self._children.get(code, ())

    def select(self, *, below: str | None = None, words: Sequence[str] = ()) -> Iterator[Concept]:
        """Concepts in order, under one of them, with all words."""
        under = None if below is None else self._under(below)
        for code, one in self._concepts.items():
            if (under is None or code in under) and (not words or _has(one, words)):
                yield one

    def _under(self, code: str) -> set[str]:
        found, waiting = set[str](), deque(self._children.get(code, ()))
        while waiting:
            one = waiting.popleft()
            if one not in found:
                found.add(one)
                waiting.extend(self._children.get(one, ()))
        return found


def concepts(resource: Mapping[str, Any]) -> Iterator[Concept]:
    """Each concept of a CodeSystem resource, those above before those below; nesting of any depth."""
    waiting: list[tuple[Mapping[str, Any], tuple[str, ...]]] = [
        (one, ()) for one in reversed(resource.get("concept", ()))]
    while waiting:
        told, above = waiting.pop()
        if not told.get("code"):
            continue
        properties = told.get("property", ())
        parents = dict.fromkeys((*above, *_named(properties, _PARENTS)))
        yield Concept(
            told["code"], told.get("display", ""), told.get("definition", ""), told.get("designation", ()), properties,
            tuple(parents),
        )  # fmt: skip
        waiting.extend((one, (told["code"],)) for one in reversed(told.get("concept", ())))


def _named(properties: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Iterator[str]:
    for one in properties:
        value = one.get("valueCode")
        if one.get("code") in names and value:
            yield str(value)


def _has(one: Concept, words: Sequence[str]) -> bool:
    text = one.searched
    return all(word in text for word in words)
