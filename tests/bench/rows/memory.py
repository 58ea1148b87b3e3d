"""Memory: the sum of proportional set sizes of all processes of a server, PostgreSQL's included."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.archives import wait_packed
from tests.bench.dcmtk import storescu, timed
from tests.bench.load import Job, measure
from tests.bench.measures import Bench, Row, Samples
from tests.bench.peers import Server, pacsd
from tests.bench.processes import pss_bytes
from tests.bench.rows.retrieve import OCTETS

MEGABYTE = 1_000_000


class Watch:
    """The highest sum of PSS seen by a thread that looks four times a second."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = threading.Event()
        self.before_bytes = pss_bytes(server.pid, *server.more_pids)
        self.peak_bytes = self.before_bytes

    def look(self) -> None:
        """Look until told to stop."""
        while not self._over.wait(0.25):
            self.peak_bytes = max(self.peak_bytes, pss_bytes(self._server.pid, *self._server.more_pids))

    def stop(self) -> None:
        """No further looks."""
        self._over.set()

    @property
    def growth_bytes(self) -> int:
        """Peak above what there was at the beginning."""
        return self.peak_bytes - self.before_bytes


@contextmanager
def watched(server: Server) -> Iterator[Watch]:
    """Watch a server's memory while the block runs."""
    watch = Watch(server)
    thread = threading.Thread(target=watch.look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop()
        thread.join()


def parallel_ingest(bench: Bench) -> Samples:
    """Peak MB while four senders send 500 CT each."""
    samples: Samples = {}
    folders = [bench.corpora.ct(part) for part in range(4)]
    for side in bench.available(("pacsd", "orthanc")):
        with bench.fresh(side) as server, watched(server) as watch:
            timed(*(storescu(server, folder) for folder in folders))
            samples[side] = [watch.peak_bytes / MEGABYTE]
    return samples


def large_object(bench: Bench) -> Samples:
    """MB on top while an object of 3 GB is received, packed and served frame by frame."""
    if not bench.available(["pacsd"]):
        return {}
    path, of, frames = bench.corpora.large()
    with pacsd(bench.folder / "large", quiet_s=1.0) as server:
        timed(storescu(server, bench.corpora.warm()))
        with watched(server) as watch:
            timed(storescu(server, path.parent), timeout_s=1200)
            received = watch.growth_bytes
            wait_packed(server, series=2)
            packed = watch.growth_bytes
            base = f"/dicom-web/studies/{of.study_instance_uid}/series/{of.series_instance_uid(1)}"
            paths = [f"{base}/instances/{of.sop_instance_uid(1, 1)}/frames/{n}" for n in range(1, frames + 1)]
            measure(Job(server.http_port, paths, connections=4, accept=OCTETS))
        bench.note(
            f"large object, {path.stat().st_size / 1e9:.2f} GB: +{received / MEGABYTE:.0f} MB received,"
            f" +{packed / MEGABYTE:.0f} MB packed, +{watch.growth_bytes / MEGABYTE:.0f} MB served"
        )
        return {"pacsd": [watch.growth_bytes / MEGABYTE]}


ROWS = (
    Row(
        "memory-ingest",
        "Memory, peak during four parallel ingests",
        "MB",
        parallel_ingest,
        targets=((None, 700.0),),
    ),
    Row(
        "memory-large",
        "Memory on top: 3 GB object received, packed, served by frame",
        "MB",
        large_object,
        sides=("pacsd",),
        targets=((None, 200.0),),
    ),
)
