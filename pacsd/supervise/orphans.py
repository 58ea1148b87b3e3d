"""Processes of an earlier PostgreSQL that outlived their supervisor."""

import contextlib
import os
import signal
import time
from pathlib import Path

from pacsd.faults import Fault, PacsdError


def stop_orphans(data: Path, *, timeout_s: float = 20.0) -> None:
    """End every PostgreSQL process that works in that data directory: fast, then hard.

    A postmaster gets `timeout_s` for its last checkpoint; what lost its postmaster has nothing left to save.

    The caller holds the lock of the directory, so that none of them has a supervisor. PostgreSQL refuses to
    start while one lives, because it is attached to the shared memory of the directory.
    Raises PacsdError UNAVAILABLE if one does not end.
    """
    found = _workers_in(data)
    orderly_s = timeout_s if _postmaster(data) in found else 0.5
    for kind, patience_s in ((signal.SIGINT, orderly_s), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + patience_s
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, kind)
        while found and time.monotonic() < deadline:
            time.sleep(0.02)
            found = _workers_in(data)
        if not found:
            return
    raise PacsdError(Fault.UNAVAILABLE, f"processes {found} of an earlier PostgreSQL do not end")


def _postmaster(data: Path) -> int | None:
    """The number in postmaster.pid, which may be stale."""
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _workers_in(data: Path) -> list[int]:
    """Numbers of the PostgreSQL processes whose working directory is `data` (the postmaster goes there)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.readlink(entry / "cwd") == str(data.resolve()) and _is_postgres(entry):
                found.append(int(entry.name))
    return found


def _is_postgres(process: Path) -> bool:
    program = os.readlink(process / "exe").removesuffix(" (deleted)")
    return os.path.basename(program) == "postgres" and not _is_zombie(process)


def _is_zombie(process: Path) -> bool:
    return ") Z" in (process / "stat").read_text()
