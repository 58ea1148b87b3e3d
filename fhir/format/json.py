"""Resources as JSON (http://hl7.org/fhir/R4/json.html): dictionaries in their order, decimals as they were written."""

import json
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from pacsd.faults import Fault, PacsdError

MAX_DEPTH = 64                           # nested objects and arrays; no R4 example comes near
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]')


def read(body: bytes) -> dict[str, Any]:
    """The resource of a body. Decimals keep their precision: 1.10 is read as Decimal('1.10').

    Raises PacsdError (MALFORMED) for what is no JSON object in UTF-8, nests deeper than MAX_DEPTH or repeats a key.
    """
    depth = deepest = 0
    for found in _BRACKETS.finditer(body):
        mark = found[0]
        if mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if depth > MAX_DEPTH:
                raise PacsdError(Fault.MALFORMED, f"JSON nested deeper than {MAX_DEPTH} levels")
        elif mark in b"]}":
            depth -= 1
    try:
        told = json.loads(body, parse_float=Decimal, parse_constant=_refused, object_pairs_hook=_object)
    except (ValueError, InvalidOperation, RecursionError) as error:
        raise PacsdError(Fault.MALFORMED, f"not JSON: {error}") from error
    if not isinstance(told, dict):
        raise PacsdError(Fault.MALFORMED, "a resource is a JSON object")
    return told


def write(resource: object, *, pretty: bool = False) -> bytes:
    """A resource as JSON, decimals as they were read."""
    return orjson.dumps(resource, default=_as_written, option=orjson.OPT_INDENT_2 if pretty else None)


def _as_written(value: object) -> orjson.Fragment:
    if not isinstance(value, Decimal):
        raise TypeError(f"a {type(value).__name__} is nothing that JSON can tell")
    return orjson.Fragment(str(value))


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return told


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")
