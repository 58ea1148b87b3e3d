"""Search parameters of FHIR R4 (http://hl7.org/fhir/R4/searchparameter-registry.html), each of one resource type."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from fhir.definitions.structures import read, structures

# of extensions, which the bundle of R4 leaves out: http://hl7.org/fhir/R4/extension-patient-mothersmaidenname.html
_OF_EXTENSIONS: tuple[Mapping[str, Any], ...] = ({
    "url": "http://hl7.org/fhir/SearchParameter/patient-extensions-Patient-mothersMaidenName",
    "code": "mothersMaidenName", "base": ["Patient"], "type": "string",
    "expression": "Patient.extension.where(url = 'http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName')"
                  ".value.ofType(string)",
},)  # fmt: skip


class Component(NamedTuple):
    """A part of a composite parameter: another parameter's kind of value, found from the composite's element."""

    code: str                            # of the parameter that defines how its values compare
    type: str
    expression: str                      # from the element that the composite's expression finds


@dataclass(frozen=True, slots=True)
class Parameter:
    """A search parameter as it applies to one resource type."""

    resource: str
    code: str
    type: str                            # number, date, string, token, reference, composite, quantity, uri, special
    expression: str                      # FHIRPath, from the resource; empty: not told by an expression
    url: str
    targets: tuple[str, ...] = ()        # resource types that a reference may lead to
    components: tuple[Component, ...] = ()


def _alternatives(expression: str) -> Iterator[str]:
    """The parts of a union, cut where no bracket is open."""
    depth, start = 0, 0
    for found in re.finditer(r"[()|]", expression):
        depth += {"(": 1, ")": -1, "|": 0}[found[0]]
        if found[0] == "|" and not depth:
            yield expression[start : found.start()].strip()
            start = found.end()
    yield expression[start:].strip()


def _of_type(expression: str, resource: str) -> str:
    """What of an expression speaks of a resource type: of itself, of what it descends from, or names no type."""
    def speaks(one: str) -> bool:
        first = re.split(r"[. ]", one.lstrip("("))[0]
        return not first[:1].isupper() or structures().is_a(resource, first)
    return " | ".join(one for one in _alternatives(expression) if speaks(one))


def _resource_types(base: list[str]) -> Iterator[str]:
    for resource in structures().resource_types:
        if any(structures().is_a(resource, one) for one in base):
            yield resource


@cache
def parameters() -> Mapping[str, Mapping[str, Parameter]]:
    """Resource type, code, parameter; those of all resources (_id, _tag …) among them."""
    told: list[Mapping[str, Any]] = [*read("search-parameters"), *_OF_EXTENSIONS]
    by_url = {row["url"]: row for row in told}
    found: dict[str, dict[str, Parameter]] = {name: {} for name in structures().resource_types}
    for row in told:
        components = tuple(
            Component(by_url[one["definition"]]["code"], by_url[one["definition"]]["type"], one["expression"])
            for one in row.get("component", ()))
        for resource in _resource_types(row["base"]):
            found[resource][row["code"]] = Parameter(
                resource, row["code"], row["type"], _of_type(row.get("expression", ""), resource), row["url"],
                tuple(row.get("target", ())), components)
    return found
