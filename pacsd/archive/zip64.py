"""Writing a ZIP of stored members without ever going back (APPNOTE.TXT 6.3.10, 4.3): what packs and downloads are.

Sizes and checksums are known beforehand, so local headers are final and no data descriptor is needed. ZIP64 fields
appear only where a size, an offset or the number of members asks for them: any unzip opens the rest.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<IIQI")
_END = struct.Struct("<IHHHHIIH")
_MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF
_REGULAR_FILE = 0o100640 << 16


@dataclass(frozen=True, slots=True)
class _Member:
    name: bytes
    dos_time: int
    dos_date: int
    crc32: int
    size_bytes: int
    header_at: int

    @property
    def big(self) -> bool:
        return self.size_bytes >= _MAX32


class StoredZip:
    """Calls `write` with the bytes of a ZIP, member by member. `at` counts the bytes so far."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._members: list[_Member] = []
        self.at = 0

    def begin(self, name: str, *, size_bytes: int, crc32: int, modified_at: datetime) -> int:
        """The local header of a member; where its bytes begin. Exactly `size_bytes` must follow by `write`."""
        member = _Member(name.encode(), *_dos(modified_at), crc32, size_bytes, self.at)
        size = _MAX32 if member.big else size_bytes
        extra = struct.pack("<HHQQ", 1, 16, size_bytes, size_bytes) if member.big else b""
        self.write(
            _LOCAL.pack(0x04034B50, 45 if member.big else 20, 0, 0, member.dos_time, member.dos_date, crc32,
                        size, size, len(member.name), len(extra)) + member.name + extra
        )
        self._members.append(member)
        return self.at

    def write(self, data: bytes) -> None:
        """Bytes of the member begun last."""
        self._write(data)
        self.at += len(data)

    def finish(self) -> None:
        """The central directory: after this the ZIP is whole."""
        directory_at = self.at
        for member in self._members:
            self.write(_central(member))
        self.write(_end(len(self._members), self.at - directory_at, directory_at))


def _central(member: _Member) -> bytes:
    extra = b""
    if member.big:
        extra += struct.pack("<QQ", member.size_bytes, member.size_bytes)
    if member.header_at >= _MAX32:
        extra += struct.pack("<Q", member.header_at)
    if extra:
        extra = struct.pack("<HH", 1, len(extra)) + extra
    size = min(member.size_bytes, _MAX32)
    return _CENTRAL.pack(
        0x02014B50, 3 << 8 | 45, 45 if extra else 20, 0, 0, member.dos_time, member.dos_date, member.crc32, size, size,
        len(member.name), len(extra), 0, 0, 0, _REGULAR_FILE, min(member.header_at, _MAX32),
    ) + member.name + extra


def _end(members: int, directory_bytes: int, directory_at: int) -> bytes:
    end = _END.pack(0x06054B50, 0, 0, min(members, _MAX16), min(members, _MAX16),
                    min(directory_bytes, _MAX32), min(directory_at, _MAX32), 0)
    if members < _MAX16 and directory_bytes < _MAX32 and directory_at < _MAX32:
        return end
    end64_at = directory_at + directory_bytes
    return b"".join((
        _END64.pack(
            0x06064B50, _END64.size - 12, 3 << 8 | 45, 45, 0, 0, members, members, directory_bytes, directory_at
        ),
        _LOCATOR64.pack(0x07064B50, 0, end64_at, 1),
        end,
    ))


def _dos(time: datetime) -> tuple[int, int]:
    year = min(max(time.year, 1980), 2107)
    return time.hour << 11 | time.minute << 5 | time.second // 2, (year - 1980) << 9 | time.month << 5 | time.day
