"""Segments: many objects, or records of a journal, in one file written ahead: each costs one flush of its own bytes.

A file of its own costs an object a name, a directory entry, blocks and a length, all of which a journal has to take
before `fdatasync` returns. In a segment these are there already. It holds records, each at a multiple of 4 KiB: a head,
then the blob. A head names the segment, since the file may have been another segment before and still hold its
records; the first head that does not ends the segment. Its records have keys like other blobs,
`spool/<organisation>/<segment>.seg/<offset>.dcm`, `journal/<yyyy>/<mm>/<dd>/<segment>.log/<offset>.json`; deleting one
marks its head.

Whoever has a segment open holds a shared lock on it (flock(2)); a file becomes another segment only under an exclusive
one, so nobody's reads end up in somebody else's record.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SUFFIX, LOG_SUFFIX = ".seg", ".log"      # of the spool, of journals
RECORD_ALIGNMENT = 4096                  # what disks write whole: a torn write never reaches the neighbour
LIVE, DEAD = 1, 2

_MAGIC = b"PSR1"
_HEAD = struct.Struct("<4sB3x26s6xQdI4x")        # magic, state, segment, blob's bytes, when (s), CRC-32 without state
HEAD_BYTES = _HEAD.size
STATE_AT = 4
_OFFSET_DIGITS = 10
_NAME_SUFFIXES = {SUFFIX: ".dcm", LOG_SUFFIX: ".json"}
_SUFFIX_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class Record:
    """A committed blob in a segment; `offset_bytes` is that of its head."""

    offset_bytes: int
    length_bytes: int
    state: int
    modified_at: float

    @property
    def blob_at(self) -> int:
        """Where the blob begins in the file."""
        return self.offset_bytes + HEAD_BYTES

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return aligned(self.blob_at + self.length_bytes)


def aligned(offset_bytes: int) -> int:
    """The next place where a record may begin."""
    return -(-offset_bytes // RECORD_ALIGNMENT) * RECORD_ALIGNMENT


def head(segment: str, length_bytes: int, modified_at: float) -> bytes:
    """The head of a committed record; `segment` is the segment's ULID."""
    name = segment.encode("ascii")
    checksum = zlib.crc32(struct.pack("<26sQd", name, length_bytes, modified_at))
    return _HEAD.pack(_MAGIC, LIVE, name, length_bytes, modified_at, checksum)


def is_segment(path: str) -> bool:
    """Whether a path is named as segments are."""
    return path.endswith((SUFFIX, LOG_SUFFIX))


def record_name(path: str, offset_bytes: int) -> str:
    """The last part of the key of a record in the segment at a path; sorts by offset."""
    return f"{offset_bytes:0{_OFFSET_DIGITS}d}{_NAME_SUFFIXES[path[-_SUFFIX_CHARACTERS:]]}"


def split_key(key: str) -> tuple[str, int] | None:
    """The segment's path and the record's offset, if this is the key of a record."""
    path, _, name = key.rpartition("/")
    if not is_segment(path):
        return None
    digits = name.removesuffix(_NAME_SUFFIXES[path[-_SUFFIX_CHARACTERS:]])
    if len(digits) != _OFFSET_DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    return path, int(digits)


def segment_of(path: str) -> str:
    """The ULID in a segment's path."""
    return path.rpartition("/")[2][:-_SUFFIX_CHARACTERS]


def record_at(descriptor: int, segment: str, offset_bytes: int) -> Record | None:
    """The committed record with its head there, dead or alive; None where there is none of this segment."""
    raw = os.pread(descriptor, HEAD_BYTES, offset_bytes)
    if len(raw) < HEAD_BYTES:
        return None
    magic, state, name, length_bytes, modified_at, checksum = _HEAD.unpack(raw)
    if magic != _MAGIC or name != segment.encode("ascii"):
        return None
    if zlib.crc32(struct.pack("<26sQd", name, length_bytes, modified_at)) != checksum:
        return None
    return Record(offset_bytes, length_bytes, state, modified_at)


def records(descriptor: int, segment: str) -> Iterator[Record]:
    """All committed records in order."""
    at = 0
    while (record := record_at(descriptor, segment, at)) is not None:
        yield record
        at = record.end


def open_shared(path: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor under a shared lock: as long as it is open the file stays this segment. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def mark_dead(path: str, offsets: Iterable[int]) -> None:
    """Delete records for good; those that are gone are no error. Raises OSError."""
    try:
        descriptor = open_shared(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        segment = segment_of(path)
        for offset in offsets:
            record = record_at(descriptor, segment, offset)
            if record is not None and record.state == LIVE:
                os.pwrite(descriptor, bytes((DEAD,)), offset + STATE_AT)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def open_if_spent(path: str) -> int | None:
    """A descriptor under an exclusive lock, if nobody has the segment open and no record in it is alive."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not any(record.state == LIVE for record in records(descriptor, segment_of(path))):
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
