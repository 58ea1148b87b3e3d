"""Who is one person: how long it takes to match a patient against a million, and how well it is done."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import psycopg

from pacsd.codec.text import name_keys
from pacsd.identity import blocking
from pacsd.identity.linking import Linker
from pacsd.identity.matching import Thresholds
from pacsd.identity.traits import Traits, traits
from pacsd.index import identity_links
from pacsd.index.connect import pool
from pacsd.index.migrate import migrate
from pacsd.supervise.cluster import Cluster
from tests.bench.measures import Bench, Row, Samples
from tests.identity.populations import Entry, hostile, ordinary
from tests.identity.quality import measured

PATIENTS = 1_000_000
ASKED = 400                              # a round
FAMILIES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰涛明超霞平刚桂英华玉萍红玲建国志文海波宁云鹏飞晓雨梓涵欣怡佳浩宇轩"


def people(count: int) -> Iterator[Entry]:
    """As many patients, births spread over 85 years, names as common as they are."""
    draw = random.Random("a million")
    for human in range(count):
        name = f"{draw.choice(FAMILIES)}^{draw.choice(GIVEN)}{draw.choice(GIVEN) if draw.random() < 0.8 else ''}"
        born = date(1940, 1, 1) + timedelta(days=draw.randrange(31_000))
        yield Entry(
            human, name, born, draw.choice("MF"), f"1{draw.randrange(10**10):010d}", f"路{draw.randrange(10**5)}号",
            health_card=f"EHC{human:012d}" if draw.random() < 0.7 else "",
        )  # fmt: skip


def fill(dsn: str, count: int) -> None:
    """Patients with their keys, by COPY; nothing is due."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("insert into organisation (code, name, assigning_authority) values ('o', 'o', 'A')")
        cursor.execute("drop index match_key_patient")
        cursor.execute("alter table match_key drop constraint match_key_pkey")
        with cursor.copy("copy patient (assigning_authority, patient_id) from stdin") as copy:
            for number in range(count):
                copy.write_row(("A", f"P{number}"))
        cursor.execute("""create temporary table filled (n bigint, name text, born date, sex text, phone text,
            address text, card text)""")
        keys: list[tuple[int, int]] = []
        with cursor.copy("copy filled from stdin") as copy:
            for number, one in enumerate(people(count)):
                copy.write_row((number, one.name, one.birth_date, one.sex, one.phone, one.address, one.health_card))
                keys += [(key, number) for key in blocking.keys(compared(one, number))]
        cursor.execute("""insert into patient_record (patient, organisation, due, announced, assigning_authority,
                patient_id, name, birth_date, sex, phone, address, health_card)
            select p.pk, 1, false, true, 'A', p.patient_id, f.name, f.born, f.sex, f.phone, f.address, f.card
            from filled f join patient p on p.patient_id = 'P' || f.n""")
        first = cursor.execute("select min(pk) from patient").fetchone()
        offset = first[0] if first else 0
        with cursor.copy("copy match_key from stdin") as copy:
            for key, number in keys:
                copy.write_row((key, number + offset))
        cursor.execute("alter table match_key add primary key (key, patient)")
        cursor.execute("create index match_key_patient on match_key (patient)")
        cursor.execute("analyze patient_record, match_key, patient")


@lru_cache(maxsize=100_000)
def reading(name: str) -> str:
    """The letters of a name."""
    return name_keys(name).pinyin.replace(" ", "")


def compared(one: Entry, number: int) -> Traits:
    """As `traits` makes it, which takes long for a million."""
    return Traits(
        number, "A", f"P{number}", 1, one.name.replace("^", ""), (), reading(one.name), False, one.birth_date, one.sex,
        one.phone, one.address, None, one.health_card, "", "", False,
    )  # fmt: skip


def matched(bench: Bench) -> Samples:
    """Milliseconds until it is known who may be the same person; of each round the 95th percentile."""
    count = bench.corpora.scaled(PATIENTS) if not bench.quick else 20_000
    folder = Path(tempfile.mkdtemp(prefix="empi-", dir=bench.folder))
    folder.chmod(0o755)
    with Cluster(folder / "postgres") as cluster:
        migrate(cluster.dsn)
        began = time.monotonic()
        fill(cluster.dsn, count)
        bench.note(f"matching: {count:,} patients, filled in {time.monotonic() - began:.0f} s")
        with pool(cluster.dsn, max_size=2) as made:
            linker = Linker(made, lambda facts: None, Thresholds())
            draw, rounds, known = random.Random(1), [], []
            with made.connection() as connection:
                for _ in range(bench.rounds + 1):
                    asked = [arrival(draw, row) for row in drawn(connection, draw, count)]
                    rounds.append([timed(linker, connection, one) for one in asked])
                    known.append(sum(likely > 0 for _, likely in rounds[-1]) / ASKED)
    bench.note(f"matching: {statistics.mean(known):.1%} of the arrivals led to somebody likely")
    return {"pacsd": [statistics.quantiles([taken for taken, _ in one], n=20)[-1] for one in rounds[1:]]}


def drawn(
    connection: psycopg.Connection[tuple[object, ...]], draw: random.Random, count: int
) -> Sequence[identity_links.Row]:
    """What is stated of patients that are there."""
    first = connection.execute("select min(pk) from patient").fetchone()
    offset = int(str(first[0])) if first else 0
    return identity_links.records(connection, [offset + draw.randrange(count) for _ in range(ASKED)])


def arrival(draw: random.Random, row: identity_links.Row) -> Traits:
    """The same human as another hospital writes it down: a new patient, a mistyped date, another phone."""
    born = row["birth_date"].replace(day=draw.randint(1, 28)) if draw.random() < 0.1 else row["birth_date"]
    phone = f"1{draw.randrange(10**10):010d}" if draw.random() < 0.3 else row["phone"]
    return traits({**row, "patient": 0, "patient_id": "new", "birth_date": born, "phone": phone})


def timed(linker: Linker, connection: psycopg.Connection[tuple[object, ...]], one: Traits) -> tuple[float, int]:
    """Milliseconds, and how many were likely enough to be kept."""
    began = time.perf_counter()
    found = list(linker.found(connection, one, blocking.keys(one)))
    return (time.perf_counter() - began) * 1000, len(found)


def quality(bench: Bench) -> Samples:
    """Of the true pairs of the hostile world that a health card proves, per cent that are linked; none falsely."""
    seen = measured(ordinary(1, 1500), Thresholds())
    samples, false = [], 0
    for seed in range(100, 100 + bench.rounds):
        found = measured(hostile(seed, 300), Thresholds())
        samples.append(found.provable_recall * 100)
        false += found.falsely_linked
        bench.note(f"matching, hostile world {seed}: {found}")
    bench.note(f"matching, the world it was tuned on: {seen}")
    if false or seen.falsely_linked:
        raise AssertionError(f"{false} pairs were linked falsely")
    return {"pacsd": samples}


ROWS = (
    Row("match", "Matching a patient against 1,000,000, p95", "ms", matched, sides=("pacsd",), targets=((None, 20.0),)),
    Row(
        "match-quality", "Provable pairs linked among twins, newborns, lent cards; none falsely", "%", quality,
        higher_is_better=True, sides=("pacsd",), targets=((None, 70.0),),
    ),
)  # fmt: skip
