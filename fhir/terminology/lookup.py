"""CodeSystem/$lookup (http://hl7.org/fhir/R4/codesystem-operation-lookup.html)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir.terminology.concepts import CodeSystem, Concept
from fhir.terminology.expand import display_in
from fhir.terminology.library import Library
from fhir.terminology.value_set import NotTold
from pacsd.faults import Fault, PacsdError

Row = dict[str, Any]


def lookup(
    library: Library, *, system: str, code: str, version: str = "", properties: Sequence[str] = (), language: str = ""
) -> list[Row]:
    """Parameters that tell a concept. Raises PacsdError NOT_FOUND for an unknown system or code."""
    found = library.code_system(system, version)
    if found is None:
        raise NotTold("code system", f"{system}|{version}" if version else system)
    concept = found.get(code)
    if concept is None:
        raise PacsdError(Fault.NOT_FOUND, f"{code[:100]!r} is no code of {found.header.canonical}")
    return list(_told(found, concept, properties, language))


def _told(system: CodeSystem, concept: Concept, properties: Sequence[str], language: str) -> Iterator[Row]:
    header = system.header
    yield {"name": "name", "valueString": header.name or header.url}
    if header.version:
        yield {"name": "version", "valueString": header.version}
    yield {"name": "display", "valueString": display_in(concept, language) or concept.code}
    wanted = set(properties) - {"*"}
    if concept.definition and (not wanted or "definition" in wanted):
        yield {"name": "definition", "valueString": concept.definition}
    if not wanted or "designation" in wanted:
        yield from ({"name": "designation", "part": _designation(one)} for one in concept.designations)
    yield from (_property(*one) for one in _properties(system, concept) if not wanted or one[0] in wanted)


def _designation(one: Mapping[str, Any]) -> list[Row]:
    parts: list[Row] = []
    if "language" in one:
        parts.append({"name": "language", "valueCode": one["language"]})
    if "use" in one:
        parts.append({"name": "use", "valueCoding": dict(one["use"])})
    return [*parts, {"name": "value", "valueString": one.get("value", "")}]


def _properties(system: CodeSystem, concept: Concept) -> Iterator[tuple[str, str, Any]]:
    """Name, JSON key of the value, value."""
    if concept.inactive and not any(row.get("code") == "inactive" for row in concept.properties):
        yield "inactive", "valueBoolean", True
    for parent in concept.parents:
        yield "parent", "valueCode", parent
    for child in system.children(concept.code):
        yield "child", "valueCode", child
    for row in concept.properties:
        key = next((key for key in row if key.startswith("value")), None)
        if key is not None and row.get("code") not in ("parent", "child"):
            yield str(row.get("code")), key, row[key]


def _property(code: str, key: str, value: Any) -> Row:
    return {"name": "property", "part": [{"name": "code", "valueCode": code}, {"name": "value", key: value}]}
