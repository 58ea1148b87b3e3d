"""A data set's text in UTF-8 (ISO_IR 192), all else byte for byte (PS3.5 6.1.2, PS3.3 C.12.1.1.2)."""

from pacsd.codec.charset import TEXT_VRS, decode_text
from pacsd.codec.elements import encode_header
from pacsd.codec.keys import SPECIFIC_CHARACTER_SET
from pacsd.codec.structure import (
    ITEM,
    ITEM_DELIMITATION,
    MAX_DEPTH,
    SEQUENCE_DELIMITATION,
    UNDEFINED,
    ElementHead,
    MalformedDataset,
    NeedMoreData,
    element_head,
    items_are_big_endian,
    skip_undefined,
)
from pacsd.faults import Fault, PacsdError

UTF8_TERM = b"ISO_IR 192"


def to_utf8(data: bytes, *, implicit: bool, big_endian: bool, override: str | None = None) -> bytes:
    """The header of a data set rewritten; sequences get undefined length, private and unknown elements stay.

    A truncated last element is kept as it is. Raises PacsdError TOO_MUCH when nested too deeply.
    """
    rewriter = _Rewriter(data, implicit, override)
    out, _ = rewriter.dataset(0, len(data), big_endian, (), 0)
    return out


class _Rewriter:
    """Holds what does not change while it descends."""

    def __init__(self, data: bytes, implicit: bool, override: str | None) -> None:
        self._data, self._implicit, self._override = data, implicit, override

    def dataset(
        self, at: int, end: int, big: bool, sets: tuple[str, ...], depth: int
    ) -> tuple[bytes, int]:
        """The rewritten elements up to `end` or an Item Delimitation Item, and where that ended."""
        out: list[bytes] = []
        declared = depth > 0
        while at < end:
            try:
                head = element_head(self._data, at, end, implicit=self._implicit, big_endian=big)
                if head.tag == ITEM_DELIMITATION and depth:
                    return b"".join(out), head.value_at
                if not declared and head.tag > SPECIFIC_CHARACTER_SET:
                    out.append(self._character_set(big))
                    declared = True
                following = self._following(head, end, big)
            except NeedMoreData:
                if depth:
                    raise
                out.append(self._data[at:end])
                return b"".join(out), end
            raw = self._data[head.value_at : following]
            if head.tag == SPECIFIC_CHARACTER_SET:
                sets = tuple(part.strip() for part in raw.decode("ascii", "replace").strip(" \0").split("\\"))
                out.append(self._character_set(big))
                declared = True
            elif (head.vr in TEXT_VRS and not raw.isascii()) or (head.vr in TEXT_VRS and b"\x1b" in raw):
                out.append(self._text(head, raw, big, sets))
            elif head.vr == "SQ":
                out.append(self._sequence(head, at, following, big, sets, depth))
            else:
                out.append(self._data[at:following])
            at = following
        if not declared:
            out.append(self._character_set(big))
        return b"".join(out), at

    def _following(self, head: ElementHead, end: int, big: bool) -> int:
        if head.length == UNDEFINED:
            return skip_undefined(self._data, head.value_at, end, implicit=self._implicit, big_endian=big)
        if head.value_at + head.length > end:
            raise NeedMoreData(head.value_at + head.length)
        return head.value_at + head.length

    def _header(self, tag: int, vr: str, length: int, big: bool) -> bytes:
        return encode_header(tag, vr, length, implicit=self._implicit, big_endian=big)

    def _character_set(self, big: bool) -> bytes:
        return self._header(SPECIFIC_CHARACTER_SET, "CS", len(UTF8_TERM), big) + UTF8_TERM

    def _text(self, head: ElementHead, raw: bytes, big: bool, sets: tuple[str, ...]) -> bytes:
        text = decode_text(raw, head.vr, sets, override=self._override).rstrip(" \0").encode()
        text += b" " * (len(text) % 2)
        return self._header(head.tag, head.vr, len(text), big) + text

    def _sequence(
        self, head: ElementHead, start: int, end: int, big: bool, sets: tuple[str, ...], depth: int
    ) -> bytes:
        """Rewritten, or as it stands when it cannot be read."""
        if depth >= MAX_DEPTH:
            raise PacsdError(Fault.TOO_MUCH, f"sequences nested deeper than {MAX_DEPTH}")
        inner_big = items_are_big_endian(self._data, head.value_at, big_endian=big)
        try:
            items = self._items(head.value_at, end, inner_big, sets, depth)
        except (NeedMoreData, MalformedDataset):
            return self._data[start:end]
        closing = self._header(SEQUENCE_DELIMITATION, "", 0, inner_big)
        return self._header(head.tag, "SQ", UNDEFINED, big) + items + closing

    def _items(self, at: int, end: int, big: bool, sets: tuple[str, ...], depth: int) -> bytes:
        out: list[bytes] = []
        while at < end:
            item = element_head(self._data, at, end, implicit=True, big_endian=big)
            if item.tag == SEQUENCE_DELIMITATION:
                break
            if item.tag != ITEM:
                raise MalformedDataset("something stands where an item should")
            at = item.value_at
            item_end = end if item.length == UNDEFINED else at + item.length
            if item_end > end:
                raise NeedMoreData(item_end)
            content, stopped_at = self.dataset(at, item_end, big, sets, depth + 1)
            at = stopped_at if item.length == UNDEFINED else item_end
            out += (
                self._header(ITEM, "", UNDEFINED, big),
                content,
                self._header(ITEM_DELIMITATION, "", 0, big),
            )
        return b"".join(out)
