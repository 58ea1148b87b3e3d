"""Real resources are found by each of their search parameters.

What they are to be found by is computed by fhirpathpy from the official expressions, never by our extractor.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fhirpathpy import evaluate
from fhirpathpy.models import models

from fhir.definitions.search_parameters import Parameter, parameters
from fhir.path.errata import COMPONENTS
from fhir.search.conditions import Reader
from fhir.search.extract import extract
from fhir.search.request import read
from fhir.store.search import Searches
from pacsd.access.scope import Scope
from pacsd.index.connect import pool
from tests.fhir.search.naive import Resource
from tests.fhir.store.kept import organisations, put

READER = Reader("http://here/fhir", UTC, datetime(2026, 6, 1, tzinfo=UTC))
_RESOLVED = re.compile(r"\.where\(resolve\(\) is (\w+)\)")


def resources(folder: Path) -> Iterator[dict[str, Any]]:
    """Every resource in JSON, those inside bundles by themselves too."""
    for path in sorted((folder / "fhir_r4").rglob("*.json")):
        told = json.loads(path.read_bytes(), parse_float=Decimal)
        if told.get("resourceType") in parameters():
            yield told
        if told.get("resourceType") == "Bundle":
            yield from (one["resource"] for one in told.get("entry", ()) if "resource" in one)


def values(resource: dict[str, Any], expression: str, parameter: Parameter) -> list[Any]:
    """What an expression finds; of references that it resolves, those to the type it wants."""
    wanted = _RESOLVED.search(expression)
    found = evaluate(resource, _RESOLVED.sub("", expression), {}, models["r4"])
    if wanted:
        found = [one for one in found if isinstance(one, dict)
                 and f"{wanted[1]}/" in str(one.get("reference", ""))]  # fmt: skip
    return [one for one in found if one not in ("", None)]


def escaped(text: object) -> str:
    return re.sub(r"([\\,|$])", r"\\\1", str(text))


def token(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool):
        yield "", str(value).lower()
    elif not isinstance(value, dict):
        yield "", escaped(value)
    for coding in value.get("coding", [value] if "code" in value else []) if isinstance(value, dict) else ():
        if "code" in coding:
            yield "", f"{escaped(coding['system'])}|{escaped(coding['code'])}" if "system" in coding \
                else escaped(coding["code"])
        if "display" in coding:
            yield ":text", escaped(coding["display"][:20])
    if isinstance(value, dict) and "value" in value:
        is_contact = value.get("system") in ("phone", "fax", "email", "pager", "url", "sms", "other")
        yield "", escaped(value["value"]) if is_contact or "system" not in value \
            else f"{escaped(value['system'])}|{escaped(value['value'])}"


def string(value: Any) -> Iterator[tuple[str, str]]:
    names = ("text", "family", "given", "city", "state", "postalCode", "country", "district", "line", "prefix")
    told = [value[name] for name in names if name in value] if isinstance(value, dict) else [value]
    for one in told:
        for text in one if isinstance(one, list) else [one]:
            yield "", escaped(str(text)[:30])
            yield ":contains", escaped(str(text)[1:12].strip()) or escaped(text)
            yield ":exact", escaped(text)


def date(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield from (("", f"{prefix}{value}") for prefix in ("", "ge", "le", "ap"))
    elif isinstance(value, dict) and ("start" in value or "end" in value):
        yield "", f"ge{value['start']}" if "start" in value else f"le{value['end']}"


def quantity(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and "value" in value and "comparator" not in value:
        unit = f"|{escaped(value['system'])}|{escaped(value['code'])}" if {"system", "code"} <= value.keys() else ""
        yield from (("", f"{prefix}{value['value']}{unit}") for prefix in ("", "ge", "le", "ap"))


def number(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, (int, Decimal)):
        yield from (("", f"{prefix}{value}") for prefix in ("", "ge", "le"))


def reference(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield "", escaped(value.partition("|")[0])
    elif isinstance(value, dict):
        told = value.get("reference", "#")
        if not told.startswith("#"):
            yield "", escaped(told)
        if "value" in value.get("identifier", {}):
            yield from ((":identifier", text) for suffix, text in token(value["identifier"]) if not suffix)


def uri(value: Any) -> Iterator[tuple[str, str]]:
    yield "", escaped(value)
    yield ":below", escaped(value)


ASKED = {"token": token, "string": string, "date": date, "quantity": quantity, "number": number,
         "reference": reference, "uri": uri}  # fmt: skip


def searches(resource: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values of searches that must find a resource."""
    for code, parameter in parameters()[resource["resourceType"]].items():
        if not parameter.expression or code == "_lastUpdated":
            continue
        for value in values(resource, parameter.expression, parameter):
            if parameter.type == "composite":
                yield from composites(resource, parameter, value)
            elif parameter.type in ASKED:
                yield from ((code + suffix, text) for suffix, text in ASKED[parameter.type](value) if text.strip())


def composites(resource: dict[str, Any], parameter: Parameter, value: Any) -> Iterator[tuple[str, str]]:
    """The first value of each component, where each has one."""
    if not isinstance(value, dict):
        return
    parts = []
    expressions = COMPONENTS.get(parameter.url) or [one.expression for one in parameter.components]
    for component, expression in zip(parameter.components, expressions, strict=True):
        if expression.startswith("%"):
            return
        path = f"{parameter.resource}.{expression}" if value is resource else expression
        typed = re.sub(r"value\.ofType\((\w+)\)", lambda one: "value" + one[1][0].upper() + one[1][1:], path)
        found = [text for one in evaluate(value, path if value is resource else typed, {}, models["r4"])
                 for suffix, text in ASKED[component.type](one) if not suffix]  # fmt: skip
        if not found:
            return
        parts.append(found[0])
    yield parameter.code, "$".join(parts)


def test_every_example_is_found_by_each_of_its_search_parameters(database: str, data_folder: Path) -> None:
    told = list(resources(data_folder))
    assert len(told) > 100
    with pool(database, min_size=1, max_size=2) as made:
        organisations(made, (1,))
        put(made, [Resource(pk, one["resourceType"], f"n{pk}", 1, tuple(extract(one)))
                   for pk, one in enumerate(told, 1)])  # fmt: skip
        asked, missed = 0, []
        for pk, one in enumerate(told, 1):
            for name, value in dict.fromkeys(searches(one | {"id": f"n{pk}"})):
                query = read(READER, [one["resourceType"]], [(name, value), ("_count", "1000")], strict=True).query
                asked += 1
                if pk not in [hit.pk for hit in Searches().page(made, Scope((1,), 1), query).hits]:
                    missed.append(f"{one['resourceType']} {one.get('id')}: {name}={value}")
    assert not missed, "\n".join(missed)
    assert asked > 2_000
