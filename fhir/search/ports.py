"""What search asks of other rooms."""

from collections.abc import Iterable
from typing import Protocol

Code = tuple[str, str]                   # system, code


class Terminology(Protocol):
    """Codes that belong together. Each raises PacsdError: NOT_FOUND or UNSUPPORTED for what it does not know."""

    def members(self, value_set: str) -> Iterable[Code]:
        """Codes of a value set (`:in`, `:not-in`), by its canonical URL or `ValueSet/id`."""

    def below(self, system: str, code: str) -> Iterable[Code]:
        """A code and all that it subsumes (`:below`)."""

    def above(self, system: str, code: str) -> Iterable[Code]:
        """A code and all that subsume it (`:above`)."""
