"""What search and validation ask of terminology, for one reader."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from fhir.terminology.concepts import CodeSystem
from fhir.terminology.library import Library
from fhir.terminology.value_set import Composition, NotTold
from pacsd.faults import Fault, PacsdError

MOST_CODES = 10_000                      # of a value set that a search names


@dataclass(frozen=True, slots=True)
class Codes:
    """Made by `Server.vocabulary.library(pool, scope)`: what this reader sees."""

    library: Library

    def validate_code(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether a code is in a value set; None where that depends on what is not known here."""
        composition = Composition(self.library)
        try:
            return composition.holds(composition.value_set(value_set), system, code) is not None
        except NotTold:
            return None

    def members(self, value_set: str) -> list[tuple[str, str]]:
        """System and code of all members, for `:in` and `:not-in` (search.html#token); by canonical, or `ValueSet/id`.

        Raises PacsdError TOO_BROAD for more than MOST_CODES, NOT_FOUND for what is not known here.
        """
        composition = Composition(self.library)
        found = composition.members(composition.value_set(value_set))
        return _bounded(one.key for one in found)

    def below(self, system: str, code: str) -> list[tuple[str, str]]:
        """A code and all under it, for `:below`."""
        found = self._system(system)
        codes = (one.code for one in found.select(below=code))
        return _bounded((system, one) for one in _first(code, codes))

    def above(self, system: str, code: str) -> list[tuple[str, str]]:
        """A code and all that it is under, for `:above`."""
        found = self._system(system)
        seen, waiting = dict.fromkeys((code,)), [code]
        while waiting:
            concept = found.get(waiting.pop())
            for parent in concept.parents if concept is not None else ():
                if parent not in seen:
                    seen[parent] = None
                    waiting.append(parent)
        return _bounded((system, one) for one in seen)

    def _system(self, url: str) -> CodeSystem:
        found = self.library.code_system(url)
        if found is None:
            raise NotTold("code system", url)
        return found


def _first(code: str, others: Iterator[str]) -> Iterator[str]:
    yield code
    yield from others


def _bounded(found: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    codes = list(islice(found, MOST_CODES + 1))
    if len(codes) > MOST_CODES:
        raise PacsdError(Fault.TOO_BROAD, f"more than {MOST_CODES} codes are meant; a search takes no more")
    return codes
