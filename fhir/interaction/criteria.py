"""Criteria of conditional interactions (http://hl7.org/fhir/R4/http.html#cond-update): which resource is meant."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from fhir.interaction.request import checked_type
from fhir.outcome import FhirError
from fhir.store import locks
from fhir.store.locks import Locks
from pacsd.faults import Fault

_MAX_PARAMETERS = 50
_COMMA = re.compile(r"(?<!\\),")
_BAR = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Criteria:
    """A search that decides which resource is meant."""

    type: str
    parameters: tuple[tuple[str, str], ...]

    def locks(self) -> Locks:
        """What is held while it is decided and done: see fhir.store.locks."""
        values = list(self._identifiers())
        by_identifier = any(values) and all(values)
        if not by_identifier:
            return locks.of_type(self.type, alone=True)
        return locks.joined(locks.of_type(self.type, alone=False), locks.of_identifiers(self.type, values))

    def _identifiers(self) -> Iterable[str]:
        """Values of identifiers; an empty one where a system alone is named."""
        for name, value in self.parameters:
            if name == "identifier":
                for one in _COMMA.split(value):
                    yield _unescaped(_BAR.split(one)[-1])


def of_text(type_name: str, text: str) -> Criteria:
    """Criteria as If-None-Exist has them: a query, with or without the type before it. Raises FhirError MALFORMED."""
    query = text.removeprefix("?")
    if "?" in text and not text.startswith("?"):
        named, _, query = text.partition("?")
        if named.rstrip("/").rpartition("/")[2] != type_name:
            raise FhirError(Fault.MALFORMED, f"the criteria are not of a {type_name}", code="value")
    try:
        return of_parameters(type_name, parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS))
    except ValueError as error:
        raise FhirError(Fault.MALFORMED, f"criteria have at most {_MAX_PARAMETERS} parameters") from error


def of_reference(text: str) -> Criteria:
    """Criteria in the place of a reference: `Patient?identifier=…`."""
    type_name, _, query = text.partition("?")
    return of_text(checked_type(type_name), query)


def of_parameters(type_name: str, parameters: Iterable[tuple[str, str]]) -> Criteria:
    """Criteria as the query of a URL has them. Raises FhirError MALFORMED where there are none: all would be meant."""
    told = tuple((name, value) for name, value in parameters if value)
    if not told:
        raise FhirError(Fault.MALFORMED, "a conditional interaction needs criteria", code="required")
    return Criteria(type_name, told)


def identifiers(resource: Mapping[str, Any]) -> list[str]:
    """Values of the identifiers of a resource."""
    given = resource.get("identifier")
    found = given if isinstance(given, list) else [given]
    return [one["value"] for one in found if isinstance(one, dict) and isinstance(one.get("value"), str)]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
