"""What of an answer a client asks for: `_summary` and `_elements` (http://hl7.org/fhir/R4/search.html#summary)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from fhir.format import json
from fhir.format.summary import Summary, elements, summary
from fhir.outcome import FhirError
from pacsd.faults import Fault

_BUNDLES = ("searchset", "history")


@dataclass(frozen=True, slots=True)
class Parts:
    """Some elements of each resource, or all."""

    summary: Summary = Summary.FALSE
    elements: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all elements are asked for."""
        return self.summary is Summary.FALSE and not self.elements

    def of(self, resource: Mapping[str, Any]) -> Mapping[str, Any]:
        """What of a resource is asked for."""
        if self.elements:
            return elements(resource, self.elements)
        return resource if self.summary is Summary.FALSE else summary(resource, self.summary)

    def of_answer(self, resource: Mapping[str, Any]) -> Mapping[str, Any]:
        """A page, its entries in the parts that are asked for; what is no page as it is. `_elements` are of what was
        found, not of what is included with it (search.html#elements), and of what is said of the search all."""
        if self.whole or resource.get("type") not in _BUNDLES or resource["resourceType"] != "Bundle":
            return resource
        page = read(resource)
        return {**page, "entry": [self._of_entry(one) for one in page["entry"]]} if "entry" in page else page

    def _of_entry(self, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        mode = entry.get("search", {}).get("mode")
        if "resource" not in entry or mode == "outcome" or (mode == "include" and self.elements):
            return entry
        return {**entry, "resource": self.of(entry["resource"])}


def asked(told: Mapping[str, str]) -> Parts:
    """What the parameters of a request ask for. Raises FhirError MALFORMED for a summary that there is not."""
    names = tuple(one.strip() for one in told.get("_elements", "").split(",") if one.strip())
    try:
        return Parts(Summary(told.get("_summary", "false")), names)
    except ValueError as error:
        raise FhirError(Fault.MALFORMED, "_summary is true, text, data, count or false", code="value") from error


def read(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """A resource with what is in it as text (fhir.interaction.bundle.raw) read."""
    return json.read(json.write(resource)) if _has_text(resource) else resource


def _has_text(told: Any) -> bool:
    if isinstance(told, orjson.Fragment):
        return True
    values = told.values() if isinstance(told, Mapping) else told if isinstance(told, list) else ()
    return any(_has_text(one) for one in values)
