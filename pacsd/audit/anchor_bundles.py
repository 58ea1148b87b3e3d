"""Where anchors stand: the newest one by one, those before them many in one blob, byte for byte as they were made.

A day is thousands of anchors, and all are needed: each holds the hash of the one before it. A bundle is there for as
long as it takes to make the next one before what it holds is removed outside of it: who copies blobs meanwhile has one
or the other.
"""

import logging
import re
from collections.abc import Iterator

from pacsd.blobs.port import BlobStore
from pacsd.faults import Fault, PacsdError

PREFIX = "audit-anchors/"
_MOST_AT_ONCE = 20                       # bundles, where there are many anchors of before
_NAME = re.compile(r"([0-9]{12,18})(?:-([0-9]{12,18}))?\.json")
_LINES = 2                               # of an anchor: what it says, and its signature

log = logging.getLogger("pacsd.audit")


def name(number: int, last: int | None = None) -> str:
    """The key of an anchor, or of a bundle."""
    return f"{PREFIX}{number:012d}.json" if last is None else f"{PREFIX}{number:012d}-{last:012d}.json"


def stored(blobs: BlobStore) -> Iterator[tuple[int, bytes]]:
    """Every anchor that is there with its content, in the order of their numbers; those of a damaged bundle are not."""
    seen = 0
    for first, last in sorted(_places(blobs), key=lambda one: (one[0], one[1] is None)):
        if last is None:
            if first > seen:
                seen = first
                yield first, blobs.read(name(first))
            continue
        for number, content in _unbundled(blobs.read(name(first, last))):
            if number > seen:
                seen = number
                yield number, content


def bundle(blobs: BlobStore, size: int) -> None:
    """Remove anchors that stand in bundles, and bundle those that are `size` and more behind the last bundled ones."""
    places = list(_places(blobs))
    bundled = max((last for _, last in places if last is not None), default=0)
    single = [first for first, last in places if last is None]
    blobs.delete(name(one) for one in single if one <= bundled)
    single = [one for one in single if one > bundled]
    for at in range(0, min(len(single) - size, _MOST_AT_ONCE * size), size):
        numbers = single[at : at + size]
        contents = [blobs.read(name(one)) for one in numbers]
        if any(content.count(b"\n") != _LINES - 1 for content in contents):
            log.error("an anchor is not as it was made: it and those after it are not bundled",
                      extra={"first": numbers[0], "last": numbers[-1]})  # fmt: skip
            return
        lines = b"".join(b"%d %b\n" % one for one in zip(numbers, contents, strict=True))
        try:
            blobs.put(name(numbers[0], numbers[-1]), lines)
        except PacsdError as error:
            if error.fault is not Fault.CONFLICT:        # another worker made it
                raise


def _places(blobs: BlobStore) -> Iterator[tuple[int, int | None]]:
    """Numbers of anchors that stand alone, first and last of bundles."""
    for info in blobs.list(PREFIX):
        found = _NAME.fullmatch(info.key.removeprefix(PREFIX))
        if found is not None:
            yield int(found[1]), int(found[2]) if found[2] else None


def _unbundled(data: bytes) -> Iterator[tuple[int, bytes]]:
    lines = data.split(b"\n")
    for said, signature in zip(lines[::_LINES], lines[1::_LINES], strict=False):
        number, _, text = said.partition(b" ")
        if number.isdigit() and len(number) <= 18:
            yield int(number), text + b"\n" + signature
