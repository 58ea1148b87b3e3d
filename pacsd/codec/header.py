"""The header scanner of the receive path: raw values of the indexed attributes, nothing else.

Receiving waits for this code, so it trades shape for speed: one loop per encoding, no object for an element
that nobody wants. `pacsd.codec.structure` holds the general reader.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from xxhash import xxh3_128_digest

from pacsd.codec.keys import INDEXED_TAGS, KEYS, SPECIFIC_CHARACTER_SET
from pacsd.codec.structure import (
    EXPLICIT,
    IMPLICIT,
    LENGTH32,
    LONG_VRS,
    MAX_DEPTH,
    SHORT_VRS,
    UNDEFINED,
    Bytes,
    MalformedDataset,
    NeedMoreData,
    element_head,
    looks_implicit,
    odd_explicit_head,
    skip_undefined,
    vr_of,
)
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.faults import Fault, PacsdError

__all__ = ["ABOVE_INSTANCE", "Element", "Header", "MalformedDataset", "NeedMoreData", "fingerprint", "inflate_front",
           "reached", "scan"]

MAX_HEADER_BYTES = 64 * 1024 * 1024
_INFLATE_STEP = 256 * 1024

# Above these groups nothing but Content Label stands; a document or model of many megabytes there
# (Encapsulated Document (0042,0011)) ends the scan rather than being waited for.
_LATE_GROUP = 0x0042
_LATE_VALUE_BYTES = 1024 * 1024
_PIXEL_GROUP = 0x7FE0
_PIXEL_DATA = 0x7FE00010
_UIDS = frozenset((0x00080018, 0x0020000D, 0x0020000E))
_IN_FINGERPRINT = tuple(                 # and what stands for them there
    (tag, b"%08x" % tag)
    for tag in (SPECIFIC_CHARACTER_SET, *sorted(key.tag for key in KEYS if key.level != "instance"))
)
ABOVE_INSTANCE = frozenset(tag for tag, _ in _IN_FINGERPRINT)


class Element(NamedTuple):
    """A raw element. A sequence's `value` is its items as they stand, with the delimitation item if any."""

    tag: int
    vr: str
    value: bytes


@dataclass(slots=True)
class Header:
    """The wanted top-level elements of a data set; of a repeated tag the last one counts.

    `implicit` and `big_endian` say how the bytes really are written (nested values need it), `end_offset` how
    far the scan went, in bytes from the (inflated) data set's start, and `reaches` where the value that ended it ends,
    by its own length: a data set that ends before is not all there. 0 where that is not told. `fragments_at` is where
    the fragments of encapsulated Pixel Data begin, 0 where there are none or the scan did not come to them.
    """

    elements: dict[int, Element] = field(default_factory=dict)
    implicit: bool = False
    big_endian: bool = False
    end_offset: int = 0
    reaches: int = 0
    fragments_at: int = 0

    @property
    def character_set(self) -> tuple[str, ...]:
        """The values of Specific Character Set (0008,0005) as declared, empty when it is absent or empty."""
        element = self.elements.get(SPECIFIC_CHARACTER_SET)
        if element is None:
            return ()
        text = element.value.decode("ascii", "replace").rstrip(" \0")
        return tuple(part.strip() for part in text.split("\\")) if text else ()

    def text(self, tag: int) -> str:
        """A value of the default repertoire (UI, CS, DA …) without padding; empty when absent."""
        element = self.elements.get(tag)
        return "" if element is None else element.value.decode("ascii", "replace").strip(" \0")


def scan(
    data: Bytes,
    transfer_syntax_uid: str,
    *,
    tags: frozenset[int] = INDEXED_TAGS,
    complete: bool = True,
    to_pixels: bool = False,
    max_header_bytes: int = MAX_HEADER_BYTES,
    max_depth: int = MAX_DEPTH,
) -> Header:
    """The wanted elements of the data set that `data` begins (PS3.5 section 7), up to Pixel Data.

    The scan ends early behind the last wanted group once the three UIDs of a composite instance are seen;
    out-of-order elements are looked for only until then. With `to_pixels`, `reaches` tells how long the data set has
    to be, as far as the data shows it. With `complete=False` the data may be a prefix.
    Raises NeedMoreData when a prefix ends too early, MalformedDataset when the whole does, PacsdError
    TOO_MUCH when the wanted elements do not end within `max_header_bytes` or are nested too deeply.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    if syntax.deflated:
        return _scan_deflated(data, tags, complete, max_header_bytes, max_depth)
    view: Bytes = data if isinstance(data, bytes) else memoryview(data)  # what is cut out of bytes is cut once
    header = _scan(view, syntax.implicit, syntax.big_endian, tags, complete, max_header_bytes, max_depth)
    if to_pixels and (header.reaches or syntax.encapsulated):
        header.reaches = reached(view, header)
    return header


def reached(view: Bytes, header: Header) -> int:
    """Where the last value ends to which one can leap by told lengths from where the scan stopped.

    Never into a sequence, never for want of data, and only while tags ascend: what trails behind may be anything.
    """
    at, before = header.end_offset, -1
    while at + 12 <= len(view):
        try:
            found = element_head(view, at, len(view), implicit=header.implicit, big_endian=header.big_endian)
        except (MalformedDataset, NeedMoreData):
            return at
        if found.length == UNDEFINED or found.tag <= before:
            if found.tag == _PIXEL_DATA and found.length == UNDEFINED and found.tag > before:
                header.fragments_at = found.value_at
            return at
        at, before = found.value_at + found.length, found.tag
    return at


def _scan(
    view: Bytes,
    implicit: bool,
    big_endian: bool,
    tags: frozenset[int],
    complete: bool,
    max_header_bytes: int,
    max_depth: int,
) -> Header:
    header = Header(implicit=looks_implicit(view, implicit=implicit), big_endian=big_endian)
    end = min(len(view), max_header_bytes)
    loop = _scan_implicit if header.implicit else _scan_explicit
    try:
        finished = loop(view, end, header, tags, max_depth)
    except NeedMoreData as short:
        if end < len(view) or (short.wanted_bytes > max_header_bytes and not complete):
            raise _too_much(max_header_bytes) from short
        if complete:
            raise MalformedDataset(short.message) from short
        raise
    if not finished and end < len(view):
        raise _too_much(max_header_bytes)
    if not finished and not complete:
        raise NeedMoreData(end + 8)
    return header


def _too_much(max_header_bytes: int) -> PacsdError:
    return PacsdError(Fault.TOO_MUCH, f"no end of the header within {max_header_bytes} bytes")


@lru_cache(maxsize=16)
def _last_group(tags: frozenset[int]) -> int:
    return min(max(tags, default=0) >> 16, _PIXEL_GROUP - 1)


def _scan_explicit(
    view: Bytes, end: int, header: Header, wanted: frozenset[int], max_depth: int
) -> bool:
    elements, big = header.elements, header.big_endian
    unpack, unpack32 = EXPLICIT[big], LENGTH32[big]
    short_vrs, long_vrs = SHORT_VRS, LONG_VRS
    last_group = _last_group(wanted)
    late_group = min(_LATE_GROUP, last_group + 1)
    uids = _UIDS & wanted
    at, last = 0, end - 8
    while at <= last:
        group, element, raw_vr, length = unpack(view, at)
        tag = group << 16 | element
        if raw_vr in short_vrs:
            value_at = at + 8
        elif raw_vr in long_vrs:
            if at + 12 > end:
                raise NeedMoreData(at + 12)
            length = unpack32(view, at + 8)[0]
            value_at = at + 12
        else:
            tag, _, length, value_at = odd_explicit_head(view, at, end, big_endian=big)
        if group >= late_group and _may_stop(group, length, last_group, uids, elements):
            header.end_offset, header.reaches = at, value_at + length if length != UNDEFINED else 0
            return True
        following = value_at + length
        if following > end:
            if length != UNDEFINED:
                raise NeedMoreData(following)
            following = skip_undefined(
                view, value_at, end, implicit=False, big_endian=big, max_depth=max_depth
            )
            if following > end:
                raise NeedMoreData(following)
        if tag in wanted:
            vr = short_vrs.get(raw_vr) or long_vrs.get(raw_vr, "UN")
            if vr == "UN":
                vr = vr_of(tag)
            elements[tag] = Element(tag, vr, bytes(view[value_at:following]))
        at = following
    header.end_offset = at
    return False


def _scan_implicit(
    view: Bytes, end: int, header: Header, wanted: frozenset[int], max_depth: int
) -> bool:
    elements, big = header.elements, header.big_endian
    unpack = IMPLICIT[big]
    last_group = _last_group(wanted)
    late_group = min(_LATE_GROUP, last_group + 1)
    uids = _UIDS & wanted
    at, last = 0, end - 8
    while at <= last:
        group, element, length = unpack(view, at)
        if group >= late_group and _may_stop(group, length, last_group, uids, elements):
            header.end_offset, header.reaches = at, at + 8 + length if length != UNDEFINED else 0
            return True
        tag = group << 16 | element
        following = at + 8 + length
        if following > end:
            if length != UNDEFINED:
                raise NeedMoreData(following)
            following = skip_undefined(view, at + 8, end, implicit=True, big_endian=big, max_depth=max_depth)
            if following > end:
                raise NeedMoreData(following)
        if tag in wanted:
            elements[tag] = Element(tag, vr_of(tag), bytes(view[at + 8 : following]))
        at = following
    header.end_offset = at
    return False


def _may_stop(
    group: int, length: int, last_group: int, uids: frozenset[int], elements: dict[int, Element]
) -> bool:
    """At Pixel Data; behind the last wanted group, or at a late and huge value, once the UIDs are seen."""
    if group >= _PIXEL_GROUP:
        return True
    return (group > last_group or _LATE_VALUE_BYTES < length < UNDEFINED) and uids <= elements.keys()


def _scan_deflated(
    data: Bytes, tags: frozenset[int], complete: bool, max_header_bytes: int, max_depth: int
) -> Header:
    size = _INFLATE_STEP
    while True:
        front, whole = inflate_front(data, size)
        try:
            view = memoryview(front)
            header = _scan(view, False, False, tags, whole and complete, max_header_bytes, max_depth)
            header.reaches = 0               # of the inflated bytes, which nobody counts
            return header
        except NeedMoreData as short:
            if len(front) < size:
                raise
            size = min(max(size * 4, short.wanted_bytes), max_header_bytes + 1)


def inflate_front(data: Bytes, max_bytes: int) -> tuple[bytes, bool]:
    """At most `max_bytes` of a deflated data set (PS3.5 A.5), and whether that is all of what `data` holds.

    A zlib header, which some writers add against the standard, is accepted. Raises MalformedDataset.
    """
    for wbits in (-zlib.MAX_WBITS, zlib.MAX_WBITS):
        inflater = zlib.decompressobj(wbits)
        try:
            front = inflater.decompress(data, max_bytes)
        except zlib.error:
            continue
        return front, len(front) < max_bytes
    raise MalformedDataset("the deflated data set cannot be inflated")


def fingerprint(header: Header) -> bytes:
    """xxh3_128 (16 bytes) over the raw patient-, study- and series-level values and the character set.

    Equal fingerprints under one series mean that an instance brings nothing new above its own level.
    """
    return Imprint(header, frozenset()).digest(header.elements)


class Imprint:
    """What fingerprints of headers with the same elements have in common, which differ only in the values of some."""

    def __init__(self, header: Header, varying: frozenset[int]) -> None:
        common = [b"\1" if header.implicit else b"\0"]
        self._varying: list[tuple[bytes, int]] = []          # what stands before the length of a value, and its tag
        for tag, name in _IN_FINGERPRINT:
            if not (element := header.elements.get(tag)):
                continue
            if tag in varying:
                self._varying.append((b"".join((*common, name)), tag))
                common = []
            else:
                common += (name, b"%08x" % len(element.value), element.value)
        self._tail = b"".join(common)

    def digest(self, elements: Mapping[int, Element]) -> bytes:
        """The fingerprint of one of them."""
        parts: list[bytes] = []
        for before, tag in self._varying:
            value = elements[tag].value
            parts += (before, b"%08x" % len(value), value)
        return xxh3_128_digest(b"".join((*parts, self._tail)))
