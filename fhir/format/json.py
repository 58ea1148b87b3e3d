"""Resources as JSON (http://hl7.org/fhir/R4/json.html): dictionaries in their order, decimals as they were written."""

import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from typing import Any

import orjson

from pacsd.faults import Fault, PacsdError

MAX_DEPTH = 64                           # nested objects and arrays; no R4 example comes near
_STEPS = bytes(1 if mark in b"[{" else 255 for mark in range(256))     # as signed bytes: one level in, one level out
_NO_BRACKETS = bytes(mark for mark in range(256) if mark not in b"[]{}")
_LONGEST_INTEGER = 18                    # digits that 64 bits hold whatever they are; longer ones are kept as decimals


def read(body: bytes) -> dict[str, Any]:
    """The resource of a body. Decimals keep their precision: 1.10 is read as Decimal('1.10').

    Raises PacsdError (MALFORMED) for what is no JSON object in UTF-8, nests deeper than MAX_DEPTH, repeats a key or
    tells characters that are none (half a surrogate pair).
    """
    if _depth(body) > MAX_DEPTH:
        raise PacsdError(Fault.MALFORMED, f"JSON nested deeper than {MAX_DEPTH} levels")
    try:
        text = body.removeprefix(BOM_UTF8).decode()
        told = _DECODER.decode(text)
        if "\\u" in text:
            orjson.dumps(told, default=str)
    except (ValueError, InvalidOperation, RecursionError, TypeError) as error:
        raise PacsdError(Fault.MALFORMED, f"not JSON: {error}") from error
    if not isinstance(told, dict):
        raise PacsdError(Fault.MALFORMED, "a resource is a JSON object")
    return told


def write(resource: object, *, pretty: bool = False) -> bytes:
    """A resource as JSON, decimals as they were read."""
    return orjson.dumps(resource, default=_as_written, option=orjson.OPT_INDENT_2 if pretty else None)


def _depth(body: bytes) -> int:
    """How deep brackets nest, those within strings left out: between quotes, once escaped ones are taken away."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(body.split(b'"')[::2]).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0)


def _as_written(value: object) -> orjson.Fragment:
    if not isinstance(value, Decimal):
        raise TypeError(f"a {type(value).__name__} is nothing that JSON can tell")
    return orjson.Fragment(str(value))


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) != len(pairs):
        name = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"the key {name[:64]!r} stands there twice")
    return told


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _LONGEST_INTEGER else Decimal(text)


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


_DECODER = json.JSONDecoder(
    parse_float=Decimal, parse_int=_integer, parse_constant=_refused, object_pairs_hook=_object)
