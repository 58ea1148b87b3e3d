"""A data set as DICOM JSON Model members (PS3.18 F.2), from its bytes, without building a data set first."""

import threading
from dataclasses import dataclass, field, replace
from functools import lru_cache

from pydicom.datadict import private_dictionary_VR

from pacsd.codec.header import MAX_HEADER_BYTES, inflate_front
from pacsd.codec.json_values import FORMATTERS
from pacsd.codec.structure import (
    EXPLICIT,
    ITEM,
    ITEM_DELIMITATION,
    LENGTH32,
    LONG_VRS,
    MAX_DEPTH,
    SEQUENCE_DELIMITATION,
    SHORT_VRS,
    UNDEFINED,
    Bytes,
    MalformedDataset,
    NeedMoreData,
    element_head,
    items_are_big_endian,
    looks_implicit,
    skip_undefined,
    vr_of,
)
from pacsd.codec.transfer_syntaxes import TransferSyntax, transfer_syntax
from pacsd.codec.walk import PIXEL_DATA
from pacsd.faults import Fault, PacsdError

Member = tuple[str, bytes]               # eight upper-case hex digits, text of the attribute object

MAX_INLINE_BYTES = 1024                  # of a binary value
MAX_VALUE_BYTES = 1024 * 1024            # of any other value: above it stands a Bulk Data URI
_SMALL_BYTES = 16 << 20                  # of an inflated data set; above it one is read at a time, whoever asks
_LARGE = threading.Semaphore(1)
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
_BULK_BY_URI = _BINARY | frozenset(          # PS3.18 F.2.2
    ("DS", "FL", "FD", "IS", "LT", "SL", "SS", "ST", "SV", "UC", "UL", "US", "UT", "UV")
)
_CHARACTER_SET, _PIXEL_REPRESENTATION = 0x00080005, 0x00280103
MAX_TOLD_BYTES = 128 * 1024 * 1024       # of all values that stand in their place, each element counting as some more
_ELEMENT_BYTES = 96


@dataclass(slots=True)
class _Budget:
    """What may still be told of one data set, however it is nested."""

    left: int = field(default_factory=lambda: MAX_TOLD_BYTES)

    def spend(self, size_bytes: int) -> None:
        """Raises PacsdError TOO_MUCH."""
        self.left -= size_bytes
        if self.left < 0:
            raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_TOLD_BYTES} bytes of attributes")


@dataclass(frozen=True, slots=True)
class _Context:
    """What an item inherits from the data set around it (PS3.5 7.5.3, C.12.1.1.2)."""

    implicit: bool
    big_endian: bool
    override: str | None
    character_sets: tuple[str, ...] = ()
    signed: bool = False
    path: bytes = b""
    depth: int = 0
    by_uri: bool = True                  # whether large values are told as Bulk Data URIs
    budget: _Budget = field(default_factory=_Budget)


def members(
    data: Bytes,
    transfer_syntax_uid: str,
    *,
    override: str | None = None,
    max_inflated_bytes: int = 4 * MAX_HEADER_BYTES,
    by_uri: bool = True,
) -> list[Member]:
    """The members of a whole data set, in tag order, without group lengths and group 2.

    Binary values above 1 KiB, other values above 1 MiB and all Pixel Data are Bulk Data URIs of the form NUL
    + `/bulkdata/<path>`, the NUL to be replaced by the instance's URL; the path to a nested value is
    `54000100/1/54001010`, item numbers from 1. `data` may end inside Pixel Data or be truncated: what
    is complete before is told. Without `by_uri` every value stands in its place. Specific Character Set says what
    the data set says, though the text is UTF-8 now (PS3.18 F.2.2, note 3). Raises PacsdError MALFORMED, or TOO_MUCH
    above MAX_TOLD_BYTES.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    if not syntax.deflated:
        return _members(data, syntax, override, by_uri=by_uri)
    front, whole = inflate_front(data, min(_SMALL_BYTES, max_inflated_bytes))
    if whole:
        return _members(front, syntax, override, by_uri=by_uri)
    with _LARGE:
        front, whole = inflate_front(data, max_inflated_bytes)
        if not whole:
            raise PacsdError(Fault.TOO_MUCH, f"a deflated data set of more than {max_inflated_bytes} bytes")
        return _members(front, syntax, override, by_uri=by_uri)


def _members(data: Bytes, syntax: TransferSyntax, override: str | None, *, by_uri: bool) -> list[Member]:
    view = memoryview(data)
    context = _Context(looks_implicit(view, implicit=syntax.implicit), syntax.big_endian, override, by_uri=by_uri)
    found, _ = _dataset(view, 0, len(view), context)
    return sorted((f"{tag:08X}", text) for tag, text in found.items())


def attribute(
    raw: bytes,
    vr: str,
    tag: int,
    *,
    implicit: bool,
    big_endian: bool,
    character_sets: tuple[str, ...],
    override: str | None,
) -> bytes:
    """One attribute object from a raw value as `header.Element` holds it; an unreadable sequence is empty.

    Raises PacsdError TOO_MUCH when it is nested too deeply.
    """
    if vr == "SQ":
        context, view = _Context(implicit, big_endian, override, character_sets), memoryview(raw)
        try:
            return _sequence(view, 0, len(view), context, tag, stop_at_end=True)[0]
        except (MalformedDataset, NeedMoreData):
            return b'{"vr":"SQ"}'
    return FORMATTERS[vr](raw, character_sets, override, big_endian)


def _dataset(view: memoryview, at: int, end: int, context: _Context) -> tuple[dict[int, bytes], int]:
    """The members from `at` to `end` or to an Item Delimitation Item, and where it ended.

    A truncated top level ends quietly; a truncated item raises NeedMoreData.
    """
    found: dict[int, bytes] = {}
    creators: dict[int, str] = {}
    implicit, big, top = context.implicit, context.big_endian, context.depth == 0
    long_vrs, unpack32 = LONG_VRS, LENGTH32[big]
    unpack, short_vrs, formatters, override = EXPLICIT[big], SHORT_VRS, FORMATTERS, context.override
    sets, spend = context.character_sets, context.budget.spend
    spend(_ELEMENT_BYTES)
    while at < end:
        try:
            vr = ""
            if not implicit and end - at >= 8:
                group, element, raw_vr, length = unpack(view, at)
                vr = short_vrs.get(raw_vr, "")
            if vr:
                tag, value_at = group << 16 | element, at + 8
            elif not implicit and end - at >= 12 and (vr := long_vrs.get(raw_vr, "")):
                tag, length, value_at = group << 16 | element, unpack32(view, at + 8)[0], at + 12
            else:
                tag, vr, length, value_at = element_head(view, at, end, implicit=implicit, big_endian=big)
            if tag == ITEM_DELIMITATION and not top:
                return found, value_at
            if tag & 0x10000:
                vr = _private_vr(tag, vr, creators)
            if vr == "SQ" or (length == UNDEFINED and _holds_items(tag, vr, implicit)):
                found[tag], at = _nested(view, value_at, length, end, context, tag)
                continue
            following = value_at + length
            if length == UNDEFINED:
                following = _end_of_fragments(view, value_at, end, context, tag)
            elif following > end:
                if tag not in PIXEL_DATA:
                    raise NeedMoreData(following)
                following = end
        except NeedMoreData:
            if top:
                break
            raise
        at = following
        if tag & 0xFFFF == 0 or tag >> 16 in (0, 2, 0xFFFE):            # a delimiter too many is no attribute
            continue
        if (length > MAX_INLINE_BYTES or tag in PIXEL_DATA) and (uri := _bulk_uri(tag, vr, length, context)):
            found[tag] = uri
            spend(_ELEMENT_BYTES)
            continue
        spend(following - value_at + _ELEMENT_BYTES)
        raw = bytes(view[value_at:following])
        if vr == "UN" or vr == "US":
            vr = _better_vr(tag, vr, context)
            if vr == "SQ":
                found[tag] = _sequence_in_unknown(view, value_at, following, context, tag)
                continue
        if tag == _CHARACTER_SET:
            sets = tuple(part.strip() for part in raw.decode("ascii", "replace").strip(" \0").split("\\"))
            context = replace(context, character_sets=sets)
        elif tag == _PIXEL_REPRESENTATION:
            context = replace(context, signed=raw[:1] == b"\1" or raw[1:2] == b"\1")
        elif tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF:
            creators[(tag & 0xFFFF0000) | (tag & 0xFF) << 8] = raw.decode("latin_1").strip(" \0")
        found[tag] = formatters[vr](raw, sets, override, big)
    return found, at


def _holds_items(tag: int, vr: str, implicit: bool) -> bool:
    """Whether a value of undefined length is a sequence and no encapsulated Pixel Data (PS3.5 7.5, A.4)."""
    return (vr == "UN" or implicit) and tag not in PIXEL_DATA


def _end_of_fragments(view: memoryview, at: int, end: int, context: _Context, tag: int) -> int:
    """Behind encapsulated fragments; Pixel Data may run off the end of what is at hand."""
    try:
        return skip_undefined(view, at, end, implicit=context.implicit, big_endian=context.big_endian)
    except NeedMoreData:
        if tag in PIXEL_DATA:
            return end
        raise


def _bulk_uri(tag: int, vr: str, length: int, context: _Context) -> bytes | None:
    if not context.by_uri:
        return None
    if tag not in PIXEL_DATA and vr not in _BINARY and (length <= MAX_VALUE_BYTES or vr not in _BULK_BY_URI):
        return None
    return b'{"vr":"%b","BulkDataURI":"\0/bulkdata/%b%08X"}' % (vr.encode(), context.path, tag)


def _private_vr(tag: int, vr: str, creators: dict[int, str]) -> str:
    """A private element's VR where the data set does not tell, by its creator (PS3.5 7.8.1)."""
    if vr != "UN" or tag & 0xFFFF < 0x1000:
        return vr
    creator = creators.get(tag & 0xFFFFFF00)
    return _known_private_vr(tag, creator) if creator else vr


@lru_cache(maxsize=8192)
def _known_private_vr(tag: int, creator: str) -> str:
    try:
        vr = private_dictionary_VR(tag, creator)
    except KeyError:
        return "UN"
    return vr if vr in FORMATTERS or vr == "SQ" else "UN"


def _better_vr(tag: int, vr: str, context: _Context) -> str:
    """UN of a known tag is what PS3.6 says; of US or SS, if it is not told, Pixel Representation decides."""
    told = not context.implicit and vr != "UN"
    if vr == "UN" and not tag & 0x10000:
        vr = vr_of(tag)
    if vr == "US" and not told and context.signed and _us_or_ss(tag):
        return "SS"
    return vr


@lru_cache(maxsize=4096)
def _us_or_ss(tag: int) -> bool:
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag).startswith("US or SS")
    except KeyError:
        return False


def _nested(
    view: memoryview, at: int, length: int, end: int, context: _Context, tag: int
) -> tuple[bytes, int]:
    """A sequence, and where it ends; one that cannot be read is UN with its bytes, if it says how many."""
    if length == UNDEFINED:
        return _sequence(view, at, end, context, tag, stop_at_end=False)
    following = at + length
    if following > end:
        raise NeedMoreData(following)
    return _sequence_in_unknown(view, at, following, context, tag), following


def _sequence_in_unknown(view: memoryview, at: int, end: int, context: _Context, tag: int) -> bytes:
    try:
        return _sequence(view, at, end, context, tag, stop_at_end=True)[0]
    except (MalformedDataset, NeedMoreData):
        if end - at > MAX_INLINE_BYTES and context.by_uri:
            return b'{"vr":"UN","BulkDataURI":"\0/bulkdata/%b%08X"}' % (context.path, tag)
        return FORMATTERS["UN"](bytes(view[at:end]), (), None, False)


def _sequence(
    view: memoryview, at: int, end: int, context: _Context, tag: int, *, stop_at_end: bool
) -> tuple[bytes, int]:
    """A sequence's attribute object, and where it ended. Raises NeedMoreData, MalformedDataset, TOO_MUCH."""
    if context.depth >= MAX_DEPTH:
        raise PacsdError(Fault.TOO_MUCH, f"sequences nested deeper than {MAX_DEPTH}")
    big = items_are_big_endian(view, at, big_endian=context.big_endian)
    items: list[bytes] = []
    number = 0
    while not (stop_at_end and at >= end):
        head, length, at = _item_head(view, at, end, big)
        if head == SEQUENCE_DELIMITATION:
            break
        if head != ITEM:
            raise MalformedDataset("something stands where an item should")
        number += 1
        item_end = end if length == UNDEFINED else at + length
        if item_end > end:
            raise NeedMoreData(item_end)
        path = b"%b%08X/%d/" % (context.path, tag, number)
        inner = _Context(
            context.implicit, big, context.override, context.character_sets, context.signed, path,
            context.depth + 1, context.by_uri, context.budget,
        )
        found, stopped_at = _dataset(view, at, item_end, inner)
        at = stopped_at if length == UNDEFINED else item_end
        items.append(b"{%b}" % b",".join(b'"%08X":%b' % (key, found[key]) for key in sorted(found)))
    if not items:
        return b'{"vr":"SQ"}', at
    return b'{"vr":"SQ","Value":[%b]}' % b",".join(items), at


def _item_head(view: memoryview, at: int, end: int, big: bool) -> tuple[int, int, int]:
    if end - at < 8:
        raise NeedMoreData(at + 8)
    tag, _, length, value_at = element_head(view, at, end, implicit=True, big_endian=big)
    return tag, length, value_at
