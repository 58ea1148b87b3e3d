"""The JSON of records, in which a number keeps its digits: 1.10 of an AuditEvent that was fed (FHIR R4 json.html)."""

import json
from decimal import Decimal
from typing import Any

import orjson

_LONGEST_INTEGER = 18                    # digits that 64 bits hold whatever they are; longer ones are kept as decimals


def read(payload: bytes | str) -> Any:
    """What a record says. Only a resource has numbers that are no small integers. Raises ValueError."""
    if isinstance(payload, bytes):
        return _DECODER.decode(payload.decode()) if b'"resource":' in payload else orjson.loads(payload)
    return _DECODER.decode(payload) if '"resource":' in payload else orjson.loads(payload)


def as_written(value: object) -> orjson.Fragment:
    """A number that was read so, for `orjson.dumps`. Raises TypeError for anything else."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _LONGEST_INTEGER else Decimal(text)


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_int=_integer)
