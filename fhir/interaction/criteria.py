"""Criteria of conditional interactions (http://hl7.org/fhir/R4/http.html#cond-update): which resource is meant."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from fhir.interaction.request import checked_type
from fhir.outcome import FhirError
from fhir.search.escapes import plain, split
from fhir.store import locks
from fhir.store.locks import Locks
from pacsd.faults import Fault

_MAX_PARAMETERS = 50


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

    def may_find_what_changes(self, types: Collection[str]) -> bool:
        """Whether who is found may be another when resources of these types are written."""
        return self.type in types or any(
            "." in name or name.startswith("_has:") or name == "_list" for name, _ in self.parameters
        )

    def _identifiers(self) -> Iterable[str]:
        """Values of identifiers; an empty one where a system alone is named."""
        for name, value in self.parameters:
            if name == "identifier":
                for one in split(value, ","):
                    yield plain(split(one, "|")[-1])


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


def identified(resource: dict[str, Any], criteria: Criteria) -> dict[str, Any]:
    """The resource with the one identifier that names it, where it has none of that domain (IHE ITI-104 3.104.4.1.3).

    What a feed names a patient by, it finds him by when it comes again, whether the body repeats it or not.
    """
    told = dict(criteria.parameters)
    values = split(told.get("identifier", ""), ",")
    parts = [plain(one) for one in split(values[0], "|")]
    given = resource.get("identifier", [])
    if len(criteria.parameters) != 1 or len(values) != 1 or len(parts) != 2 or not all(parts):
        return resource
    if not isinstance(given, list) or any(isinstance(one, dict) and one.get("system") == parts[0] for one in given):
        return resource
    return {**resource, "identifier": [*given, {"system": parts[0], "value": parts[1]}]}


def identifiers(resource: Mapping[str, Any]) -> list[str]:
    """Values of the identifiers of a resource."""
    given = resource.get("identifier")
    found = given if isinstance(given, list) else [given]
    return [one["value"] for one in found if isinstance(one, dict) and isinstance(one.get("value"), str)]
