"""C-STORE: how long a sender waits."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.dcmtk import findscu, movescu, storescu, timed, write_query
from tests.bench.measures import Bench, Row, Samples, alternate
from tests.bench.peers import NODELAY, Server, storescp

REST_S = 3.0


def send(bench: Bench, side: str, folders: Sequence[Path], *, nodelay: bool = True) -> float:
    """Seconds to send folders, an association for each, to a fresh server that has been touched once and has rested."""
    with bench.fresh(side) as server:
        timed(storescu(server, bench.corpora.warm()))
        time.sleep(REST_S)  # servers run for months: what they do at their start is over
        os.sync()  # what another side left unwritten is not this one's burden
        return timed(*(storescu(server, folder) for folder in folders), nodelay=nodelay)


def one_association(bench: Bench) -> Samples:
    """500 CT, TCP_NODELAY at the sender."""
    folder = bench.corpora.ct()
    return alternate(bench, bench.available(ROWS[0].sides), lambda side: send(bench, side, [folder]))


def default_sockets(bench: Bench) -> Samples:
    """500 CT from a sender that leaves Nagle's algorithm on, as most modalities do."""
    folder = bench.corpora.ct()
    return alternate(
        bench,
        bench.available(ROWS[1].sides),
        lambda side: send(bench, side, [folder], nodelay=False),
        only_once=("orthanc-as-installed",),
    )


def two_associations(bench: Bench) -> Samples:
    """1,000 CT over two associations at once."""
    folders = [bench.corpora.ct(0), bench.corpora.ct(1)]
    return alternate(bench, bench.available(ROWS[2].sides), lambda side: send(bench, side, folders))


def small_objects(bench: Bench) -> Samples:
    """4,000 objects of 2.6 KB over one association."""
    folder = bench.corpora.small()
    return alternate(bench, bench.available(ROWS[3].sides), lambda side: send(bench, side, [folder]))


@contextmanager
def repeating(command: list[str]) -> Iterator[None]:
    """Run a client over and over beside what is measured, until it is done.

    Elsewhere it would have a machine of its own, so here it gets what the others leave of the processor.
    """
    script = 'while :; do "$@" >/dev/null 2>&1 || exit 1; done'
    process = subprocess.Popen(
        ["nice", "-n", "19", "bash", "-c", script, "busy", *command],
        env={**os.environ, **NODELAY},
        start_new_session=True,
    )
    try:
        time.sleep(0.5)  # a head start, so that the whole send runs beside it
        yield
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} beside the C-STORE failed")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.wait()


def beside(bench: Bench, command: str) -> Samples:
    """Ours alone: the same C-STORE quiet (a side of its own) and while a client keeps asking."""
    if not bench.available(["pacsd"]):
        return {}
    samples: Samples = {"pacsd": [], "quiet": []}
    parts = iter(range(100, 100 + 2 * bench.rounds))
    with bench.fresh("pacsd") as server, storescp(bench.folder / "sink", port=server.move_port, keep=False):
        timed(storescu(server, bench.corpora.queries()))
        timed(storescu(server, bench.corpora.series(0)))
        work = _long_query(bench, server) if command == "findscu" else _long_move(bench, server)
        for _ in range(bench.rounds):
            folder = bench.corpora.slices(16, next(parts), bench.corpora.scaled(300))
            samples["quiet"].append(timed(storescu(server, folder)))
            folder = bench.corpora.slices(16, next(parts), bench.corpora.scaled(300))
            with repeating(work):
                samples["pacsd"].append(timed(storescu(server, folder)))
    return samples


def _long_query(bench: Bench, server: Server) -> list[str]:
    every = write_query(bench.folder / "every.dcm")
    return findscu(server, [every])


def _long_move(bench: Bench, server: Server) -> list[str]:
    return movescu(server, bench.corpora.series_studies()[0].study_instance_uid)


ROWS = (
    Row(
        "store-one",
        "C-STORE 500 CT, one association",
        "s",
        one_association,
        sides=("pacsd", "orthanc", "storescp"),
        targets=(("orthanc", 3.0), ("storescp", 1 / 3)),
    ),
    Row(
        "store-default",
        "C-STORE 500 CT, default sockets at the sender",
        "s",
        default_sockets,
        sides=("pacsd", "orthanc", "orthanc-as-installed"),
        targets=(("orthanc", 3.0), ("orthanc-as-installed", 8.0)),
    ),
    Row(
        "store-two",
        "C-STORE 1,000 CT, two associations",
        "s",
        two_associations,
        sides=("pacsd", "orthanc", "storescp"),
        targets=(("orthanc", 1.8),),
    ),
    Row(
        "store-small",
        "C-STORE 4,000 x 2.6 KB",
        "s",
        small_objects,
        sides=("pacsd", "orthanc", "storescp"),
        targets=(("orthanc", 2.0),),
    ),
    Row(
        "store-find",
        "C-STORE 300 CT while C-FIND lists 4,000 studies",
        "s",
        lambda bench: beside(bench, "findscu"),
        sides=("pacsd", "quiet"),
        targets=(("quiet", 1 / 1.2),),
    ),
    Row(
        "store-move",
        "C-STORE 300 CT while C-MOVE sends 500 CT",
        "s",
        lambda bench: beside(bench, "movescu"),
        sides=("pacsd", "quiet"),
        targets=(("quiet", 1 / 1.2),),
    ),
)
