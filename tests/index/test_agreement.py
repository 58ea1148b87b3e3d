"""What SQL finds and what Python matches is the same, whatever is stored and whatever is asked."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacsd.access.scope import Scope
from pacsd.faults import PacsdError
from pacsd.index.connect import Pool, pool
from pacsd.index.ingest import Ingest
from pacsd.index.matching import Criterion
from pacsd.index.organisations import register
from pacsd.index.query import Query, compile_query, search
from tests.conftest import Postgres
from tests.index.arrivals import arrival

A = Scope((1,), 1)

STORED_NAMES = [
    "Zhang^San=张^三", "张三", "Zhang^Sanfeng", "Li^Si=李^四", "O'Neil^Zoë", "Müller^José^Maria^Dr", "a%b_c", "",
    "^^", "=",
    "Ångström^Å=安^思", "欧阳^修", "a\\b", "王小明", "Smith^J", "ＦＵＬＬ^Ｗidth",
    "山田^太郎=山田^太郎=やまだ^たろう", "김^철수", "z" * 300,
]  # fmt: skip
STORED_TEXTS = ["A1", "a1", "A%", "A_", "A*B", "A\\B", " A1 ", "", "张", "A-1", "1.2.3", "\U0001f600", "A" * 400, "É"]
STORED_DATES = ["20240101", "20240102", "2024.01.02", "20231231", "", "garbage", "20240230"]
STORED_TIMES = ["10", "1015", "101530", "101530.5", "235959.999999", "000000", "", "25", "10:15:30"]


@pytest.fixture(scope="module")
def filled(postgres: Postgres, migrated_template: str) -> Iterator[Pool]:
    """One study of each kind, and combinations."""
    name, dsn = postgres.create(template=migrated_template)
    made = pool(dsn, min_size=1, max_size=3, synchronous_commit="off")
    register(made, [("a", "A", "A")])
    ingest = Ingest(made)
    count = 60
    ingest.store_many([
        arrival(
            f"{n}.1", study=f"{n}", t00100010=STORED_NAMES[n % len(STORED_NAMES)],
            t00080090=STORED_NAMES[(n * 7 + 1) % len(STORED_NAMES)], t00080050=STORED_TEXTS[n % len(STORED_TEXTS)],
            t00081030=STORED_TEXTS[(n * 5 + 2) % len(STORED_TEXTS)], t00080020=STORED_DATES[n % len(STORED_DATES)],
            t00080030=STORED_TIMES[n % len(STORED_TIMES)], t00100030=STORED_DATES[(n * 3) % len(STORED_DATES)],
            t00100020=str(n % 5), t00200010=STORED_TEXTS[(n * 3) % len(STORED_TEXTS)],
        )
        for n in range(count)
    ])  # fmt: skip
    ingest.close()
    yield made
    made.close()
    postgres.drop(name)


def bits(values: list[str]) -> st.SearchStrategy[str]:
    """A stored value, part of one with wildcards around it, or anything."""
    stored = st.sampled_from([value for value in values if value])
    forms = st.sampled_from(["{}", "*{}", "{}*", "*{}*", "?{}", "{}?*"])
    parts = st.tuples(stored, st.integers(0, 6), st.integers(1, 6), forms)
    cut = parts.map(lambda p: p[3].format(p[0][p[1] : p[1] + p[2]]))
    return st.one_of(stored, cut, st.text(alphabet="aAsSn*?^=%_\\张三 zh", max_size=8), st.text(max_size=6))


def ranges(values: list[str]) -> st.SearchStrategy[str]:
    """A value or a range of two, either end open."""
    one = st.sampled_from([value for value in values if value])
    return st.one_of(one, st.tuples(one, one).map("-".join), one.map("-{}".format), one.map("{}-".format))


CRITERIA = st.dictionaries(
    st.sampled_from(["00100010", "00080090", "00080050", "00081030", "00080020", "00080030", "00100030", "00200010",
                     "00100020"]),
    st.none(), min_size=1, max_size=3,
).flatmap(lambda chosen: st.fixed_dictionaries({path: _values(path) for path in chosen}))  # fmt: skip


def _values(path: str) -> st.SearchStrategy[str]:
    if path in ("00080020", "00100030"):
        return ranges(STORED_DATES)
    if path == "00080030":
        return ranges(STORED_TIMES)
    return bits(STORED_NAMES if path in ("00100010", "00080090") else STORED_TEXTS)


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(criteria=CRITERIA, fuzzy=st.booleans())
def test_sql_and_python_agree(filled: Pool, criteria: dict[str, str], fuzzy: bool) -> None:
    query = Query("study", tuple(Criterion(*one) for one in criteria.items()), fuzzy=fuzzy, include_all=True)
    try:
        compiled = compile_query(query)
    except PacsdError:
        return
    everything: dict[str, dict[str, Any]] = {
        match.study_instance_uid: match.dataset() for match in search(filled, Query("study", include_all=True), A)
    }
    assert len(everything) == 60
    by_sql = {match.study_instance_uid for match in search(filled, compiled, A)}
    by_python = {
        uid for uid, attributes in everything.items() if compiled.conditions.matches(attributes, "patient", "study")
    }
    assert by_sql == by_python
