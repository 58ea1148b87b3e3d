"""Reading a pack without its sidecar: the members by their local headers, for rebuild and repair."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pacsd.blobs.port import BlobReader
from pacsd.faults import Fault, PacsdError

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_LOCAL_SIGNATURE, _CENTRAL_SIGNATURE, _END_SIGNATURE = 0x04034B50, 0x02014B50, 0x06054B50
_MAX32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class PackMember:
    """One Part 10 file in a pack; the offset is that of its first byte in the pack."""

    name: str
    offset_bytes: int
    length_bytes: int
    crc32: int


def members_of(pack: BlobReader) -> Iterator[PackMember]:
    """The members in order (APPNOTE.TXT 4.3.7). Raises PacsdError UNAVAILABLE if this is no whole pack of ours."""
    at = 0
    while True:
        head = pack.pread(_LOCAL.size, at)
        signature = int.from_bytes(head[:4], "little")
        if signature in (_CENTRAL_SIGNATURE, _END_SIGNATURE):
            return
        if signature != _LOCAL_SIGNATURE or len(head) < _LOCAL.size:
            raise _unreadable()
        _, _, flags, method, _, _, crc, size, _, name_bytes, extra_bytes = _LOCAL.unpack(head)
        if flags or method:
            raise _unreadable()
        rest = pack.pread(name_bytes + extra_bytes, at + _LOCAL.size)
        if size == _MAX32:
            if extra_bytes < 20 or len(rest) < name_bytes + 20:
                raise _unreadable()
            size = struct.unpack_from("<Q", rest, name_bytes + 4)[0]
        start = at + _LOCAL.size + name_bytes + extra_bytes
        if start + size > pack.size_bytes:
            raise _unreadable()
        yield PackMember(rest[:name_bytes].decode("ascii", "replace"), start, size, crc)
        at = start + size


def _unreadable() -> PacsdError:
    return PacsdError(Fault.UNAVAILABLE, "a pack cannot be read")
