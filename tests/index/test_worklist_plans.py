"""Questions to a long worklist touch few of its rows, and are answered as they would be without an index."""

import os
import time
from collections.abc import Iterator

import psycopg
import pytest

from pacsd.access.scope import Scope
from pacsd.index.connect import Pool, pool
from pacsd.index.matching import Criterion
from pacsd.index.scheduled_step_keys import SEQUENCE
from pacsd.workflow.modality_worklist import ModalityWorklist, StepQuery
from tests.conftest import Postgres
from tests.index.fill_steps import fill_steps

SOAK = os.environ.get("PACSD_SOAK") == "1"
STEPS = 100_000 if SOAK else 20_000
DATE, STATION, MODALITY = f"{SEQUENCE}.00400002", f"{SEQUENCE}.00400001", f"{SEQUENCE}.00080060"
QUERIES: dict[str, tuple[Criterion, ...]] = {
    "station and day": (Criterion(STATION, "ST07"), Criterion(DATE, "20261105")),
    "modality and day": (Criterion(MODALITY, "CT"), Criterion(DATE, "20261105")),
    "patient id": (Criterion("00100020", "0001234"),),
    "accession number": (Criterion("00080050", "A4711"),),
    "study": (Criterion("0020000D", "1.2.826.0.2.4711"),),
    "procedure id": (Criterion("00401001", "R4711"),),
    "step id": (Criterion(f"{SEQUENCE}.00400009", "S4711"),),
    "name prefix": (Criterion("00100010", "王伟*"),),
    "two characters inside": (Criterion("00100010", "*晓东*"),),
    "pinyin": (Criterion("00100010", "wangxiaod*"),),
}


@pytest.fixture(scope="module")
def worklist(postgres: Postgres, migrated_template: str) -> Iterator[Pool]:
    name, dsn = postgres.create(template=migrated_template)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "insert into organisation (code, name, assigning_authority) values ('default', '', 'default')"
        )
    fill_steps(dsn, steps=STEPS, organisation=1)
    made = pool(dsn, min_size=1, max_size=2)
    yield made
    made.close()
    postgres.drop(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUERIES)
def test_no_question_reads_the_whole_worklist(worklist: Pool, name: str) -> None:
    search = ModalityWorklist(worklist)
    query, scope = StepQuery(QUERIES[name]), Scope((1,), 1)
    found = list(search(query, scope))
    took = []
    for _ in range(3):                                           # others may be at work: the best of three tells
        began = time.perf_counter()
        again = list(search(query, scope))
        took.append(time.perf_counter() - began)
    conditions = search.compile(query)
    assert len(again) == len(found) < STEPS // 20
    assert all(conditions.matches(item, "instance") for item in found)
    assert min(took) < 0.25, f"{min(took) * 1000:.1f} ms for {len(found)} items"
