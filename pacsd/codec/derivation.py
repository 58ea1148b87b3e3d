"""What an image says of itself once something was lost (PS3.3 C.7.6.1.1.3, C.7.6.1.1.5)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

Attribute = Mapping[str, Any]

_NAMESPACE = UUID("1d0d0b0e-6a0d-5d39-9d5f-0f0c0a8f7a11")
LOSSY, RATIO, METHOD = 0x00282110, 0x00282112, 0x00282114
_CODE_VALUE, _SCHEME, _MEANING = "00080100", "00080102", "00080104"


def derived_uid(sop_instance_uid: str, transfer_syntax_uid: str, how: str = "") -> str:
    """The SOP Instance UID of the lossy version: always the same for the same original coded the same way."""
    return f"2.25.{uuid5(_NAMESPACE, f'{sop_instance_uid} {transfer_syntax_uid} {how}').int}"


def once_lossy() -> dict[int, Attribute]:
    """What pixels that once lost something are marked with, however they are coded now (PS3.3 C.7.6.1.1.5)."""
    return {LOSSY: {"vr": "CS", "Value": ["01"]}}


def derived(
    *,
    new_uid: str,
    sop_class_uid: str,
    sop_instance_uid: str,
    image_type: Sequence[str],
    ratios: Sequence[str],
    methods: Sequence[str],
    ratio: float,
    method: str,
) -> dict[int, Attribute]:
    """The attributes of an image that was coded with loss: marked, derived, of its own UID, naming its source."""
    kinds = ["DERIVED", *image_type[1:]] if image_type else ["DERIVED", "PRIMARY"]
    source = {
        "00081150": {"vr": "UI", "Value": [sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [sop_instance_uid]},
        "0040A170": {"vr": "SQ", "Value": [_code("121320", "Uncompressed predecessor")]},
    }
    return once_lossy() | {
        0x00080008: {"vr": "CS", "Value": kinds},
        0x00080018: {"vr": "UI", "Value": [new_uid]},
        0x00082111: {"vr": "ST", "Value": [f"Lossy compression, about {ratio:.1f}:1"]},
        0x00082112: {"vr": "SQ", "Value": [source]},
        0x00089215: {"vr": "SQ", "Value": [_code("113040", "Lossy Compression")]},
        RATIO: {"vr": "DS", "Value": [*ratios, f"{ratio:.2f}"]},
        METHOD: {"vr": "CS", "Value": [*methods, method]},
    }


def _code(value: str, meaning: str) -> dict[str, Attribute]:
    return {
        _CODE_VALUE: {"vr": "SH", "Value": [value]},
        _SCHEME: {"vr": "SH", "Value": ["DCM"]},
        _MEANING: {"vr": "LO", "Value": [meaning]},
    }
