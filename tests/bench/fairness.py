"""What a reader must know before believing the table."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from pathlib import Path


def sync_costs(folder: Path, *, count: int = 40, size_bytes: int = 525_000) -> dict[str, float]:
    """Median seconds for one new file: written, written and fdatasync'd, and its folder fsync'd too."""
    data = os.urandom(size_bytes)
    costs: dict[str, list[float]] = {
        "write": [],
        "write+fdatasync": [],
        "write+fdatasync+fsync of folder": [],
    }
    handle = os.open(folder, os.O_RDONLY)
    for number in range(count):
        for name, samples in costs.items():
            path = folder / f"sync-{number}"
            began = time.perf_counter()
            file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            os.write(file, data)
            if name != "write":
                os.fdatasync(file)
            os.close(file)
            if name.endswith("folder"):
                os.fsync(handle)
            samples.append(time.perf_counter() - began)
            path.unlink()
    os.close(handle)
    return {name: statistics.median(samples) for name, samples in costs.items()}


def versions() -> dict[str, str]:
    """Who took part, by the programs' own words."""
    found = {"python": platform.python_version(), "kernel": platform.release(), "cores": str(os.cpu_count())}
    for name, command in (("orthanc", ["Orthanc", "--version"]), ("dcmtk", ["storescp", "--version"])):
        try:
            found[name] = (
                subprocess.run(command, capture_output=True, text=True, check=False)
                .stdout.splitlines()[0]
                .strip()
            )
        except (FileNotFoundError, IndexError):
            found[name] = "not installed"
    return found


DURABILITY = (
    "pacsd: before success is sent the object is fdatasync'd, its folder fsync'd, and the index shows it.",
    "Orthanc 1.10.1 as Debian configures it: SyncStorageArea is on: each file is fsync'd, its folder is not;"
    " SQLite runs in WAL with synchronous=NORMAL: a power cut may lose the index rows of the last objects.",
    "storescp --bit-preserving: files go to the page cache, nothing is synced and nothing is indexed.",
)
