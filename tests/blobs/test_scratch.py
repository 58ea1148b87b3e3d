import os

import pytest

from pacsd.blobs.free_space import FreeSpace
from pacsd.blobs.scratch import Scratch
from pacsd.faults import Fault, PacsdError


def test_bytes_are_read_back_from_where_they_stand_and_leave_nothing(tmp_path):
    with Scratch(str(tmp_path), FreeSpace(str(tmp_path), reserve_bytes=0)) as scratch:
        scratch.write(b"abc")
        scratch.write(memoryview(bytes(3 << 20)))
        scratch.write(bytearray(b"end"))
        assert scratch.size_bytes == (3 << 20) + 6 and os.listdir(tmp_path) == []
        assert b"".join(scratch.read(1, 3)) == b"bc\0"
        chunks = list(scratch.read(0, scratch.size_bytes))
        assert b"".join(chunks) == b"abc" + bytes(3 << 20) + b"end" and max(map(len, chunks)) <= 1 << 20
        assert b"".join(scratch.read(scratch.size_bytes - 2, 10)) == b"nd"
    scratch.close()
    assert os.listdir(tmp_path) == []


def test_the_reserve_is_not_touched(tmp_path):
    with pytest.raises(PacsdError) as raised:
        Scratch(str(tmp_path), FreeSpace(str(tmp_path), reserve_bytes=2**62))
    assert raised.value.fault is Fault.FULL


def test_file_systems_without_nameless_files(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_TMPFILE")
    with Scratch(str(tmp_path), FreeSpace(str(tmp_path), reserve_bytes=0)) as scratch:
        scratch.write(b"abc")
        assert b"".join(scratch.read(0, 3)) == b"abc" and os.listdir(tmp_path) == []
