"""Numbers and UIDs for orders that come without, made from what the order has: the same order gets the same again."""

import base64
import hashlib
from dataclasses import dataclass

_MOST = 16                               # characters of VR SH (PS3.5 6.2)


@dataclass(frozen=True, slots=True)
class Assigned:
    """What is assigned where a message says nothing."""

    requested_procedure_id: str
    accession_number: str
    study_instance_uid: str


def order_key(placer: str, filler: str) -> str:
    """The number by which an order came first: its filler's, which is the department's own, else its placer's."""
    return filler or placer


def assigned(organisation: str, placer: str, filler: str, requested_procedure_id: str) -> Assigned:
    """For an order of an organisation (its code); numbers as "id^namespace".

    The accession number is the number of the order, cut down to a digest where it does not fit into a value of VR SH;
    so is the Requested Procedure ID. The Study Instance UID stands under 2.25 (PS3.5 B.2), one for each procedure.
    """
    key = order_key(placer, filler)
    number = fitted(key.partition("^")[0], organisation, key)
    procedure = requested_procedure_id or number
    digest = _digest(organisation, key, procedure)
    return Assigned(procedure, number, f"2.25.{int.from_bytes(digest[:16], 'big')}")


def step_id(requested_procedure_id: str, number: int) -> str:
    """The id of the n-th step of a procedure."""
    return fitted(f"{requested_procedure_id}-{number}", requested_procedure_id, str(number))


def fitted(text: str, *of: str) -> str:
    """The text where it can stand in a value of VR SH, else a digest of what it is for."""
    if 0 < len(text) <= _MOST and "\\" not in text and text.isprintable():
        return text
    return "X" + base64.b32encode(_digest(text, *of)).decode()[: _MOST - 1]


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).digest()
