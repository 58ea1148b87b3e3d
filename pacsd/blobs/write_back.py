"""Telling the kernel to begin writing dirty pages, so that the sync that follows has less to wait for."""

import ctypes

_SYNC_FILE_RANGE_WRITE = 2               # sync_file_range(2): start, do not wait; promises nothing about durability

EARLY_BYTES = 128 * 1024         # so much at once begins its way to the disk before `commit` waits for it

_libc = ctypes.CDLL(None, use_errno=True)
_sync_file_range = getattr(_libc, "sync_file_range", None)       # Linux only
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def start_writing_back(descriptor: int, offset_bytes: int, length_bytes: int) -> None:
    """Begin to write a range of the file. Only a hint: errors are left for the sync to report."""
    if _sync_file_range is not None:
        _sync_file_range(descriptor, offset_bytes, length_bytes, _SYNC_FILE_RANGE_WRITE)


__all__ = ["EARLY_BYTES", "start_writing_back"]
