"""Resources one a line, as bulk data is given out and taken in (FHIR R4 http://hl7.org/fhir/R4/nd-json.html)."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from fhir.format import json
from pacsd.faults import Fault, PacsdError

MAX_LINE_BYTES = 16 * 1024 * 1024        # of one resource


class Line(NamedTuple):
    """A line that is not blank: its resource, or why there is none."""

    number: int                          # from 1, as an editor counts them
    resource: dict[str, Any] | None
    error: PacsdError | None


def read(chunks: Iterable[bytes], *, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Line]:
    """The lines of a stream, however it is cut into chunks; a line that is no resource does not end the reading.

    No more than a line and a chunk is kept: what of a line is above `max_line_bytes` is passed over.
    """
    for number, line in enumerate(_lines(chunks, max_line_bytes), start=1):
        if line is None:
            yield Line(number, None, PacsdError(Fault.TOO_MUCH, f"a line longer than {max_line_bytes} bytes"))
        elif line and not line.isspace():
            yield _line(number, line)


def _line(number: int, line: bytes) -> Line:
    try:
        return Line(number, json.read(line), None)
    except PacsdError as error:
        return Line(number, None, error)


def _lines(chunks: Iterable[bytes], max_line_bytes: int) -> Iterator[bytes | None]:
    """Each line without its end; None in place of one that is too long."""
    kept: list[bytes] = []
    size = 0
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            size += len(part)
            yield b"".join([*kept, part]) if size <= max_line_bytes else None
            kept, size = [], 0
        size += len(rest)
        if size > max_line_bytes:
            kept = []
        elif rest:
            kept.append(rest)
    if size:
        yield b"".join(kept) if size <= max_line_bytes else None
