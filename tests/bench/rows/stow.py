"""STOW-RS: megabytes a second of CT slices."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.bench.measures import Bench, Row, Samples, alternate
from tests.bench.rows.store import REST_S
from tests.bench.upload import timed

BOTH = ("pacsd", "orthanc")
MEGABYTE = 1e6
TARGET = (("orthanc", 3.0),)


def megabytes_per_second(bench: Bench, side: str, folders: Sequence[Path], per_request: int) -> float:
    """Of folders, a client for each, to a fresh server that has been touched once and has rested."""
    size = sum(one.stat().st_size for folder in folders for one in folder.iterdir())
    with bench.fresh(side) as server:
        timed(server.http_port, 3, [bench.corpora.warm()])
        time.sleep(REST_S)
        os.sync()
        return size / MEGABYTE / timed(server.http_port, per_request, folders)


def stow(bench: Bench, *, clients: int, per_request: int) -> Samples:
    """500 CT a client, so many in a request."""
    folders = [bench.corpora.ct(part) for part in range(clients)]
    return alternate(
        bench, bench.available(BOTH), lambda side: megabytes_per_second(bench, side, folders, per_request)
    )


def _row(name: str, title: str, *, clients: int, per_request: int) -> Row:
    measured = partial(stow, clients=clients, per_request=per_request)
    return Row(name, title, "MB/s", measured, higher_is_better=True, targets=TARGET)


ROWS = (
    _row("stow", "STOW-RS of 500 CT in one request", clients=1, per_request=500),
    _row("stow-50", "STOW-RS of 500 CT, 50 in a request", clients=1, per_request=50),
    _row("stow-two", "STOW-RS of 1,000 CT, two clients", clients=2, per_request=50),
)
