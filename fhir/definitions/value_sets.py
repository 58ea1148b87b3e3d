"""Codes that required and extensible bindings name (http://hl7.org/fhir/R4/terminologies.html#strength)."""

from collections.abc import Mapping
from functools import cache

from fhir.definitions.structures import read


@cache
def required_codes() -> Mapping[str, Mapping[str, frozenset[str]] | None]:
    """Canonical URL of a value set, system, codes; None where a grammar takes the place of a list (UCUM, MIME)."""
    return {url: systems and {system: frozenset(codes) for system, codes in systems.items()}
            for url, systems in read("value-sets").items()}
