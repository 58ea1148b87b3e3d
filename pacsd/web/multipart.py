"""multipart/related (RFC 2387, RFC 2046 5.1, PS3.18 8.6.1.2): a streaming reader, and the pieces of a writer.

The reader never trusts: it keeps at most one delimiter and one header block in memory, whatever the peer sends.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from pacsd.faults import Fault, PacsdError
from pacsd.web.media_types import MULTIPART_RELATED, media_type

_BOUNDARY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?")     # RFC 2046 says 70; peers send more
_MAX_PADDING_BYTES = 128                  # white space between a boundary and its line end


@dataclass(frozen=True, slots=True)
class PartStart:
    """A part begins; header names in lower case."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the current part; the view stays valid."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The current part is complete."""


Event = PartStart | PartData | PartEnd


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may ask of the reader."""

    max_parts: int = 50_000
    max_header_bytes: int = 16 * 1024         # of one part
    max_preamble_bytes: int = 64 * 1024       # before the first boundary


class _State(Enum):
    PREAMBLE = auto()
    HEADERS = auto()
    BODY = auto()
    EPILOGUE = auto()


class _Tail(Enum):
    """What follows the characters of a delimiter."""

    MORE = auto()
    NEXT = auto()
    CLOSE = auto()
    DATA = auto()            # longer than the boundary: not a delimiter


def boundary_of(content_type: str) -> tuple[bytes, dict[str, str]]:
    """Boundary and parameters of a multipart/related Content-Type. Raises PacsdError MALFORMED."""
    essence, parameters = media_type(content_type)
    boundary = parameters.get("boundary", "")
    if essence != MULTIPART_RELATED or not _BOUNDARY.fullmatch(boundary):
        raise PacsdError(Fault.MALFORMED, "multipart/related needs a boundary parameter of 1 to 200 characters")
    return boundary.encode("ascii"), parameters


class MultipartReader:
    """Turns a body that arrives in any pieces into parts. `feed` each piece, then `finish`."""

    def __init__(self, boundary: bytes, limits: Limits = Limits()) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._limits = limits
        self._state = _State.PREAMBLE
        self._rest = b"\r\n"             # so that a boundary on the first line is a delimiter like any other
        self._preamble_bytes = 0
        self._parts = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """What these bytes bring; exhaust it before the next call.

        Raises PacsdError MALFORMED or TOO_MUCH, after what was still well-formed.
        """
        events: list[Event] = []
        buffer = self._rest + data if self._rest else data
        at: int | None = 0
        while at is not None:
            at = self._step(buffer, at, events)
            yield from events
            events.clear()

    def finish(self) -> None:
        """The body has ended. Raises PacsdError MALFORMED if its closing boundary has not been seen."""
        if self._state is _State.PREAMBLE:
            raise PacsdError(Fault.MALFORMED, "the body holds no part with the declared boundary")
        if self._state is not _State.EPILOGUE:
            raise PacsdError(Fault.MALFORMED, "the body ends before its closing boundary")

    def _step(self, buffer: bytes, at: int, events: list[Event]) -> int | None:
        """Consume from `at`; the new position, or None when more bytes are needed (`_rest` is then set)."""
        if self._state is _State.HEADERS:
            return self._headers(buffer, at, events)
        if self._state is _State.EPILOGUE:
            self._rest = b""
            return None
        return self._until_delimiter(buffer, at, events)

    def _until_delimiter(self, buffer: bytes, at: int, events: list[Event]) -> int | None:
        search = at
        while True:
            found = buffer.find(self._delimiter, search)
            if found < 0:
                keep = self._keep_from(buffer, at)
                self._emit(buffer, at, keep, events)
                self._rest = buffer[keep:]
                return None
            tail, end = self._tail(buffer, found + len(self._delimiter))
            if tail is _Tail.DATA:
                search = found + 1
                continue
            self._emit(buffer, at, found, events)
            if tail is _Tail.MORE:
                self._rest = buffer[found:]
                return None
            self._end_part(tail, events)
            return end

    def _keep_from(self, buffer: bytes, at: int) -> int:
        """Where the beginning of a delimiter may stand at the end of the buffer."""
        carriage_return = buffer.find(b"\r", max(at, len(buffer) - len(self._delimiter) + 1))
        return len(buffer) if carriage_return < 0 else carriage_return

    def _emit(self, buffer: bytes, start: int, end: int, events: list[Event]) -> None:
        if end <= start:
            return
        if self._state is _State.BODY:
            events.append(PartData(memoryview(buffer)[start:end]))
            return
        self._preamble_bytes += end - start
        if self._preamble_bytes > self._limits.max_preamble_bytes:
            raise PacsdError(Fault.MALFORMED, "the body does not contain the declared boundary")

    def _tail(self, buffer: bytes, at: int) -> tuple[_Tail, int]:
        if buffer.startswith(b"--", at):
            return _Tail.CLOSE, at + 2
        line_end = buffer.find(b"\r\n", at, at + _MAX_PADDING_BYTES)
        if line_end >= 0:
            blank = not buffer[at:line_end].strip(b" \t")
            return (_Tail.NEXT, line_end + 2) if blank else (_Tail.DATA, at)
        seen = buffer[at : at + _MAX_PADDING_BYTES]
        undecided = seen in (b"", b"-") or not seen.rstrip(b"\r").strip(b" \t")
        return (_Tail.MORE if undecided and len(seen) < _MAX_PADDING_BYTES else _Tail.DATA), at

    def _end_part(self, tail: _Tail, events: list[Event]) -> None:
        if self._state is _State.BODY:
            events.append(PartEnd())
        self._state = _State.EPILOGUE if tail is _Tail.CLOSE else _State.HEADERS

    def _headers(self, buffer: bytes, at: int, events: list[Event]) -> int | None:
        none_given = buffer.startswith(b"\r\n", at)
        end = at if none_given else buffer.find(b"\r\n\r\n", at)
        size = (len(buffer) if end < 0 else end) - at
        if size > self._limits.max_header_bytes:
            raise PacsdError(Fault.TOO_MUCH, "the headers of a part exceed their limit")
        if end < 0:
            self._rest = buffer[at:]
            return None
        self._parts += 1
        if self._parts > self._limits.max_parts:
            raise PacsdError(Fault.TOO_MUCH, f"more than {self._limits.max_parts} parts in one request")
        events.append(PartStart({} if none_given else _parse_headers(buffer[at:end])))
        self._state = _State.BODY
        return end + (2 if none_given else 4)


def _parse_headers(block: bytes) -> dict[str, str]:
    headers = {}
    for line in block.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            raise PacsdError(Fault.MALFORMED, "a part has a header line without a colon")
        headers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
    return headers


class MultipartWriter:
    """The pieces of a multipart/related body around the parts' own bytes."""

    def __init__(self, part_media_type: str, *, boundary: str | None = None) -> None:
        self._boundary = boundary or secrets.token_hex(16)
        self._first = True
        self.content_type = f'{MULTIPART_RELATED}; type="{part_media_type}"; boundary={self._boundary}'

    def head(self, content_type: str, *, location: str | None = None, size_bytes: int | None = None) -> bytes:
        """What stands before the bytes of the next part."""
        lines = ["" if self._first else "\r\n", f"--{self._boundary}\r\nContent-Type: {content_type}\r\n"]
        if location is not None:
            lines.append(f"Content-Location: {location}\r\n")
        if size_bytes is not None:
            lines.append(f"Content-Length: {size_bytes}\r\n")
        self._first = False
        return ("".join(lines) + "\r\n").encode("latin-1")

    def close(self) -> bytes:
        """What stands behind the last part."""
        return f"\r\n--{self._boundary}--\r\n".encode("ascii")
