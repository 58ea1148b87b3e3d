"""How elements, sequences and items are laid out in bytes (PS3.5 section 7): what every reader here shares.

Everything is iterative and bounded: nesting costs a list entry, never a stack frame, and a sequence of
defined length is stepped over without looking inside.
"""

import struct
from array import array
from functools import lru_cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR

from pacsd.codec.keys import KEY_BY_TAG
from pacsd.faults import Fault, PacsdError

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_DELIMITATION = 0xFFFEE00D
SEQUENCE_DELIMITATION = 0xFFFEE0DD
MAX_DEPTH = 64
MAX_ELEMENTS = 100_000                   # of a data set's top level, where each is noted

# PS3.5 Table 7.1-1 (two reserved bytes and a 32-bit length) and Table 7.1-2 (16-bit length).
LONG_VRS: dict[bytes, str] = {
    vr.encode(): vr
    for vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
}
SHORT_VRS: dict[bytes, str] = {
    vr.encode(): vr
    for vr in (
        *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO"),
        *("LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"),
    )
}
VRS: dict[bytes, str] = LONG_VRS | SHORT_VRS
WORD_BYTES = {                           # of what changes places between byte orders (PS3.5 7.3)
    "AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4,
    "FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8,
}  # fmt: skip
_CODES = {2: "H", 4: "I", 8: "Q"}

EXPLICIT = {False: struct.Struct("<HH2sH").unpack_from, True: struct.Struct(">HH2sH").unpack_from}
IMPLICIT = {False: struct.Struct("<HHI").unpack_from, True: struct.Struct(">HHI").unpack_from}
LENGTH32 = {False: struct.Struct("<I").unpack_from, True: struct.Struct(">I").unpack_from}

Bytes = bytes | bytearray | memoryview


class MalformedDataset(PacsdError):
    """The bytes do not form a data set."""

    def __init__(self, message: str) -> None:
        super().__init__(Fault.MALFORMED, message)


class NeedMoreData(PacsdError):
    """The data is only a prefix and the reader ran off its end; `wanted_bytes` would carry it further."""

    def __init__(self, wanted_bytes: int) -> None:
        super().__init__(Fault.MALFORMED, "the data set ends inside an element")
        self.wanted_bytes = wanted_bytes


class ElementHead(NamedTuple):
    """One element's header: `length` may be UNDEFINED; `value_at` is an offset in the same buffer."""

    tag: int
    vr: str
    length: int
    value_at: int


def show(tag: int) -> str:
    """A tag as the standard prints it: (gggg,eeee)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


@lru_cache(maxsize=8192)
def vr_of(tag: int) -> str:
    """The VR of a tag in implicit VR (PS3.6), UN where it is not known (PS3.5 A.1).

    Of a choice, OW is taken as PS3.5 A.1 has it, else US; who knows Pixel Representation decides better.
    """
    if key := KEY_BY_TAG.get(tag):
        return key.vr
    element = tag & 0xFFFF
    if element == 0:
        return "UL"
    if tag & 0x10000:
        return "LO" if 0x10 <= element <= 0xFF else "UN"
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    return vr if len(vr) == 2 else "OW" if "OW" in vr else "US"


def odd_explicit_head(data: Bytes, at: int, end: int, *, big_endian: bool) -> ElementHead:
    """The head of an element whose two VR bytes are no VR that we know.

    Two capitals are a VR of another edition, else the element is taken as implicit, as some writers switch
    inside sequences. PS3.5 7.1.2 gives new VRs a 32-bit length after two zero bytes, older ones had 16 bits.
    """
    group, element, vr, length = EXPLICIT[big_endian](data, at)
    tag = group << 16 | element
    if not (vr.isalpha() and vr.isupper() and vr.isascii()):
        group, element, length = IMPLICIT[big_endian](data, at)
        return ElementHead(tag, vr_of(tag), length, at + 8)
    if length == 0 and at + 12 <= end:
        (wide,) = LENGTH32[big_endian](data, at + 8)
        if at + 12 + wide <= end:
            return ElementHead(tag, "UN", wide, at + 12)
    return ElementHead(tag, "UN", length, at + 8)


def element_head(data: Bytes, at: int, end: int, *, implicit: bool, big_endian: bool) -> ElementHead:
    """The element that begins at `at`. Raises NeedMoreData when its header does not fit before `end`."""
    if end - at < 8:
        raise NeedMoreData(at + 8)
    if implicit:
        group, element, length = IMPLICIT[big_endian](data, at)
        tag = group << 16 | element
        return ElementHead(tag, vr_of(tag), length, at + 8)
    group, element, raw_vr, length = EXPLICIT[big_endian](data, at)
    tag = group << 16 | element
    if group == 0xFFFE:
        return ElementHead(tag, "", LENGTH32[big_endian](data, at + 4)[0], at + 8)
    if vr := SHORT_VRS.get(raw_vr):
        return ElementHead(tag, vr, length, at + 8)
    if vr := LONG_VRS.get(raw_vr):
        if end - at < 12:
            raise NeedMoreData(at + 12)
        return ElementHead(tag, vr, LENGTH32[big_endian](data, at + 8)[0], at + 12)
    return odd_explicit_head(data, at, end, big_endian=big_endian)


def items_are_big_endian(data: Bytes, at: int, *, big_endian: bool) -> bool:
    """Whether the item at `at` is big endian: UN in big endian data holds little endian (PS3.5 6.2.2)."""
    return big_endian and bytes(data[at : at + 2]) != b"\xfe\xff"


def skip_undefined(
    data: Bytes, at: int, end: int, *, implicit: bool, big_endian: bool, max_depth: int = MAX_DEPTH
) -> int:
    """The offset behind the Sequence Delimitation Item of the undefined-length value that begins at `at`.

    Works for sequences and for encapsulated fragments (PS3.5 7.5, A.4). In explicit VR each element says by
    its own bytes whether it is implicit, so undefined-length UN (PS3.5 6.2.2 note 2) needs no special case.
    Raises NeedMoreData when it does not end before `end`, MalformedDataset when an item is missing or the
    nesting is deeper than `max_depth`.
    """
    outer: list[bool] = []
    big = items_are_big_endian(data, at, big_endian=big_endian)
    in_item = False
    while True:
        if end - at < 8:
            raise NeedMoreData(at + 8)
        if in_item:
            head = element_head(data, at, end, implicit=implicit, big_endian=big)
            tag, length, at = head.tag, head.length, head.value_at
            if tag == ITEM_DELIMITATION:
                in_item = False
            elif length == UNDEFINED:
                if len(outer) >= max_depth - 1:
                    raise PacsdError(Fault.TOO_MUCH, f"sequences nested deeper than {max_depth}")
                outer.append(big)
                big, in_item = items_are_big_endian(data, at, big_endian=big), False
            else:
                at += length
            continue
        group, element, length = IMPLICIT[big](data, at)
        tag = group << 16 | element
        at += 8
        if tag == ITEM:
            if length == UNDEFINED:
                in_item = True
            else:
                at += length
        elif tag == SEQUENCE_DELIMITATION:
            if not outer:
                return at
            big, in_item = outer.pop(), True
        else:
            raise MalformedDataset(f"{show(tag)} stands where an item should")


def swapped(raw: Bytes, word_bytes: int) -> bytes:
    """Words in the other byte order; what is left of an incomplete last one stays as it is."""
    if word_bytes == 1:
        return bytes(raw)
    whole = len(raw) // word_bytes * word_bytes
    words = array(_CODES[word_bytes], bytes(raw[:whole]))
    words.byteswap()
    return words.tobytes() + bytes(raw[whole:])


def looks_implicit(data: Bytes, *, implicit: bool) -> bool:
    """Whether a data set is implicit VR by its first element, whatever its transfer syntax declares.

    An implicit length that spells two capitals would be a first element of more than 16 KiB.
    """
    if len(data) < 8:
        return implicit
    return not (0x40 < data[4] < 0x5B and 0x40 < data[5] < 0x5B)
