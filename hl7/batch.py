"""Batches and files of messages (HL7 v2.5.1 2.10.3): FHS BHS messages BTS FTS, each message as it was sent."""

import re
from collections.abc import Iterator
from itertools import islice

_MARK = b"\xef\xbb\xbf"
_LINES = re.compile(rb"[^\r\n]+")
_STARTS = re.compile(rb"(?:(?<=[\r\n])|\A)(?:MSH|FHS|BHS|BTS|FTS)(?![A-Za-z0-9])")


def is_batch(raw: bytes) -> bool:
    """Whether these bytes begin a file or a batch."""
    return raw.removeprefix(_MARK)[:3] in (b"FHS", b"BHS")


def messages_of(raw: bytes) -> Iterator[bytes]:
    """The messages in a file, a batch, or a row of messages, each from its MSH to before the next envelope segment.

    The beginnings of segments are looked for in bytes: no character set here has CR or LF inside a character.
    """
    body = raw.removeprefix(_MARK)
    begin: int | None = None
    for found in _STARTS.finditer(body):
        if begin is not None:
            yield body[begin : found.start()]
        begin = found.start() if found[0] == b"MSH" else None
    if begin is not None:
        yield body[begin:]


def holds_more_than(raw: bytes, most: int) -> bool:
    """Whether there are more messages than that, without cutting out any."""
    starts = (found for found in _STARTS.finditer(raw) if found[0] == b"MSH")
    return next(islice(starts, most, None), None) is not None


def envelope(raw: bytes) -> tuple[bytes, bytes]:
    """The FHS and BHS segments before the first message, each empty where it is missing."""
    found = {b"FHS": b"", b"BHS": b""}
    for each in _LINES.finditer(raw.removeprefix(_MARK)):
        line = each[0]
        if line[:3] == b"MSH":
            break
        if line[:3] in found and not found[line[:3]]:
            found[line[:3]] = line
    return found[b"FHS"], found[b"BHS"]
