"""Thin files: the bytes of a blob with holes, each of which can be filled again from another blob, its source.

A thin file is made of three parts, all numbers little-endian:

    blocks    what stands between the holes, one behind the other, cut into blocks of 64 KiB; each deflated (zlib),
              where that makes it shorter
    tables    u32 length of, and a JSON object: "version" (1), "key" (of the blob), "source" (key), "forms" (texts that
              say how holes are filled), "holes" and "blocks" (how many). Then columns of u64, of the holes in order:
              offset in the blob, length, offset in the source, length there, form; then of 16 bytes: xxh3_128 of the
              bytes that belong there. Of the blocks: u64 length in this file; 16 bytes: xxh3_128 of what it holds
    tail      u64 size of the blob, u64 length of the tables, xxh3_128 of both numbers and the tables, "PXTHIN01"

The tail is written last, so that a file which was cut off is no thin file.
"""

import struct
import sys
import zlib
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import orjson
import xxhash

from pacsd.blobs.port import BlobInfo, BlobReader, BlobWriter
from pacsd.faults import Fault, PacsdError

VERSION = 1
BLOCK_BYTES = 1 << 16
MOST_HOLES = 1 << 18                     # of a thin file; what would be one more stays as it is
MOST_TABLE_BYTES = 1 << 26
_MAGIC = b"PXTHIN01"
_NUMBERS = struct.Struct("<QQ")
_LENGTH = struct.Struct("<I")
_DIGEST_BYTES = 16
TAIL_BYTES = _NUMBERS.size + _DIGEST_BYTES + len(_MAGIC)


@dataclass(frozen=True, slots=True)
class Hole:
    """Bytes that are not in a thin file, and what they are made of again; offsets from the start of either blob."""

    offset_bytes: int
    length_bytes: int
    source_offset_bytes: int
    source_length_bytes: int
    form: str
    digest: bytes                        # xxh3_128 of the bytes


@dataclass(frozen=True)
class ThinHead:
    """What the tables of a thin file say, found to be sound."""

    key: str
    source: str
    size_bytes: int                      # of the blob
    digest: bytes                        # of the tables: of two thin files with equal ones either will do
    forms: tuple[str, ...]
    _holes: tuple["array[int]", ...]     # offsets, lengths, offsets in the source, lengths there, forms
    _hole_digests: bytes
    _blocks: "array[int]"                # lengths in the file
    _block_digests: bytes

    @property
    def table_bytes(self) -> int:
        """Roughly the memory this takes."""
        return 1024 + sum(map(len, self.forms)) + 80 * len(self._holes[0]) + 32 * len(self._blocks)

    @property
    def holes(self) -> int:
        """How many there are."""
        return len(self._holes[0])

    @cached_property
    def hole_bytes(self) -> int:
        """Bytes of all holes."""
        return sum(self._holes[1])

    def hole(self, number: int) -> Hole:
        """One of them, from 0."""
        offset, length, source_offset, source_length, form = (column[number] for column in self._holes)
        return Hole(offset, length, source_offset, source_length, self.forms[form], _nth(self._hole_digests, number))

    def next_hole(self, offset_bytes: int) -> int:
        """The number of the first hole that ends behind that place in the blob; `holes` where none does."""
        return bisect_right(self._ends, offset_bytes)

    def start(self, number: int) -> int:
        """Where a hole begins; the end of the blob behind the last."""
        return self._holes[0][number] if number < self.holes else self.size_bytes

    def before(self, number: int) -> int:
        """Bytes of all holes before this one."""
        return self._before[number]

    @property
    def between_bytes(self) -> int:
        """Bytes of what stands between the holes."""
        return self.size_bytes - self.hole_bytes

    def block(self, number: int) -> tuple[int, int, int, bytes]:
        """Of a block: where it is in the file, its length there, the length of what it holds, the digest of that."""
        holds = min(BLOCK_BYTES, self.between_bytes - number * BLOCK_BYTES)
        return self._at[number], self._blocks[number], holds, _nth(self._block_digests, number)

    @cached_property
    def _ends(self) -> "array[int]":
        return array("Q", map(int.__add__, *self._holes[:2]))

    @cached_property
    def _before(self) -> "array[int]":
        return array("Q", accumulate(self._holes[1], initial=0))

    @cached_property
    def _at(self) -> "array[int]":
        return array("Q", accumulate(self._blocks, initial=0))

    def check(self, file_bytes: int) -> None:
        """Raises PacsdError UNAVAILABLE for holes that overlap or lie outside, and blocks that do not make the rest."""
        offsets, lengths, _, _, forms = self._holes
        wanted = -(-self.between_bytes // BLOCK_BYTES)
        sound = (
            all(lengths) and all(end <= start for end, start in zip(self._ends, offsets[1:], strict=False))
            and (not self._ends or self._ends[-1] <= self.size_bytes)
            and all(form < len(self.forms) for form in forms)
            and len(self._blocks) == wanted and all(0 < length <= BLOCK_BYTES for length in self._blocks)
            and sum(self._blocks) == file_bytes
        )
        if not sound:
            raise unreadable(self.key)


class ThinWriter:
    """A thin file being written: bytes and holes in the order of the blob."""

    def __init__(self, writer: BlobWriter, key: str, source: str) -> None:
        self._writer = writer
        self._key = key
        self._source = source
        self._pending = bytearray()
        self._forms: dict[str, int] = {}
        self._holes = tuple(array("Q") for _ in range(5))
        self._hole_digests = bytearray()
        self._blocks = array("Q")
        self._block_digests = bytearray()
        self.at = 0                      # of the blob, so far
        self.left_bytes = 0              # of it in holes
        self.stored_bytes = 0            # in the file, so far

    @property
    def has_room(self) -> bool:
        """Whether one more hole may be left."""
        return len(self._holes[0]) < MOST_HOLES

    def write(self, data: bytes) -> None:
        """Bytes as they are. Raises PacsdError FULL, UNAVAILABLE."""
        self.at += len(data)
        self._pending += data
        while len(self._pending) >= BLOCK_BYTES:
            self._block(bytes(self._pending[:BLOCK_BYTES]))
            del self._pending[:BLOCK_BYTES]

    def leave(self, hole: Hole) -> None:
        """A hole, which begins where the blob has come to. Raises PacsdError INTERNAL where it does not."""
        if hole.offset_bytes != self.at or hole.length_bytes <= 0 or not self.has_room:
            raise PacsdError(Fault.INTERNAL, "a hole is not where it may be")
        form = self._forms.setdefault(hole.form, len(self._forms))
        values = hole.offset_bytes, hole.length_bytes, hole.source_offset_bytes, hole.source_length_bytes, form
        for column, value in zip(self._holes, values, strict=True):
            column.append(value)
        self._hole_digests += hole.digest
        self.at += hole.length_bytes
        self.left_bytes += hole.length_bytes

    def finish(self) -> int:
        """The last block, the tables and the tail; how many bytes the file has. Only `commit` is left to be done."""
        if self._pending:
            self._block(bytes(self._pending))
            self._pending.clear()
        tables = self._tables()
        numbers = _NUMBERS.pack(self.at, len(tables))
        digest = xxhash.xxh3_128(numbers + tables).digest()
        self._put(tables + numbers + digest + _MAGIC)
        return self.stored_bytes

    def commit(self) -> BlobInfo:
        """Durable on return. Raises PacsdError CONFLICT if there is one."""
        return self._writer.commit()

    def abort(self) -> None:
        """Forget everything written; nothing happens after `commit`."""
        self._writer.abort()

    def _block(self, data: bytes) -> None:
        packed = zlib.compress(data, 3)
        stored = packed if len(packed) < len(data) else data
        self._blocks.append(len(stored))
        self._block_digests += xxhash.xxh3_128(data).digest()
        self._put(stored)

    def _put(self, data: bytes) -> None:
        self._writer.write(data)
        self.stored_bytes += len(data)

    def _tables(self) -> bytes:
        said = orjson.dumps({
            "version": VERSION, "key": self._key, "source": self._source, "forms": list(self._forms),
            "holes": len(self._holes[0]), "blocks": len(self._blocks),
        })  # fmt: skip
        columns = (_bytes(column) for column in self._holes)
        return b"".join((
            _LENGTH.pack(len(said)), said, *columns, self._hole_digests, _bytes(self._blocks), self._block_digests
        ))


def size_of(reader: BlobReader) -> int:
    """The size of the blob that a thin file stands for, by its tail. Raises PacsdError UNAVAILABLE."""
    return _tail(reader)[0]


def digest_of(reader: BlobReader) -> bytes:
    """What tells a thin file from others. Raises PacsdError UNAVAILABLE."""
    return _tail(reader)[2]


def read_head(reader: BlobReader) -> ThinHead:
    """The tables of a thin file. Raises PacsdError UNAVAILABLE for what is none, UNSUPPORTED for a later version."""
    size_bytes, table_bytes, digest = _tail(reader)
    before = reader.size_bytes - TAIL_BYTES - table_bytes
    tables = reader.pread(table_bytes, before)
    if xxhash.xxh3_128(_NUMBERS.pack(size_bytes, table_bytes) + tables).digest() != digest:
        raise unreadable(reader.key)
    try:
        head = _head(tables, size_bytes, digest)
        head.check(before)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        raise unreadable(reader.key) from error
    return head


def unreadable(key: str) -> PacsdError:
    """The fault of a store whose thin file is damaged."""
    return PacsdError(Fault.UNAVAILABLE, f"a thin blob cannot be read: {key}")


def _tail(reader: BlobReader) -> tuple[int, int, bytes]:
    tail = reader.pread(TAIL_BYTES, max(reader.size_bytes - TAIL_BYTES, 0))
    if len(tail) != TAIL_BYTES or not tail.endswith(_MAGIC):
        raise unreadable(reader.key)
    size_bytes, table_bytes = _NUMBERS.unpack_from(tail)
    if table_bytes > min(MOST_TABLE_BYTES, reader.size_bytes - TAIL_BYTES):
        raise unreadable(reader.key)
    return size_bytes, table_bytes, tail[_NUMBERS.size : _NUMBERS.size + _DIGEST_BYTES]


def _head(tables: bytes, size_bytes: int, digest: bytes) -> ThinHead:
    (said_bytes,) = _LENGTH.unpack_from(tables)
    said: dict[str, Any] = orjson.loads(tables[_LENGTH.size : _LENGTH.size + said_bytes])
    if said["version"] != VERSION:
        raise PacsdError(Fault.UNSUPPORTED, f"a thin blob is of version {said['version']}, later than {VERSION}")
    holes, blocks = said["holes"], said["blocks"]
    sizes = [8 * holes] * 5 + [_DIGEST_BYTES * holes, 8 * blocks, _DIGEST_BYTES * blocks]
    ends = list(accumulate(sizes, initial=_LENGTH.size + said_bytes))
    if ends[-1] != len(tables) or holes > MOST_HOLES:
        raise ValueError("columns of another length")
    parts = [tables[start:end] for start, end in pairwise(ends)]
    columns = tuple(map(_numbers, parts[:5]))
    forms = tuple(str(form) for form in said["forms"])
    return ThinHead(
        str(said["key"]), str(said["source"]), size_bytes, digest, forms, columns, parts[5], _numbers(parts[6]),
        parts[7],
    )


def _bytes(column: "array[int]") -> bytes:
    return _little(column[:]).tobytes()


def _numbers(raw: bytes) -> "array[int]":
    return _little(array("Q", raw))


def _little(column: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _nth(digests: bytes, number: int) -> bytes:
    return digests[number * _DIGEST_BYTES : (number + 1) * _DIGEST_BYTES]
