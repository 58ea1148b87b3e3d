r"""Long encoded data, taken out of a message before its text is read and divided.

A PDF of 50 MB in an OBX would else be held as text, as segment, as field and as component, two bytes a character where
anything in the message is Chinese. Base64 and hexadecimal digits are ASCII in every character set here but the 7-bit
Japanese, so a long run of them, with the escape sequences that break its lines, may leave before anybody decodes. What
stays in its place is a number between two marks, and its first four characters: the first may be the second half of
another character.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONG_BYTES = 262_144                     # of a message, before anybody looks; and of a run
_KEPT = 4
_MARK = b"\x1e"                          # RS, which no text has; a message that does is left as it is
_RUN = re.compile(rb"[A-Za-z0-9+/=]{60,}+(?:\\(?:\.br|X0D0A|X0D|X0A)\\[A-Za-z0-9+/=]++)*+")
_LIFTED = re.compile(r"\x1e(\d+)\x1e")


@dataclass(frozen=True, slots=True)
class Lifted:
    """A message without its long runs, and these, in their order."""

    body: bytes
    runs: tuple[memoryview, ...] = ()

    def whole(self, text: str) -> str:
        """A value that is no encoded data after all, with what was taken out of it."""
        if not self.runs or "\x1e" not in text:
            return text
        return _LIFTED.sub(lambda found: str(self.runs[int(found[1])], "ascii"), text)

    def restored(self, encoded: bytes) -> bytes:
        """Bytes made of its text, with the runs where they stood."""
        parts = encoded.split(_MARK)
        if not self.runs or len(parts) < 3:
            return encoded
        return b"".join(bytes(self.runs[int(part)]) if number % 2 else part for number, part in enumerate(parts))


def lifted(raw: bytes) -> Lifted:
    """The message without runs of a quarter of a MiB and more."""
    if len(raw) < LONG_BYTES or _MARK in raw or b"\x1b" in raw or raw[3:4].isalnum() or _digits(raw[3:9]):
        return Lifted(raw)
    view = memoryview(raw)
    pieces: list[bytes | memoryview] = []
    runs: list[memoryview] = []
    at = 0
    for found in _RUN.finditer(raw):
        if found.end() - found.start() < LONG_BYTES:
            continue
        begin = found.start() + _KEPT
        pieces += [view[at:begin], b"\x1e%d\x1e" % len(runs)]
        runs.append(view[begin : found.end()])
        at = found.end()
    return Lifted(b"".join((*pieces, view[at:])), tuple(runs)) if runs else Lifted(raw)


def pieces_of(text: str, runs: Sequence[memoryview]) -> Iterator[bytes | memoryview]:
    """The ASCII of a value whose runs may have been lifted, in pieces. Raises UnicodeEncodeError for other text."""
    at = 0
    for found in _LIFTED.finditer(text) if runs else ():
        yield text[at : found.start()].encode("ascii")
        yield runs[int(found[1])]
        at = found.end()
    yield text[at:].encode("ascii")


def _digits(separators: bytes) -> bool:
    """Whether a separator is one of the characters of the encodings, or the escape character is another."""
    return any(one in b"+/=" for one in separators) or separators[3:4] not in (b"\\", b"")
