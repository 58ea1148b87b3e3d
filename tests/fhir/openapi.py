"""An OpenAPI 3.0 description of this FHIR server, made of the tables requests are performed by and R4's definitions.

It is what schemathesis makes requests from (tests.fhir.schema_fuzz). Paths that are of all types alike have the types
as an enumeration; searches, creates and updates are of each type, with its search parameters and its elements.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fhir.definitions.search_parameters import parameters
from fhir.definitions.structures import Structure, structures
from fhir.interaction.patches import PATCHES
from fhir.interaction.request import kept_types
from fhir.interaction.table import INTERACTIONS
from fhir.operation.declared import Operation
from fhir.operation.parameters import In
from fhir.operation.table import OPERATIONS

Model = dict[str, Any]
JSON, XML, FORM = "application/fhir+json", "application/fhir+xml", "application/x-www-form-urlencoded"
_DEEPEST = 2                             # levels of elements below a resource
_RESULTS = ("_sort", "_include", "_revinclude", "_elements", "_summary", "_total", "_count", "_format", "_cursor",
            "_has:Observation:patient:code", "_type")  # fmt: skip
_ANY: Mapping[str, Any] = {"description": "any answer that is no failure of the server's"}
_PRIMITIVES: Mapping[str, Model] = {
    "boolean": {"type": "boolean"}, "integer": {"type": "integer"}, "positiveInt": {"type": "integer", "minimum": 1},
    "unsignedInt": {"type": "integer", "minimum": 0}, "decimal": {"type": "number"},
    "date": {"type": "string", "format": "date"}, "dateTime": {"type": "string", "format": "date-time"},
    "instant": {"type": "string", "format": "date-time"}, "uri": {"type": "string", "format": "uri"},
    "url": {"type": "string", "format": "uri"}, "canonical": {"type": "string", "format": "uri"},
    "id": {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"},
    "code": {"type": "string", "pattern": r"^[a-z\-]+$"},
    "oid": {"type": "string", "pattern": r"^urn:oid:[0-2](\.(0|[1-9][0-9]*))+$"},
    "time": {"type": "string", "pattern": r"^[0-2][0-9]:[0-5][0-9]:[0-5][0-9]$"},
}  # fmt: skip
_TEXT: Model = {"type": "string"}


def described(types: Sequence[str], base: str) -> Model:
    """The description, with what is of each type for these; the rest is of all of them."""
    paths: dict[str, Model] = {}
    for path, method, operation in (*_interactions(), *_operations(), *_of_types(types)):
        paths.setdefault(path, {})[method] = operation
    info = {"title": "FHIR R4", "version": "4.0.1"}
    return {"openapi": "3.0.2", "info": info, "servers": [{"url": base}], "paths": paths}


def _interactions() -> Iterator[tuple[str, str, Model]]:
    """Every interaction, of any type and resource."""
    for one in INTERACTIONS:
        yield f"/{one.path}", one.method.lower(), _operation(one.path, one.method)


def _operation(path: str, method: str) -> Model:
    told: Model = {"parameters": [*_places(path), *_headers(method), *map(_query, _RESULTS)], "responses": _responses()}
    body = _body(path, method)
    return {**told, "requestBody": body} if body else told


def _body(path: str, method: str) -> Model:
    if path.endswith("_search"):
        return _content({FORM: {"type": "object", "additionalProperties": _TEXT}})
    if method == "PATCH":
        operation = {"type": "object", "properties": {
            "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]}, "path": _TEXT, "from": _TEXT,
            "value": {}}, "required": ["op", "path"]}  # fmt: skip
        return _content({one: {"type": "array", "items": operation} if "json-patch" in one else _basic()
                         for one in PATCHES if "xml" not in one})  # fmt: skip
    if method == "POST" and not path:
        urls = ["Basic", "Basic/a", "Patient?name=x", "metadata"]
        request = {"type": "object", "properties": {"method": {"enum": ["GET", "POST", "PUT", "DELETE", "PATCH"]},
                                                    "url": {"enum": urls}}}
        entry = {"type": "object", "properties": {"request": request, "resource": _basic(), "fullUrl": _TEXT}}
        return _content({JSON: {"type": "object", "properties": {
            "resourceType": {"enum": ["Bundle"]}, "type": {"enum": ["batch", "transaction"]},
            "entry": {"type": "array", "items": entry, "maxItems": 4}}, "required": ["resourceType", "type"]}})
    return _content({JSON: _basic()}) if method in ("POST", "PUT") else {}


def _operations() -> Iterator[tuple[str, str, Model]]:
    """Every operation, wherever it may be asked, with the parameters that its module declares."""
    for one in OPERATIONS:
        types = one.types or ("{type}",)
        places = [""] * one.system + [f"{each}/" for each in types if one.type]
        places += [f"{each}/{{id}}/" for each in types if one.instance]
        for place in places:
            path = f"/{place}${one.name}"
            given = list(_given(one))
            yield path, "get", {"parameters": [*_places(path), *map(_query, (each.name for each in given))],
                                "responses": _responses()}  # fmt: skip
            yield path, "post", {"parameters": _places(path), "responses": _responses(),
                                 "requestBody": _content({JSON: _parameters(given)})}  # fmt: skip


def _given(one: Operation) -> Iterator[In]:
    declared = vars(sys.modules[one.handler.__module__]).values()
    for table in declared:
        if isinstance(table, tuple) and table and all(isinstance(each, In) for each in table):
            yield from table


def _parameters(given: Iterable[In]) -> Model:
    rows = [
        {"type": "object", "properties": {"name": {"enum": [one.name]}, key: value}, "required": ["name", key]}
        for one in given for key, value in (_valued(one.kind),)
    ]  # fmt: skip
    items: Model = {"anyOf": rows} if rows else {"type": "object", "properties": {"name": _TEXT}}
    return {"type": "object", "properties": {"resourceType": {"enum": ["Parameters"]},
                                             "parameter": {"type": "array", "items": items, "maxItems": 5}},
            "required": ["resourceType"]}  # fmt: skip


def _valued(kind: str) -> tuple[str, Model]:
    if kind == "Resource":
        return "resource", _basic()
    return f"value{kind[0].upper()}{kind[1:]}", _schema(kind, 1)


def _of_types(types: Sequence[str]) -> Iterator[tuple[str, str, Model]]:
    """Search, create and update of each type."""
    for kind in types:
        names = [*sorted(parameters()[kind]), *_RESULTS]
        body = _content({JSON: resource(kind)})
        yield f"/{kind}", "get", {"parameters": [*map(_query, names)], "responses": _responses()}
        yield f"/{kind}", "post", {"parameters": _headers("POST"), "requestBody": body, "responses": _responses()}
        yield f"/{kind}/{{id}}", "put", {"parameters": [*_places("{id}"), *_headers("PUT")], "requestBody": body,
                                         "responses": _responses()}  # fmt: skip


def resource(kind: str) -> Model:
    """A resource as JSON Schema, as deep as requests at random go."""
    told = _object(structures()[kind], 0)
    return {**told, "properties": {"resourceType": {"enum": [kind]}, **told["properties"]},
            "required": ["resourceType", *told.get("required", ())]}  # fmt: skip


def _object(structure: Structure, depth: int) -> Model:
    properties: Model = {}
    for name, (element, kind) in structure.keys.items():
        if name in ("contained", "extension", "modifierExtension", "text", "implicitRules", "language"):
            continue
        schema = _schema(kind, depth + 1)
        several = {"type": "array", "items": schema, "minItems": 1, "maxItems": 2}
        properties[name] = several if element.repeats else schema
    needed = [name for name, (element, _) in structure.keys.items() if element.min and not element.choice]
    needed = [name for name in needed if name in properties]
    return {"type": "object", "properties": properties, **({"required": needed} if needed else {})}


def _schema(kind: str, depth: int) -> Model:
    structure = structures().get(kind)
    if structure is None or structure.primitive:
        return _PRIMITIVES.get(kind, _TEXT)
    if structure.kind == "resource" or structure.abstract:
        return _basic()
    if depth >= _DEEPEST:
        names = [name for name, (_, each) in structure.keys.items() if each in ("string", "code", "uri", "boolean")]
        return {"type": "object", "properties": dict.fromkeys(names, _TEXT)}
    return _object(structure, depth)


def _basic() -> Model:
    """A resource that may stand anywhere."""
    return {"type": "object", "properties": {"resourceType": {"enum": ["Basic", "Patient", "Parameters", "Nothing"]},
                                             "id": _PRIMITIVES["id"], "code": {"type": "object"}}}  # fmt: skip


def _places(path: str) -> list[Model]:
    kinds: Mapping[str, Model] = {
        "type": {"enum": list(kept_types())}, "compartment": {"enum": [*kept_types(), "*"]}, "id": _PRIMITIVES["id"],
        "version": {"type": "integer"},
    }  # fmt: skip
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name, schema in kinds.items()
            if f"{{{name}}}" in path]  # fmt: skip


def _headers(method: str) -> list[Model]:
    names = {"GET": ("If-None-Match", "If-Modified-Since", "Prefer"), "POST": ("If-None-Exist", "Prefer"),
             "PUT": ("If-Match", "Prefer"), "PATCH": ("If-Match",), "DELETE": ("If-Match",)}  # fmt: skip
    return [{"name": name, "in": "header", "schema": _TEXT} for name in names.get(method, ())]


def _query(name: str) -> Model:
    return {"name": name, "in": "query", "schema": _TEXT}


def _content(schemas: Mapping[str, Model]) -> Model:
    return {"content": {kind: {"schema": schema} for kind, schema in schemas.items()}}


def _responses() -> Model:
    return {"default": dict(_ANY)}
