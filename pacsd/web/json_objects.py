"""The objects of a JSON array one after the other, as the text comes in (PS3.18 F.2.1).

Nothing is parsed before its size and depth are known, and never more than one object is held.
"""

import re
from collections.abc import Iterable, Iterator

from pacsd.faults import Fault, PacsdError

MAX_OBJECT_BYTES = 16 << 20
MAX_NESTING = 256                        # three levels of JSON for each of a sequence, and more than sequences may have

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["{}\[\]]', re.DOTALL)
_BLANK = b" \t\r\n"
_OPEN, _CLOSE = (b"{", b"["), (b"}", b"]")


def json_objects(
    chunks: Iterable[bytes], *, max_bytes: int = MAX_OBJECT_BYTES, max_nesting: int = MAX_NESTING
) -> Iterator[bytes]:
    """The text of each object of an array, or of the one object that stands alone.

    Raises PacsdError: MALFORMED where the text is neither, TOO_MUCH for an object too long or too deeply nested.
    """
    reading = _Reading(max_bytes, max_nesting)
    for chunk in chunks:
        yield from reading.feed(chunk)
    reading.finish()


class _Reading:
    """Where the reading is. `_buffer` from `_start`: the object that is not complete yet, or what stands before it."""

    def __init__(self, max_bytes: int, max_nesting: int) -> None:
        self._max_bytes = max_bytes
        self._max_nesting = max_nesting
        self._buffer = b""
        self._start = 0
        self._at = 0                     # read so far
        self._depth = 0                  # within the object
        self._objects = 0
        self._array: bool | None = None  # None: nothing seen yet
        self._ended = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What became complete."""
        self._buffer = self._buffer[self._start :] + chunk
        self._at, self._start = self._at - self._start, 0
        while (token := _TOKEN.search(self._buffer, self._at)) is not None:
            text = token[0]
            if text == b'"' and self._depth:
                break                    # a string whose end has not come
            if self._depth == 0:
                self._between(token.start(), text)
            self._at = token.end()
            if text in _OPEN and (self._depth or text == b"{"):
                self._depth += 1
                if self._depth > self._max_nesting:
                    raise PacsdError(Fault.MALFORMED, f"JSON nested deeper than {self._max_nesting}")
            elif text in _CLOSE and self._depth:
                self._depth -= 1
                if self._depth == 0:
                    self._check_size(self._at)
                    yield self._buffer[self._start : self._at]
                    self._start = self._at
        self._check_size(len(self._buffer))

    def finish(self) -> None:
        """The text has ended."""
        unfinished = self._array is None or self._depth or self._array != self._ended
        if unfinished or self._buffer[self._start :].strip(_BLANK):
            raise PacsdError(Fault.MALFORMED, "the JSON text does not end where it should")

    def _between(self, at: int, text: bytes) -> None:
        """A bracket outside of objects: it begins one, or belongs to the array around them."""
        comma = b"," if self._array and self._objects and text == b"{" else b""
        sound = self._buffer[self._start : at].strip(_BLANK) == comma and not self._ended
        if sound and text == b"{" and (self._array or self._array is None):
            self._array = bool(self._array)
            self._objects += 1
        elif sound and text == b"[" and self._array is None:
            self._array = True
        elif sound and text == b"]" and self._array:
            self._ended = True
        else:
            raise PacsdError(Fault.MALFORMED, "the JSON text is no array of objects")
        self._start = at if text == b"{" else at + 1

    def _check_size(self, end: int) -> None:
        if end - self._start > self._max_bytes:
            raise PacsdError(Fault.TOO_MUCH, f"the attributes of one object take more than {self._max_bytes} bytes")
