"""ZIPs that any program opens, small and beyond the limits of 32 and 16 bits."""

import io
import os
import subprocess
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pacsd.archive.zip64 import StoredZip
from tests.clients import require

AT = datetime(2026, 3, 4, 5, 6, 8, tzinfo=UTC)


def stored(members: dict[str, bytes]) -> tuple[bytes, dict[str, int]]:
    out, offsets = io.BytesIO(), {}
    archive = StoredZip(lambda data: out.write(data) and None)
    for name, data in members.items():
        offsets[name] = archive.begin(name, size_bytes=len(data), crc32=zlib.crc32(data), modified_at=AT)
        archive.write(data)
    archive.finish()
    assert archive.at == len(out.getvalue())
    return out.getvalue(), offsets


@pytest.mark.parametrize("count", [0, 1, 300, 70_000])
def test_zipfile_reads_what_was_stored_where_we_say(count: int) -> None:
    members = {f"1.2.{number}.dcm": bytes([number % 256]) * (number % 50) for number in range(count)}
    data, offsets = stored(members)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(members)
        if count:
            assert archive.infolist()[0].date_time == (2026, 3, 4, 5, 6, 8)
    for name, content in members.items():
        assert data[offsets[name] : offsets[name] + len(content)] == content


def test_unzip_opens_it(tmp_path: Path) -> None:
    require("unzip")
    path = tmp_path / "pack.zip"
    path.write_bytes(stored({"1.2.3.dcm": b"one", "1.2.4.dcm": os.urandom(100_000)})[0])
    subprocess.run(["unzip", "-tq", str(path)], check=True, capture_output=True)


def test_members_and_offsets_beyond_four_gigabytes(tmp_path: Path) -> None:
    big = (4 << 30) + 1000
    path = tmp_path / "big.zip"
    with path.open("wb") as out:                       # a hole stands for the big member's zeros
        archive = StoredZip(lambda data: out.write(data) and None)
        start = archive.begin("big.dcm", size_bytes=big, crc32=0, modified_at=AT)
        out.seek(big, os.SEEK_CUR)
        archive.at += big
        last = archive.begin("last.dcm", size_bytes=4, crc32=zlib.crc32(b"last"), modified_at=AT)
        archive.write(b"last")
        archive.finish()
    with zipfile.ZipFile(path) as read:
        assert [info.file_size for info in read.infolist()] == [big, 4]
        assert read.read("last.dcm") == b"last"
    assert start < 100 and last > 4 << 30
