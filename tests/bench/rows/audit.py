"""What it costs to know who asks and to record it, and how fast 1,000,000 records are searched.

The same server with tokens asked for and every access on record, beside one with neither; while one of the two is
measured the other stands still.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import httpx
import psycopg

from pacsd.audit.codes import Action, Event, Kind
from pacsd.audit.keys import keys
from pacsd.audit.message import Agent, AuditMessage, AuditObject, encoded, patient
from pacsd.index.migrate import migrate
from pacsd.supervise.cluster import Cluster
from tests.bench.archives import QUIET_S, packs, wait_packed
from tests.bench.dcmtk import storescu, timed
from tests.bench.load import Job, measure
from tests.bench.measures import Bench, Row, Samples, alternate
from tests.bench.peers import Server, only, served
from tests.bench.rows.query import JSON
from tests.bench.rows.retrieve import FRAME, OCTETS, series_path

ON, OFF = "pacsd", "off"
CLIENT = "bench"
CONFIGURATIONS = {
    ON: """[security]
authentication = "required"
[security.oauth]
enabled = true
[[remote_aes]]
title = "BENCH"
host = "127.0.0.1"
port = 104
organisation = "default"
addresses = ["127.0.0.1"]
""",
    OFF: """[audit]
record = false
""",
}
EVENTS, DAYS, DAILY = 1_000_000, 25, 2                   # a patient is looked at twice a day
FIRST_DAY = datetime(2026, 11, 1, tzinfo=UTC)
AUTHORITY, SYSTEM = "HOSPITAL", "urn:pacsd:authority:HOSPITAL"
SEARCHES, LEAST_BYTES = 1_500, 600


def both(bench: Bench) -> dict[str, Server]:
    """The two servers with the same in them: 4,000 small studies, and one of 500 slices."""
    found = {}
    for side, configuration in CONFIGURATIONS.items():
        name = f"audit-{side}"
        if name not in bench.loaded:
            folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=bench.folder))
            config = f"{configuration}[storage]\nquiet_s = {QUIET_S}\n"
            server = bench.stack.enter_context(served(folder, config=config))
            timed(storescu(server, bench.corpora.queries()))
            timed(storescu(server, bench.corpora.series(0)))
            wait_packed(server, series=1 + len(bench.corpora.query_studies()))
            bench.loaded[name] = server
        found[side] = bench.loaded[name]
    return found


def token(server: Server) -> str:
    """An access token of a program that may read everything; it is registered at first."""
    secret = server.folder / "secret"
    if not secret.exists():
        command = [sys.executable, "-m", "pacsd", "clients", "add", CLIENT, "--method", "client_secret_basic",
                   "--scope", "system/*.rs", "--config", str(server.folder / "data.toml"),
                   "--data", str(server.folder / "data")]  # fmt: skip
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        secret.write_text(re.findall(r"secret: (\S+)", told)[0])
    answer = httpx.post(
        f"http://127.0.0.1:{server.http_port}/oauth/token", auth=(CLIENT, secret.read_text()),
        data={"grant_type": "client_credentials", "scope": "system/*.rs"},
    )  # fmt: skip
    return str(answer.raise_for_status().json()["access_token"])


def per_second(
    bench: Bench, paths: Callable[[int], list[str]], *, accept: str, least_bytes: int, count: int
) -> Samples:
    """Answers a second on eight connections; `paths` of each round."""
    servers, turns = both(bench), {ON: 0, OFF: 0}

    def once(side: str) -> float:
        turns[side] += 1
        with only(servers, side) as server:
            proof = token(server) if side == ON else ""
            asked = paths(turns[side])[:count]
            warm = Job(server.http_port, paths(0)[: count // 10], accept=accept, token=proof)
            measure(warm)
            return measure(
                Job(server.http_port, asked, accept=accept, least_bytes=least_bytes, token=proof)
            ).per_second

    return alternate(bench, (ON, OFF), once)


def qido(bench: Bench) -> Samples:
    """Searches by PatientID of which none is asked twice, so that each is a record of its own."""
    studies = random.Random(61).sample(bench.corpora.query_studies(), bench.corpora.scaled(4000))

    def paths(turn: int) -> list[str]:
        return [f"/dicom-web/studies?{urlencode({'PatientID': one.patient_id, 'limit': 100 + turn})}"
                for one in studies]  # fmt: skip

    return per_second(bench, paths, accept=JSON, least_bytes=400, count=len(studies))


def frames(bench: Bench) -> Samples:
    """Frames of 525 KB of any instance of a series, which one agent's accesses are counted of."""
    draw, of = random.Random(62), bench.corpora.series_studies()[0]
    numbers = [draw.randint(1, bench.corpora.scaled(500)) for _ in range(bench.corpora.scaled(3000))]
    paths = [f"{series_path(of)}/instances/{of.sop_instance_uid(1, n)}/frames/1" for n in numbers]
    return per_second(bench, lambda _turn: paths, accept=OCTETS, least_bytes=FRAME, count=len(paths))


def store(bench: Bench) -> Samples:
    """Seconds of C-STORE of twice 300 CT, over one association each.

    What they leave to be done, packing above all, is done before the next turn: it would else fall into a later one of
    the same side, sometimes.
    """
    servers = both(bench)
    parts = {side: iter(range(100)) for side in servers}

    def once(side: str) -> float:
        folders = [bench.corpora.slices(63, next(parts[side]), bench.corpora.scaled(300)) for _ in range(2)]
        with only(servers, side) as server:
            there = packs(server)
            took = sum(timed(storescu(server, folder)) for folder in folders)
            wait_packed(server, series=there + len(folders))
            return took

    return alternate(bench, (ON, OFF), once, least=5)


def rows(count: int) -> Iterator[tuple[int, datetime, str, frozenset[str]]]:
    """Number, time, body and keys of events: twenty users read studies of patients, each of them twice a day."""
    draw, patients = random.Random(64), count // (DAYS * DAILY)
    agents = [Agent(f"user{n}", requestor=True, organisation="default", address=f"10.1.0.{n}", client="viewer")
              for n in range(20)]  # fmt: skip
    for number in range(1, count + 1):
        who = draw.randrange(patients)
        at = FIRST_DAY + timedelta(days=DAYS * (number - 1) / count)
        message = AuditMessage(
            Event.TRANSFERRED, Action.READ, at, agents=(draw.choice(agents), Agent("PACSD")),
            objects=(patient(AUTHORITY, f"P{who}"), AuditObject(Kind.STUDY, f"1.2.826.0.1.{who}", accession=f"A{who}")),
        )  # fmt: skip
        yield number, at, encoded(message).decode(), keys(message, frozenset({"default"}))


def fill(dsn: str, count: int) -> None:
    """Events with their keys, by COPY."""
    with psycopg.connect(dsn, autocommit=True) as events, psycopg.connect(dsn, autocommit=True) as found:
        events.execute("alter table audit_key drop constraint audit_key_pkey")
        columns = "pk, recorded, writer, number, event, action, outcome, body"
        with (
            events.cursor().copy(f"copy audit_event ({columns}) from stdin") as copy,
            found.cursor().copy("copy audit_key (key, recorded, event) from stdin") as copy_keys,
        ):
            for number, at, body, several in rows(count):
                copy.write_row((number, at, "BENCH", number, Event.TRANSFERRED.value.code, "R", 0, body))
                for key in several:
                    copy_keys.write_row((key, at, number))
        events.execute("alter table audit_key add primary key (key, recorded, event)")
        events.execute(f"alter table audit_event alter pk restart with {count + 1}")
        events.execute("vacuum analyze audit_event")
        events.execute("vacuum analyze audit_key")


def search(bench: Bench) -> Samples:
    """Seconds within which 95 of 100 searches are answered, on eight connections; each is itself recorded."""
    draw, count = random.Random(65), 20_000 if bench.quick else EVENTS
    folder = Path(tempfile.mkdtemp(prefix="audit-search-", dir=bench.folder))
    folder.chmod(0o755)
    with Cluster(folder / "postgres") as cluster:
        migrate(cluster.dsn)
        began = time.monotonic()
        fill(cluster.dsn, count)
        bench.note(f"records: {count:,} events, filled in {time.monotonic() - began:.0f} s")
        with served(folder, config="", database=cluster.dsn, more_pids=(cluster.pid or 0,)) as server:
            patients = count // (DAYS * DAILY)
            measure(Job(server.http_port, [_search(draw, patients) for _ in range(100)]))
            paths = [[_search(draw, patients) for _ in range(SEARCHES)] for _ in range(bench.rounds)]
            loads = [measure(Job(server.http_port, one, least_bytes=LEAST_BYTES)) for one in paths]
    bench.note(f"audit-search: {max(load.per_second for load in loads):,.0f} searches/s")
    return {ON: [load.p95_s for load in loads]}


def _search(draw: random.Random, patients: int) -> str:
    day = FIRST_DAY + timedelta(days=draw.randrange(DAYS))
    asked = {"patient.identifier": f"{SYSTEM}|P{draw.randrange(patients)}", "date": f"{day:%Y-%m-%d}"}
    return f"/fhir/AuditEvent?{urlencode(asked)}"


def _cost(name: str, what: str, unit: str, measured: Callable[[Bench], Samples], *, higher_is_better: bool) -> Row:
    title = f"{what}, tokens and records on, beside off"
    return Row(name, title, unit, measured, higher_is_better=higher_is_better, sides=(ON, OFF), targets=((OFF, 0.9),))


ROWS = (
    Row("audit-search", f"ITI-81 by patient and day, {EVENTS:,} events, p95 at 8 connections", "s", search,
        sides=(ON,), targets=((None, 0.05),)),
    _cost("audit-cost-store", "C-STORE 600 CT", "s", store, higher_is_better=False),
    _cost("audit-cost-qido", "QIDO by PatientID, none asked twice", "1/s", qido, higher_is_better=True),
    _cost("audit-cost-frames", "WADO-RS frame (525 KB)", "1/s", frames, higher_is_better=True),
)  # fmt: skip
