"""Servers that hold the same archive, loaded once and shared by the rows that only read."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from config.settings import load_settings
from pacsd.archive.services import open_archive
from pacsd.archive.upkeep import overlays
from pacsd.supervise.cluster import running_dsn
from tests.bench.dcmtk import storescu, timed
from tests.bench.measures import Bench
from tests.bench.peers import Server, orthanc, pacsd
from tests.bench.processes import free_port
from tests.synthetic import Study

QUIET_S = 2.0
CORRECTION = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Corrected^Name"}]}}


def archive(bench: Bench, side: str) -> Server:
    """The side's server with 4,000 small studies and eight series of 500 slices in it; packed, on ours."""
    if side not in bench.loaded:
        folder = Path(tempfile.mkdtemp(prefix=f"{side}-loaded-", dir=bench.folder))
        port = free_port()
        opened = (
            pacsd(folder, quiet_s=QUIET_S, move_port=port)
            if side == "pacsd"
            else orthanc(folder, move_port=port)
        )
        server = bench.stack.enter_context(opened)
        timed(storescu(server, bench.corpora.queries()))
        for number in range(len(bench.corpora.series_studies())):
            timed(storescu(server, bench.corpora.series(number)))
            timed(storescu(server, bench.corpora.rich(number)))
        if side == "pacsd":
            wait_packed(
                server, series=2 * len(bench.corpora.series_studies()) + len(bench.corpora.query_studies())
            )
            correct(server, [*bench.corpora.series_studies(), *bench.corpora.rich_studies()])
        bench.loaded[side] = server
    return bench.loaded[side]


def correct(server: Server, studies: Sequence[Study]) -> None:
    """Put an overlay on each of these studies of ours: metadata is measured as it is after a correction."""
    settings = load_settings(server.folder / "data.toml", {"data_dir": server.folder / "data"})
    archive = open_archive(settings, running_dsn(server.folder / "data" / "postgres"))
    try:
        for one in studies:
            overlays(settings, archive).set_study_overlay(
                organisation="default", study_instance_uid=one.study_instance_uid, attributes=CORRECTION
            )
    finally:
        archive.close()


def packs(server: Server) -> int:
    """How many packs lie in the data directory of ours."""
    return sum(1 for _ in (server.folder / "data").rglob("*.zip"))


def wait_packed(server: Server, *, series: int, timeout_s: float = 300) -> None:
    """Wait until every series has its pack. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while packs(server) < series:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{packs(server)} of {series} series packed after {timeout_s} s")
        time.sleep(0.5)
