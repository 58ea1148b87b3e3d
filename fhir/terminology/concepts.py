"""A code system as the terminology service reads it, wherever its concepts are kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pacsd.codec.text import normalise

_INACTIVE = ("retired", "deprecated", "inactive")
_INACTIVE_SINCE = ("inactive", "deprecated")                  # properties that are true, or a time (codesystem.html)
_ABSTRACT = ("notSelectable", "abstract")


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept (codesystem.html#CodeSystem.concept), with the codes right above it."""

    code: str
    display: str = ""
    definition: str = ""
    designations: Sequence[Mapping[str, Any]] = ()
    properties: Sequence[Mapping[str, Any]] = ()
    parents: tuple[str, ...] = ()

    @property
    def inactive(self) -> bool:
        """Whether it is no longer to be used (codesystem.html#status)."""
        return any(_says_inactive(one) for one in self.properties)

    @property
    def abstract(self) -> bool:
        """Whether it only groups others, and is not to be chosen."""
        return any(one.get("code") in _ABSTRACT and one.get("valueBoolean") is True for one in self.properties)

    @property
    def displays(self) -> Iterator[str]:
        """All that people may call it."""
        yield self.display
        for one in self.designations:
            yield str(one.get("value", ""))

    @property
    def searched(self) -> str:
        """What a filter looks into, normalised."""
        return normalise(" ".join((self.code, *self.displays)))


def _says_inactive(row: Mapping[str, Any]) -> bool:
    if row.get("code") == "status":
        return (row.get("valueCode") or row.get("valueString")) in _INACTIVE
    return row.get("code") in _INACTIVE_SINCE and row.get("valueBoolean") is True


def value_of(row: Mapping[str, Any]) -> Any:
    """The value of a property, whatever its type."""
    return next((value for key, value in row.items() if key.startswith("value")), None)


def text_of(value: Any) -> str:
    """A property's value as a filter compares it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return str(value.get("code", ""))
    return str(value)


@dataclass(frozen=True, slots=True)
class Header:
    """What a code system says of itself."""

    url: str
    version: str = ""
    name: str = ""
    content: str = "complete"            # complete, fragment, example, not-present
    case_sensitive: bool = True
    is_a: bool = True                    # whether what is above a concept subsumes it (hierarchyMeaning)
    value_set: str = ""                  # canonical of the value set of all its codes
    properties: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def canonical(self) -> str:
        """With its version, where it has one."""
        return f"{self.url}|{self.version}" if self.version else self.url


class CodeSystem(Protocol):
    """Concepts of one code system in one version."""

    @property
    def header(self) -> Header:
        """What it says of itself."""

    def get(self, code: str) -> Concept | None:
        """The concept of a code, found in any case where case does not matter."""

    def is_below(self, code: str, above: str) -> bool:
        """Whether a concept is under another one, at any distance; none is under itself."""

    def children(self, code: str) -> Sequence[str]:
        """Codes right under a concept."""

    def select(self, *, below: str | None = None, words: Sequence[str] = ()) -> Iterator[Concept]:
        """Concepts in the order of the code system: under one of them, with all words in what people call them."""
