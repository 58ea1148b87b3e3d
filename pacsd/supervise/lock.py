"""One supervisor per data directory."""

import fcntl
import os
import time
from pathlib import Path

from pacsd.faults import Fault, PacsdError


class DirectoryLock:
    """An flock(2) on a file, held until `release`.

    Forked children share it, so that a new supervisor waits until the last process of a killed one is gone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, *, timeout_s: float = 3.0) -> None:
        """Raises PacsdError CONFLICT when another process holds it for longer than `timeout_s`."""
        if self._descriptor is not None:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + timeout_s
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                os.close(descriptor)
                raise PacsdError(Fault.CONFLICT, f"{self._path.parent} is in use by another pacsd (process {holder})")
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the next one in; nothing to do when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
