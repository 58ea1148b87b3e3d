"""Records as lines, each with the hash of all before it, so that none can be changed, left out or moved unseen.

A line is `<number> <SHA-256> <JSON>`; the hash is of the one before it (32 zero bytes at first), the number and the
JSON. A chain is one process's; it goes through its files `<writer>-<n>.log`, whose first line names the file and whose
last, where the writer came so far, says `end` or which file is `next`.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from pacsd.audit import record_json

VERSION = 1
GENESIS = bytes(32)
SUFFIX = ".log"
MAX_RECORD_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 20
_HASH_DIGITS = 64
_SECTOR_BYTES = 512                      # what the smallest disks write whole
_CLOSING = re.compile(rb'[0-9a-f]{64} \{"(?:end|next)":')        # its writer went on after all that stands before it
_LOOKS = 3                               # at what somebody writes at this moment
_DIGITS = 6


class Broken(Exception):
    """A chain that is not as it was written: where, and how it shows."""

    def __init__(self, name: str, offset_bytes: int, problem: str) -> None:
        super().__init__(f"{name} at byte {offset_bytes}: {problem}")
        self.name = name
        self.offset_bytes = offset_bytes
        self.problem = problem


class Head(NamedTuple):
    """The end of a chain, or of what was read of it: `number` records so far, the last one's hash."""

    number: int = 0
    digest: bytes = GENESIS


START = Head()


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its place: `end_bytes` is where the next line begins."""

    head: Head
    payload: bytes
    end_bytes: int

    def body(self) -> dict[str, Any]:
        """What it says."""
        told = record_json.read(self.payload)
        return told if isinstance(told, dict) else {}


def appended(head: Head, payload: bytes) -> tuple[bytes, Head]:
    """The line of a record after `head`, and the new head."""
    number, before = head.number + 1, head.digest
    hashed = hashlib.sha256(b"%b%d %b" % (before, number, payload))
    return b"%d %b %b\n" % (number, hashed.hexdigest().encode(), payload), Head(number, hashed.digest())


def file_name(writer: str, segment: int) -> str:
    """The name of a writer's file; the first is 1."""
    return f"{writer}-{segment:06d}{SUFFIX}"


def split_name(name: str) -> tuple[str, int] | None:
    """Writer and number of a file; None for what is no file of records."""
    writer, _, number = name.removesuffix(SUFFIX).rpartition("-")
    if not name.endswith(SUFFIX) or not writer or len(number) != _DIGITS or not number.isdigit():
        return None
    return writer, int(number)


def opening(writer: str, segment: int) -> bytes:
    """The first record of a file."""
    return orjson.dumps({"opens": file_name(writer, segment), "version": VERSION})


def closing(writer: str, following: int | None) -> bytes:
    """The last record of a file: which one follows, or that nothing does."""
    return orjson.dumps({"next": file_name(writer, following)} if following else {"end": True})


Read = Callable[[str, int, int], bytes]              # name, offset, length


def records(read: Read, name: str, head: Head = START, offset_bytes: int = 0) -> Iterator[Record]:
    """The whole records of a file from a place on, each checked against the one before.

    A last line without its end was never promised to anybody, and is left out; zeros are where more is to be written.
    Where power was lost while several sectors were written, some of them may be there and others before them be zeros:
    nobody was answered for these records either, and the first zero is the end. Raises Broken.
    """
    held = b""
    at = offset_bytes                                # where `held` begins
    while True:
        data, ahead = _written(read, name, at + len(held))
        held += data
        *lines, held = held.split(b"\n")
        for line in lines:
            record = _checked(name, at, line, head)
            yield record
            head, at = record.head, record.end_bytes
        if ahead or not data:                        # what is read on now may be newer than the zeros before it
            return
        if len(held) > MAX_RECORD_BYTES:
            raise Broken(name, at, "a line without end")


def _written(read: Read, name: str, offset_bytes: int) -> tuple[bytes, bool]:
    """What stands there up to zeros, and whether there are some. Raises Broken for zeros within records."""
    for _ in range(_LOOKS):
        data, ahead, behind = read(name, offset_bytes, _CHUNK_BYTES).partition(b"\0")
        further = behind.lstrip(b"\0")
        if not further:
            return data, bool(ahead)
    at = offset_bytes + len(data)
    if (at + 1 + len(behind) - len(further)) % _SECTOR_BYTES == 0 and not _CLOSING.search(further):
        return data, True
    raise Broken(name, at, "zeros where a record should be")


def _checked(name: str, at: int, line: bytes, head: Head) -> Record:
    number, _, rest = line.partition(b" ")
    payload = rest[_HASH_DIGITS + 1 :]
    expected, new = appended(head, payload)
    if expected != line + b"\n":
        wrong = "records are missing or moved" if number != b"%d" % new.number else "the hash is another"
        raise Broken(name, at, f"{wrong} (record {number[:20].decode('ascii', 'replace')})")
    return Record(new, payload, at + len(line) + 1)
