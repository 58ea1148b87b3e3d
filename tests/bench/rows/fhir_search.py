"""FHIR searches in a store of 1,000,000 resources of 21 organisations."""

from __future__ import annotations

import importlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pacsd.index.migrate import migrate
from pacsd.supervise.cluster import Cluster
from tests.bench.load import Job, measure
from tests.bench.measures import Bench, Row, Samples
from tests.bench.peers import Server, served

ORGANISATIONS = 21
RESOURCES = 1_000_000
READER = 7                               # the number of the organisation that reads
SYSTEM = "http://hospital"
CONNECTIONS = 8
QUERIES = 1_500


def configuration() -> str:
    """21 organisations; web clients read for one of them."""
    tables = [f'[[organisations]]\ncode = "org{number}"\n' for number in range(1, ORGANISATIONS + 1)]
    return "".join(tables) + f'[web]\norganisation = "org{READER}"\n'


def resources(bench: Bench) -> int:
    """How many there are."""
    return 20_000 if bench.quick else bench.corpora.scaled(RESOURCES)


@contextmanager
def filled(bench: Bench) -> Iterator[Cluster]:
    """A PostgreSQL with the large store in it, made once a run and used by all rows of this file."""
    if "fhir" not in bench.clusters:
        folder = Path(tempfile.mkdtemp(prefix="fhir-", dir=bench.folder))
        folder.chmod(0o755)
        cluster = bench.stack.enter_context(Cluster(folder / "postgres"))
        migrate(cluster.dsn)
        began, count = time.monotonic(), resources(bench)
        importlib.import_module("tests.fhir.store.fill").fill(
            cluster.dsn, resources=count, organisations=ORGANISATIONS)  # fmt: skip
        bench.note(f"large FHIR store: {count:,} resources, filled in {time.monotonic() - began:.0f} s")
        bench.clusters["fhir"] = cluster
    yield bench.clusters["fhir"]


@contextmanager
def on_large_store(bench: Bench) -> Iterator[Server]:
    """Ours on the large store."""
    folder = Path(tempfile.mkdtemp(prefix="pacsd-fhir-", dir=bench.folder))
    with (
        filled(bench) as cluster,
        served(folder, config=configuration(), database=cluster.dsn, more_pids=(cluster.pid or 0,)) as server,
    ):
        yield server


def p95(bench: Bench, query: Callable[[int], str], *, least_bytes: int) -> Samples:
    """The 95th percentile at eight connections; queries are about patients of the reader from all over the store."""
    draw, patients = random.Random(52), resources(bench) // 10
    known = [READER - 1 + ORGANISATIONS * draw.randrange(patients // ORGANISATIONS - 1) for _ in range(QUERIES)]
    paths = [f"/fhir/{query(one)}" for one in known]
    with on_large_store(bench) as server:
        measure(Job(server.http_port, paths[:100], connections=CONNECTIONS))
        jobs = [Job(server.http_port, paths, connections=CONNECTIONS, least_bytes=least_bytes)] * bench.rounds
        loads = [measure(job) for job in jobs]
    bench.note(f"{query(0).partition('=')[0]}: {max(load.per_second for load in loads):,.0f} searches/s")
    return {"pacsd": [load.p95_s for load in loads]}


def _latency(name: str, what: str, query: Callable[[int], str], most_s: float, *, least_bytes: int = 600) -> Row:
    return Row(
        name,
        f"FHIR {what}, 1,000,000 resources, p95 at 8 connections",
        "s",
        lambda bench: p95(bench, query, least_bytes=least_bytes),
        sides=("pacsd",),
        targets=((None, most_s),),
    )


ROWS = (
    _latency("fhir-token", "search by identifier", lambda one: f"Patient?identifier={SYSTEM}|P{one}", 0.010),
    _latency(
        "fhir-chain",
        "chained search of studies by the patient's identifier",
        lambda one: f"ImagingStudy?patient.identifier={SYSTEM}|P{one}",
        0.020,
    ),
    _latency(
        "fhir-include",
        "page of 50 with what it includes both ways",
        lambda one: f"ImagingStudy?started=le{2020 - one % 9}-01-01&_include=ImagingStudy:patient"
        "&_include=ImagingStudy:encounter&_count=50",
        0.030,
        least_bytes=20_000,
    ),
)
