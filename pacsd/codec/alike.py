"""Headers of objects that differ in some values from the one before, as those of a series and of a device do.

What two of them have in common, byte for byte, is read once. Of the next one only those values are read that differed
before, and all between them is compared as it stands. What is said of it is what `header.scan` would say.
"""

import threading
from collections.abc import Iterator
from typing import NamedTuple

from pacsd.codec.attributes import INSTANCE_NAMES, instance_texts, text_of
from pacsd.codec.header import ABOVE_INSTANCE, Element, Header, Imprint, fingerprint, reached, scan
from pacsd.codec.keys import SPECIFIC_CHARACTER_SET
from pacsd.codec.structure import (
    LENGTH32,
    LONG_VRS,
    SHORT_VRS,
    UNDEFINED,
    MalformedDataset,
    element_head,
    skip_undefined,
)
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.faults import PacsdError

_MOST_BYTES = 16 << 10                   # of a header that is remembered
_MOST_VARYING = 32                       # values; with more it is no quicker
_MOST_ATTEMPTS = 8                       # to find out what objects have in common, more than came of it
_FORGIVEN_AFTER = 16                     # objects that were not alike: one attempt more
_HEAD_BYTES = 12                         # of the element that ends the scan, at most
_LEAST_BEGINNING = 8                     # shows whether a data set is implicit VR


class Reading(NamedTuple):
    """A header, its `fingerprint`, and its attributes of the instance level as `attributes.instance_texts` has them."""

    header: Header
    fingerprint: bytes
    texts: list[tuple[str, bytes]]


def reading_of(header: Header, override: str | None) -> Reading:
    """The reading of a header that was scanned; `override` as in `decode_text`."""
    return Reading(header, fingerprint(header), instance_texts(header, override=override))


class Headers:
    """Reads headers; each thread, which is each association, remembers its last one."""

    def __init__(self) -> None:
        self._seen = threading.local()

    def read(self, data: bytes, transfer_syntax_uid: str, *, override: str | None) -> Reading:
        """As `scan` reads the beginning of a data set, with `to_pixels`; raises as it does."""
        last: _Last | None = getattr(self._seen, "last", None)
        if last is None or last.transfer_syntax_uid != transfer_syntax_uid or last.override != override:
            last = self._seen.last = _Last(transfer_syntax_uid, override)
        return last.read(data)


class _Last:
    """The last header of a thread, and what it had in common with the one before."""

    def __init__(self, transfer_syntax_uid: str, override: str | None) -> None:
        self.transfer_syntax_uid = transfer_syntax_uid
        self.override = override
        self._encapsulated = transfer_syntax(transfer_syntax_uid).encapsulated
        self._is_plain = not transfer_syntax(transfer_syntax_uid).deflated
        self._likeness: _Likeness | None = None
        self._before: _Laid | None = None
        self._attempts = 0
        self._unlike = 0

    def read(self, data: bytes) -> Reading:
        """As Headers.read."""
        found = None if self._likeness is None else self._likeness.read(data)
        if found is not None:
            self._attempts = max(0, self._attempts - 1)
            return found
        header = scan(data, self.transfer_syntax_uid, complete=False, to_pixels=True)
        self._compare(data, header)
        return reading_of(header, self.override)

    def _compare(self, data: bytes, header: Header) -> None:
        """Find out what there is in common with the one before, as long as something comes of it."""
        self._unlike += 1
        if self._unlike % _FORGIVEN_AFTER == 0:
            self._attempts = max(0, self._attempts - 1)
        is_kept = self._is_plain and not header.big_endian and header.end_offset <= _MOST_BYTES
        now = _Laid(data[: header.end_offset + _HEAD_BYTES], header) if is_kept else None
        if now is not None and self._before is not None and self._attempts < _MOST_ATTEMPTS:
            self._attempts += 1
            self._likeness = self._likened(self._before, now) or self._likeness
        self._before = now

    def _likened(self, before: "_Laid", now: "_Laid") -> "_Likeness | None":
        items = now.items()
        varying = _varying(before.items(), items)
        if varying is None or items is None:
            return None
        known = frozenset[int]() if self._likeness is None else self._likeness.varying
        if len(varying | known) > _MOST_VARYING:
            known = frozenset()                          # what varied before is too much beside this
        made = _Likeness(now, items, varying | known, self.override, self._encapsulated)
        return made if made.shows_its_beginning and len(made.varying) <= _MOST_VARYING else None


class _Item(NamedTuple):
    """A top-level element: its head, where its value begins, and its bytes; whether its length is told."""

    tag: int
    vr: str
    value_at: int
    raw: bytes
    is_told: bool


class _Laid:
    """A header and the bytes it was read from, with the head of the element that ended the scan."""

    def __init__(self, data: bytes, header: Header) -> None:
        self.data = data
        self.header = header

    def items(self) -> list[_Item] | None:
        """Its elements, and the head of the one behind them; None where they are not plain enough."""
        try:
            found = list(self._items())
        except PacsdError:                   # what is no VR reads otherwise where less follows it
            return None
        is_whole = bool(found) and len({one.tag for one in found}) == len(found)
        return found if is_whole and sum(len(one.raw) for one in found[:-1]) == self.header.end_offset else None

    def _items(self) -> Iterator[_Item]:
        data, at, end, implicit = self.data, 0, len(self.data), self.header.implicit
        while at <= self.header.end_offset:
            vr = data[at + 4 : at + 6]
            if not implicit and vr not in SHORT_VRS and vr not in LONG_VRS:
                raise MalformedDataset("no VR")
            head = element_head(data, at, end, implicit=implicit, big_endian=False)
            following = head.value_at + head.length
            if at == self.header.end_offset:
                following = head.value_at
            elif head.length == UNDEFINED:
                following = skip_undefined(data, head.value_at, end, implicit=implicit, big_endian=False)
            yield _Item(head.tag, head.vr, head.value_at, data[at:following], head.length != UNDEFINED)
            at = following


def _varying(before: list[_Item] | None, now: list[_Item] | None) -> frozenset[int] | None:
    """The tags of the values that differ; None where something else does, too."""
    if before is None or now is None or [one[:2] for one in before] != [one[:2] for one in now]:
        return None
    pairs = [(one, other) for one, other in zip(before, now, strict=True) if one.raw != other.raw]
    if any(not (one.is_told and other.is_told) for one, other in pairs) or any(one is now[-1] for _, one in pairs):
        return None
    tags = frozenset(one.tag for one, _ in pairs)
    return None if SPECIFIC_CHARACTER_SET in tags else tags


class _Likeness:
    """What headers have in common: runs of bytes, each as far as the length of a value that varies, and their tail."""

    def __init__(
        self, laid: _Laid, items: list[_Item], may_vary: frozenset[int], override: str | None, encapsulated: bool
    ) -> None:
        header = laid.header
        varying = frozenset(one.tag for one in items[:-1] if one.tag in may_vary and one.is_told)
        self.varying = varying
        self._header = header
        self._override = override
        self._encapsulated = encapsulated
        self._runs: list[tuple[bytes, bool, int, str | None]] = []
        at = begins_at = 0
        for one in items:
            at += len(one.raw)
            if one.tag in varying:
                is_long = header.implicit or one.vr.encode() in LONG_VRS
                element = header.elements.get(one.tag)
                run = laid.data[begins_at : one.value_at - (4 if is_long else 2)]
                self._runs.append((run, is_long, one.tag, None if element is None else element.vr))
                begins_at = at
        self._tail = laid.data[begins_at:at]
        self._end_in_tail = header.end_offset - begins_at
        self._last_bytes = _value_bytes(laid)
        self._elements = {tag: element for tag, element in header.elements.items() if tag not in varying}
        self._imprint = Imprint(header, varying)
        self._fingerprint = b"" if varying & ABOVE_INSTANCE else self._imprint.digest({})
        self._sets = header.character_set
        self._texts = [
            (tag, name, b"" if tag in varying else text_of(element, header, self._sets, override))
            for tag, name in INSTANCE_NAMES
            if (element := header.elements.get(tag))
        ]

    @property
    def shows_its_beginning(self) -> bool:
        """Whether the bytes that tell implicit VR from explicit are in common."""
        first = self._runs[0][0] if self._runs else self._tail
        return len(first) >= _LEAST_BEGINNING

    def read(self, data: bytes) -> Reading | None:
        """The reading of another data set; None where it is not alike."""
        at, most, elements = 0, len(data) - 4, self._elements.copy()
        for run, is_long, tag, vr in self._runs:
            if not data.startswith(run, at):
                return None
            at += len(run)
            if at > most:
                return None
            if is_long:
                value_at = at + 4
                at = value_at + _LONG(data, at)[0]
            else:
                value_at = at + 2
                at = value_at + data[at] + (data[at + 1] << 8)
            if vr is not None:
                elements[tag] = Element(tag, vr, data[value_at:at])
        if not data.startswith(self._tail, at):
            return None
        return self._reading(data, elements, at + self._end_in_tail)

    def _reading(self, data: bytes, elements: dict[int, Element], end_offset: int) -> Reading:
        reaches = 0 if self._last_bytes is None else end_offset + self._last_bytes
        header = Header(elements, self._header.implicit, False, end_offset, reaches)
        if reaches or self._encapsulated:
            header.reaches = reached(data, header)
        texts = [
            (name, text or text_of(elements[tag], header, self._sets, self._override))
            for tag, name, text in self._texts
        ]
        return Reading(header, self._fingerprint or self._imprint.digest(elements), texts)


_LONG = LENGTH32[False]


def _value_bytes(laid: _Laid) -> int | None:
    """How far the element that ended the scan reaches from where it begins; None where that is not told."""
    at = laid.header.end_offset
    head = element_head(laid.data, at, len(laid.data), implicit=laid.header.implicit, big_endian=False)
    return None if head.length == UNDEFINED else head.value_at - at + head.length


__all__ = ["Headers", "Reading", "reading_of"]
