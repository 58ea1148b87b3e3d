"""Modality worklist queries over 100,000 scheduled steps."""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pydicom import Dataset

from pacsd.index.migrate import migrate
from pacsd.supervise.cluster import Cluster
from tests.bench.find_client import seconds_each
from tests.bench.measures import Bench, Row, Samples
from tests.bench.peers import Server, served
from tests.index.fill_steps import DAYS, FIRST_DAY, STATIONS, fill_steps

STEPS = 100_000
MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
_STEP_KEYS = ("Modality", "ScheduledStationAETitle", "ScheduledProcedureStepStartDate",
              "ScheduledProcedureStepStartTime", "ScheduledProcedureStepID", "ScheduledProcedureStepDescription")
_KEYS = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyInstanceUID",
         "RequestedProcedureID", "RequestedProcedureDescription")  # fmt: skip


@contextmanager
def long_worklist(bench: Bench) -> Iterator[Server]:
    """Ours with a long worklist."""
    folder = Path(tempfile.mkdtemp(prefix="pacsd-worklist-", dir=bench.folder))
    folder.chmod(0o755)
    with Cluster(folder / "postgres") as cluster:
        migrate(cluster.dsn)
        with psycopg.connect(cluster.dsn, autocommit=True) as connection:
            made = connection.execute(
                "insert into organisation (code, name, assigning_authority) values ('default', '', 'default')"
                " returning pk"
            ).fetchone()
        fill_steps(cluster.dsn, steps=bench.corpora.scaled(STEPS), organisation=made[0] if made else 1)
        with served(folder, config="", database=cluster.dsn, more_pids=(cluster.pid or 0,)) as server:
            yield server


def query(**given: str) -> Dataset:
    """What a modality asks: the usual keys, some with values."""
    asked, step = Dataset(), Dataset()
    for keyword in _KEYS:
        setattr(asked, keyword, given.get(keyword, ""))
    for keyword in _STEP_KEYS:
        setattr(step, keyword, given.get(keyword, ""))
    asked.ScheduledProcedureStepSequence = [step]
    return asked


def station_and_day(draw: random.Random) -> Dataset:
    """A station's own list of a day, some eighty steps."""
    day = FIRST_DAY.replace(day=1 + draw.randrange(DAYS))
    return query(
        ScheduledStationAETitle=f"ST{draw.randrange(STATIONS):02d}", ScheduledProcedureStepStartDate=f"{day:%Y%m%d}"
    )


def patient(draw: random.Random) -> Dataset:
    """What is to be done for one patient."""
    return query(PatientID=f"{1 + draw.randrange(STEPS // 3):07d}")


def p95(bench: Bench, ask: Callable[[random.Random], Dataset]) -> Samples:
    """The 95th percentile of seconds from a request to its final response, 400 queries over one association."""
    draw, samples = random.Random(7), []
    with long_worklist(bench) as server:
        for turn in range(bench.rounds + 1):
            queries = [ask(draw) for _ in range(400)]
            times, answers = seconds_each(server.dicom_port, MODALITY_WORKLIST, queries, called=server.ae_title)
            if turn:
                samples.append(statistics.quantiles(times, n=20)[-1])
    bench.note(f"worklist: {answers / len(queries):.1f} items a query")
    return {"pacsd": samples}


def _row(name: str, what: str, ask: Callable[[random.Random], Dataset]) -> Row:
    return Row(
        name, f"Modality worklist by {what}, 100,000 steps, p95", "s", lambda bench: p95(bench, ask),
        sides=("pacsd",), targets=((None, 0.02),),
    )  # fmt: skip


ROWS = (
    _row("worklist-station", "station and day", station_and_day),
    _row("worklist-patient", "Patient ID", patient),
)
