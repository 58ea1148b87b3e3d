"""The strict validator: a message against the structures of its version, by hl7apy.

It takes some 15 ms a message, so it is asked only where a sender's mapping says so, and for what we build ourselves.
hl7apy stops at the first thing it finds and tells it in words, so the place given is no finer than its message.
"""

import re

from hl7.conditions import Condition, Hl7Error, Location
from hl7.message import Message

_PLACE = re.compile(r"\b([A-Z][A-Z0-9]{2})_(\d+)\b")
_SEGMENT = re.compile(r"\b([A-Z][A-Z0-9]{2})\b")


def validate(message: Message) -> None:
    """Raises Hl7Error for what the standard's structures, cardinalities, data types and lengths do not allow."""
    from hl7apy import exceptions
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.parser import parse_message

    text = "\r".join(one.text for one in message.segments if one.text.strip()) + "\r"
    try:
        parse_message(text, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True).validate()
    except exceptions.HL7apyException as error:
        raise _problem(str(error)) from error
    except (KeyError, ValueError, IndexError, AttributeError, RecursionError) as error:   # hl7apy's own, on odd text
        raise Hl7Error(Condition.DATA_TYPE, None, "not a message of its version's structure") from error


def _problem(said: str) -> Hl7Error:
    """hl7apy's words as a condition of table 0357; they may quote the value, so none of them is passed on."""
    place = _PLACE.search(said)
    where = Location(place[1], 1, int(place[2])) if place else None
    if "Missing required child" in said:
        condition = Condition.REQUIRED_FIELD if place else Condition.SEGMENT_SEQUENCE
        missing = _SEGMENT.search(said.rpartition(".")[2])
        where = where or (Location(missing[1]) if missing else None)
        return Hl7Error(condition, where, "something that is required is missing")
    if "max" in said.lower() and "length" in said.lower():
        return Hl7Error(Condition.VALUE_TOO_LONG, where, "longer than its version allows")
    return Hl7Error(Condition.DATA_TYPE if place else Condition.SEGMENT_SEQUENCE, where, "not allowed by its version")
