"""HL7 v2: ADT messages committed before they are acknowledged, and reading alone beside python-hl7's parser."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.measures import Bench, Row, Samples, alternate
from tests.bench.mllp import acknowledged_per_second, adt, oru

ROOT = Path(__file__).resolve().parents[3]
PYTHON_HL7 = "hl7==0.4.5"
EVERYBODY = 10_000_000                       # patients: each message speaks of another, so each changes something


def patients(numbers: Iterator[int]) -> Iterator[bytes]:
    """Messages that each state a new patient."""
    return adt(numbers, event="A04", patients=EVERYBODY)


def received(
    bench: Bench, *, connections: int, count: int, made: Callable[[Iterator[int]], Iterator[bytes]] = patients
) -> Samples:
    """Messages a second; each says something new: a log entry, a fact in the journal, rows, all synced."""
    numbers = itertools.count(1)
    samples: Samples = {"pacsd": []}
    with bench.fresh("pacsd") as server:
        for turn in range(bench.rounds + 1):
            some = count if turn else count // 5                                     # the first is to warm up
            messages = list(itertools.islice(made(numbers), bench.corpora.scaled(some)))
            rate = acknowledged_per_second(server.mllp_port, messages, connections=connections)
            samples["pacsd"] += [rate] if turn else []
        samples["fsync"] = [syncs_per_second(server.folder) for _ in range(bench.rounds)]
    bench.note("fsync: how often a second one process appends 8 KiB and syncs them, on the same disk in the same run")
    return samples


def syncs_per_second(folder: Path, *, count: int = 200) -> float:
    """What the disk gives to one writer that waits for each of its syncs."""
    path = folder / "syncs"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        began = time.perf_counter()
        for _ in range(count):
            os.write(descriptor, b"x" * 8192)
            os.fdatasync(descriptor)
        return count / (time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()


def parsed(bench: Bench) -> Samples:
    """Messages a second, five values read of each, in a process of its own."""
    folder = bench.folder / "python-hl7"
    sides = ["pacsd"]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), PYTHON_HL7]
    if subprocess.run(install, capture_output=True, check=False).returncode == 0:
        sides.append("python-hl7")
    else:
        bench.note(f"{PYTHON_HL7} could not be installed")
    count = str(bench.corpora.scaled(20_000))
    return alternate(bench, sides, lambda side: rate(side, count, folder))


def rate(side: str, count: str, folder: Path) -> float:
    """What `tests.bench.parse_hl7` says of a side; python-hl7 must come before our package of the same name."""
    path = f"{folder}{os.pathsep}{ROOT}" if side == "python-hl7" else str(ROOT)
    command = [sys.executable, "-S", "-P", "-m", "tests.bench.parse_hl7", side, count]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    return float(done.stdout)


ROWS = (
    Row(
        "hl7-one",
        "ADT messages, committed before ACK, one connection",
        "1/s",
        lambda b: received(b, connections=1, count=1000),
        higher_is_better=True,
        sides=("pacsd", "fsync"),
        targets=((None, 300.0),),
    ),
    Row(
        "hl7-eight",
        "ADT messages, committed before ACK, eight connections",
        "1/s",
        lambda b: received(b, connections=8, count=4000),
        higher_is_better=True,
        sides=("pacsd", "fsync"),
        targets=((None, 1000.0),),
    ),
    Row(
        "oru",
        "reports by ORU, committed before ACK, eight connections",
        "1/s",
        lambda b: received(b, connections=8, count=2000, made=oru),
        higher_is_better=True,
        sides=("pacsd", "fsync"),
    ),
    Row(
        "hl7-parse",
        "ADT messages, read only",
        "1/s",
        parsed,
        higher_is_better=True,
        sides=("pacsd", "python-hl7"),
    ),
)
