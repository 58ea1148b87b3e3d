"""An index that already holds 1,000,000 studies and 4,000,000 series of 21 organisations."""

from __future__ import annotations

import importlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import psycopg

from pacsd.index.migrate import migrate
from pacsd.supervise.cluster import Cluster
from tests.bench.dcmtk import findscu, storescu, timed, write_query
from tests.bench.load import Job, measure
from tests.bench.measures import Bench, Row, Samples, alternate
from tests.bench.peers import Server, only, served
from tests.bench.rows.memory import MEGABYTE, watched
from tests.soak.judge import ask_json

ORGANISATIONS = 21
STUDIES, SERIES_PER_STUDY = 1_000_000, 4
READER, ALL = "org01", "all"
Study = dict[str, dict[str, object]]


def configuration(*, web_organisation: str) -> str:
    """21 organisations, and one that reads them all; web clients read for one of them."""
    codes = [f"org{number:02d}" for number in range(1, ORGANISATIONS + 1)]
    tables = [f'[[organisations]]\ncode = "{code}"\n' for code in codes]
    tables.append(f'[[organisations]]\ncode = "{ALL}"\nreads = {codes}\n')
    tables.append(f'[[own_aes]]\ntitle = "READALL"\norganisation = "{ALL}"\n')
    web = f'[web]\norganisation = "{web_organisation}"\nmax_results = 10000000\n'
    return "".join(tables) + web + "[storage]\nquiet_s = 3600\n"


@contextmanager
def filled(bench: Bench) -> Iterator[Cluster]:
    """A PostgreSQL with the large index in it, made once a run and used by all rows of this file."""
    if "big" not in bench.clusters:
        folder = Path(tempfile.mkdtemp(prefix="big-", dir=bench.folder))
        folder.chmod(0o755)
        cluster = bench.stack.enter_context(Cluster(folder / "postgres"))
        migrate(cluster.dsn)
        began = time.monotonic()
        fill = importlib.import_module("tests.index.fill").fill
        studies = bench.corpora.scaled(STUDIES) if not bench.quick else 20_000
        fill(cluster.dsn, studies=studies, series=studies * SERIES_PER_STUDY, organisations=ORGANISATIONS)
        settle(cluster.dsn)
        bench.note(
            f"large index: {studies:,} studies with {SERIES_PER_STUDY} series each,"
            f" filled in {time.monotonic() - began:.0f} s"
        )
        bench.clusters["big"] = cluster
    yield bench.clusters["big"]


def settle(dsn: str) -> None:
    """As in an index that grew over years: what filling it left to do is done."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")


@contextmanager
def on_big_index(bench: Bench, *, web_organisation: str = READER) -> Iterator[Server]:
    """Ours on the large index."""
    folder = Path(tempfile.mkdtemp(prefix="pacsd-big-", dir=bench.folder))
    with (
        filled(bench) as cluster,
        served(
            folder,
            config=configuration(web_organisation=web_organisation),
            database=cluster.dsn,
            more_pids=(cluster.pid or 0,),
        ) as server,
    ):
        yield server


@contextmanager
def on_empty_index(bench: Bench) -> Iterator[Server]:
    """Ours on an empty index of the same kind."""
    folder = Path(tempfile.mkdtemp(prefix="pacsd-empty-", dir=bench.folder))
    folder.chmod(0o755)
    with (
        Cluster(folder / "postgres") as cluster,
        served(
            folder,
            config=configuration(web_organisation=READER),
            database=cluster.dsn,
            more_pids=(cluster.pid or 0,),
        ) as server,
    ):
        yield server


def store_beside_many(bench: Bench) -> Samples:
    """C-STORE of 300 CT with the large index, and with an empty one, in turn, while the other stands still."""
    parts = iter(range(200, 300))
    with on_big_index(bench) as big, on_empty_index(bench) as empty:
        servers = {"pacsd": big, "empty": empty}
        for server in servers.values():
            timed(storescu(server, bench.corpora.warm()))

        def once(side: str) -> float:
            folder = bench.corpora.slices(18, next(parts), bench.corpora.scaled(300))
            with only(servers, side) as server:
                return timed(storescu(server, folder))

        for side in servers:
            once(side)                   # both have made the room that they write into
        return alternate(bench, ("pacsd", "empty"), once, least=4)


def p95(bench: Bench, key: Callable[[Study], dict[str, str]]) -> Samples:
    """The 95th percentile of QIDO-RS for studies on two connections; keys are those of studies there."""
    with on_big_index(bench) as server:
        known = sample(server, bench)
        paths = [f"/dicom-web/studies?{urlencode(key(one))}" for one in known]
        measure(Job(server.http_port, paths[:20], connections=1, accept="application/dicom+json"))
        jobs = [
            Job(server.http_port, paths, connections=2, accept="application/dicom+json", least_bytes=100)
        ] * bench.rounds
        return {"pacsd": [measure(job).p95_s for job in jobs]}


def sample(server: Server, bench: Bench, *, count: int = 400) -> list[Study]:
    """Studies of the reader's organisation from all over the index."""
    draw, found = random.Random(51), []
    base = f"http://127.0.0.1:{server.http_port}/dicom-web/studies"
    total = (bench.corpora.scaled(STUDIES) if not bench.quick else 20_000) // ORGANISATIONS
    for _ in range(8):
        found += ask_json(f"{base}?limit={count // 8}&offset={draw.randrange(max(1, total - count))}")
    if not found:
        raise RuntimeError(f"no study is visible to {READER}")
    return found


def first(study: Study, tag: str) -> str:
    """The first value of an attribute as text; a Person Name's alphabetic group."""
    values = study.get(tag, {}).get("Value") or [""]
    value = values[0] if isinstance(values, Sequence) else ""
    return str(value.get("Alphabetic", "")) if isinstance(value, dict) else str(value)


def page(study: Study) -> dict[str, str]:
    """A work list page: a day and a modality, 50 at most."""
    modality = first(study, "00080061") or "CT"
    return {"StudyDate": first(study, "00080020"), "ModalitiesInStudy": modality, "limit": "50"}


def prefix(study: Study) -> dict[str, str]:
    """The beginning of a name: one Chinese character or four letters."""
    name = first(study, "00100010")
    return {"PatientName": name[: 4 if name.isascii() else 1] + "*", "limit": "50"}


def everything_by_web(bench: Bench) -> Samples:
    """MB on top while a QIDO-RS answer of every study streams."""
    with on_big_index(bench, web_organisation=ALL) as server:
        timed(findscu(server, [write_query(bench.folder / "none.dcm", PatientID="none such")]))
        measure(Job(server.http_port, ["/dicom-web/studies?limit=10"], connections=1))
        with watched(server) as watch:
            path = f"/dicom-web/studies?limit={2 * STUDIES}"
            load = measure(Job(server.http_port, [path], connections=1, accept="application/dicom+json"))
        bench.note(f"QIDO-RS of everything: {load.body_bytes / 1e6:,.0f} MB in {load.elapsed_s:.0f} s")
        return {"pacsd": [watch.growth_bytes / MEGABYTE]}


def everything_by_find(bench: Bench) -> Samples:
    """MB on top while a C-FIND lists every study."""
    with on_big_index(bench) as server:
        query = write_query(bench.folder / "all.dcm")
        with watched(server) as watch:
            command = ["READALL" if word == server.ae_title else word for word in findscu(server, [query])]
            elapsed = timed(command, timeout_s=1800)
        bench.note(f"C-FIND of everything: {elapsed:.0f} s")
        return {"pacsd": [watch.growth_bytes / MEGABYTE]}


def _latency(name: str, what: str, key: Callable[[Study], dict[str, str]]) -> Row:
    return Row(
        name,
        f"QIDO by {what}, 1,000,000 studies, p95",
        "s",
        lambda bench: p95(bench, key),
        sides=("pacsd",),
        targets=((None, 0.05),),
    )


ROWS = (
    Row(
        "big-store",
        "C-STORE 300 CT, 1,000,000 studies in the index",
        "s",
        store_beside_many,
        sides=("pacsd", "empty"),
        targets=(("empty", 0.9),),
    ),
    _latency("big-id", "PatientID", lambda one: {"PatientID": first(one, "00100020")}),
    _latency("big-accession", "AccessionNumber", lambda one: {"AccessionNumber": first(one, "00080050")}),
    _latency("big-page", "date and modality, a page of 50", page),
    _latency("big-name", "name prefix", prefix),
    Row(
        "big-memory-qido",
        "Memory on top: QIDO matching 1,000,000 studies",
        "MB",
        everything_by_web,
        sides=("pacsd",),
        targets=((None, 200.0),),
    ),
    Row(
        "big-memory-find",
        "Memory on top: C-FIND matching 1,000,000 studies",
        "MB",
        everything_by_find,
        sides=("pacsd",),
        targets=((None, 200.0),),
    ),
)
