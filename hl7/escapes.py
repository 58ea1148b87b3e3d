r"""Escape sequences in text (HL7 v2.5.1 2.7): \F\ \S\ \T\ \R\ \E\ \P\ \Xdd..\ and those of formatted text.

Read from left to right, once: what a sequence stands for is never looked at again. An escape character without its
second half is itself. \Cxxyy\ and \Mxxyyzz\ change to another character set inside a value: nobody here follows them,
and a value that has one is refused rather than misread.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from hl7.delimiters import Delimiters

_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")
_SWITCH = re.compile(r"(C[0-9A-Fa-f]{4}|M[0-9A-Fa-f]{4}(?:[0-9A-Fa-f]{2})?)")
_BREAKS = re.compile(r"\.(?:br|sp(?:\+?\d+)?|ce)")               # a new line, some blank ones, a centred one
_GATHERED = 8_192                        # pieces of a text, before they become one
_LAYOUT = re.compile(r"(?:H|N|\.(?:fi|nf|in[+-]?\d+|ti[+-]?\d+|sk\+?\d*))")


class EscapeError(ValueError):
    """A sequence that nobody here follows."""


def unescape(text: str, delimiters: Delimiters, *, codec: str = "utf-8") -> str:
    r"""What the sender meant; `codec` is that of the message, for the bytes of \X..\.

    Highlighting and layout fall away, breaks become line feeds, sequences of a local meaning (\Z..\) and unknown ones
    stay as they are. Raises EscapeError.
    """
    escape = delimiters.escape
    if not escape or escape not in text:
        return text
    pieces = _pieces(text, delimiters, codec)
    return "".join(iter(lambda: "".join(islice(pieces, _GATHERED)), ""))


def escape(text: str, delimiters: Delimiters) -> str:
    r"""Text as it may stand in a field; line ends, which would end the segment, become \X0D\ and \X0A\."""
    return text.translate(_escapes(delimiters))


@lru_cache(maxsize=32)
def _escapes(delimiters: Delimiters) -> dict[int, str]:
    mark = delimiters.escape
    pairs = {one: name for name, one in _letters(delimiters).items() if one}
    if not mark:                                                 # the sender has none: what cannot be said is a space
        return {ord(one): " " for one in (*pairs, "\r", "\n")}
    return {
        **{ord(one): f"{mark}{name}{mark}" for one, name in pairs.items()},
        **{code: f"{mark}X{code:02X}{mark}" for code in (0x0A, 0x0B, 0x0D, 0x1C)},
    }


@lru_cache(maxsize=32)
def _letters(delimiters: Delimiters) -> dict[str, str]:
    return {
        "F": delimiters.field, "S": delimiters.component, "T": delimiters.subcomponent,
        "R": delimiters.repetition, "E": delimiters.escape, "P": delimiters.truncation,
    }  # fmt: skip


def _pieces(text: str, delimiters: Delimiters, codec: str) -> Iterator[str]:
    """What is meant, none of it empty: so that a text of nothing but marks is never held a piece at a time."""
    mark, at = delimiters.escape, 0
    while (begin := text.find(mark, at)) >= 0 and (end := text.find(mark, begin + 1)) >= 0:
        if end == begin + 1:                                     # between marks that touch there is no sequence
            end = _rows(mark).match(text, begin).end() - 1       # type: ignore[union-attr]
            plain = None
        else:
            plain = _plain(text[begin + 1 : end], delimiters, codec)
        if plain is None:                                        # no sequence: its second half may begin one
            yield text[at:end]
            at = end
        else:
            if meant := text[at:begin] + plain:
                yield meant
            at = end + 1
    if at < len(text):
        yield text[at:]


@lru_cache(maxsize=32)
def _rows(mark: str) -> re.Pattern[str]:
    return re.compile(f"(?:{re.escape(mark)})+")


def _plain(sequence: str, delimiters: Delimiters, codec: str) -> str | None:
    """What a sequence stands for; None where it is none."""
    one = _letters(delimiters).get(sequence)
    if one:
        return one
    if found := _HEX.fullmatch(sequence):
        try:
            return bytes.fromhex(found[1]).decode(codec)
        except UnicodeDecodeError:
            raise EscapeError("bytes of an escape sequence that are no text of the message's character set") from None
    if _SWITCH.fullmatch(sequence):
        raise EscapeError("a change of the character set inside a value")
    if found := _BREAKS.fullmatch(sequence):
        return "\n"
    return "" if _LAYOUT.fullmatch(sequence) else None
