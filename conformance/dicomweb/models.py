"""Comparing DICOM JSON Model objects with what was stored, as pydicom tells it (PS3.18 F.2)."""

import base64
import binascii
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from pydicom.dataset import Dataset

from conformance.dicomweb.server import Model
from conformance.judging import Failed

NUMBERS = {"DS", "IS", "SL", "SS", "SV", "UL", "US", "UV"}
FLOATS = {"FL", "FD"}
BINARY = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
# whose value may be given as a Bulkdata URI (PS3.18 10.4.1.1.2)
MAY_BE_BULK = BINARY | {"DS", "FL", "FD", "IS", "LT", "SL", "SS", "ST", "SV", "UC", "UL", "US", "UT", "UV"}
CHARACTER_SET, PIXEL_DATA = "00080005", "7FE00010"
TAG = re.compile(r"[0-9A-F]{8}")


def expected(dataset: Dataset) -> Model:
    """The JSON Model of a stored data set with every value in place."""
    return dataset.to_json_dict(bulk_data_threshold=1 << 40)


def value(model: Model, tag: str) -> Any:
    """The first value of an attribute; None where it has none."""
    values = model.get(tag, {}).get("Value")
    return values[0] if isinstance(values, list) and values else None


def by_uid(models: list[Model]) -> dict[str, Model]:
    """Models by SOP Instance UID. Raises Failed if one has none, or two the same."""
    found = {str(value(model, "00080018")): model for model in models}
    if "None" in found or len(found) != len(models):
        raise Failed("expected a SOP Instance UID of its own in every object, got none or the same twice")
    return found


def differences(sent: Model, got: Model, *, where: str = "", skip_private: bool = False) -> Iterator[str]:
    """What of a stored data set is missing or otherwise in an answer. What the answer has beside it is no matter."""
    for tag, attribute in sent.items():
        here = f"{where}{tag}"
        if tag == CHARACTER_SET or (skip_private and int(tag[:4], 16) % 2) or (tag == PIXEL_DATA and tag not in got):
            continue
        if tag not in got:
            yield f"{here} is missing"
        elif got[tag].get("vr") != attribute["vr"]:
            yield f"{here} has vr {got[tag].get('vr')!r} instead of {attribute['vr']!r}"
        else:
            yield from _values(attribute, got[tag], here, skip_private)


def _values(sent: Mapping[str, Any], got: Mapping[str, Any], here: str, skip_private: bool) -> Iterator[str]:
    if "BulkDataURI" in got:
        if sent["vr"] not in MAY_BE_BULK:
            yield f"{here} of vr {sent['vr']} is given as BulkDataURI"
        return
    if sent["vr"] in BINARY:
        if octets(got, here).rstrip(b"\0") != octets(sent, here).rstrip(b"\0"):
            yield f"{here} holds other octets"
        return
    before, after = sent.get("Value", []), got.get("Value", [])
    if len(before) != len(after):
        yield f"{here} has {len(after)} values instead of {len(before)}"
        return
    for number, (one, other) in enumerate(zip(before, after, strict=True), 1):
        if sent["vr"] == "SQ":
            yield from differences(one, other, where=f"{here}[{number}].", skip_private=skip_private)
        elif not _equal(sent["vr"], one, other):
            yield f"{here} is {other!r} instead of {one!r}"


def octets(attribute: Mapping[str, Any], here: str) -> bytes:
    """An InlineBinary (PS3.18 F.2.7)."""
    try:
        return base64.b64decode(attribute.get("InlineBinary", ""), validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Failed(f"expected base64 in InlineBinary of {here}, got something else") from None


def _equal(vr: str, one: Any, other: Any) -> bool:
    if one in (None, "") and other in (None, ""):
        return True
    if vr == "PN":
        return isinstance(other, dict) and _groups(one) == _groups(other)
    if vr in NUMBERS:
        return _decimal(one) is not None and _decimal(one) == _decimal(other)
    if vr in FLOATS:
        return isinstance(other, (int, float)) and math.isclose(one, other, rel_tol=1e-6)
    return isinstance(other, str) and _text(one) == _text(other)


def _text(value: Any) -> str:
    """Without padding, and with one kind of line end: XML parsers know no other (XML 1.0 2.11)."""
    return str(value).strip().replace("\r\n", "\n")


def _decimal(number: Any) -> Decimal | None:
    if isinstance(number, bool):
        return None
    try:
        return Decimal(str(number).strip())
    except InvalidOperation:
        return None


def _groups(name: Mapping[str, str]) -> dict[str, str]:
    return {group: text.rstrip("^ ") for group, text in name.items() if text.rstrip("^ ")}


def rule_breaks(model: Model, where: str = "") -> Iterator[str]:
    """What in a JSON Model object breaks the rules of its structure (PS3.18 F.2.2, F.2.5)."""
    if list(model) != sorted(model):
        yield f"{where or 'the object'}: attributes are not in ascending order"
    for tag, attribute in model.items():
        if not TAG.fullmatch(tag):
            yield f"{where}{tag}: a name that is not eight upper-case hexadecimal digits"
        elif tag.endswith("0000"):
            yield f"{where}{tag}: a group length"
        elif tag.startswith("0002"):
            yield f"{where}{tag}: file meta information"
        elif len(attribute.keys() & {"Value", "BulkDataURI", "InlineBinary"}) > 1 or "vr" not in attribute:
            yield f"{where}{tag}: members {sorted(attribute)}"
        elif attribute["vr"] == "SQ":
            for number, item in enumerate(attribute.get("Value", []), 1):
                yield from rule_breaks(item, f"{where}{tag}[{number}].")
