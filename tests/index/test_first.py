"""The short way of a study's first object leaves what the long way leaves, and gives way where it is not plain."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from psycopg.rows import dict_row

from pacsd.faults import Fault, PacsdError
from pacsd.index import patients, placement, rejections
from pacsd.index.connect import Pool
from pacsd.index.first import StoreFirst
from pacsd.index.ingest import Ingest
from pacsd.index.records import Arrival, Outcome
from tests.index.arrivals import arrival

TABLES = ("study", "series", "instance", "event", "patient")
KEYS = {"pk", "study", "patient", "named_patient", "organisation", "key", "transaction", "created_at"}


def kept(index: Pool, organisation: int) -> dict[str, list[dict[str, Any]]]:
    """What an organisation's tables say, without keys."""
    with index.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        found = {
            table: cursor.execute(f"select * from {table} where organisation = %s", (organisation,)).fetchall()
            for table in TABLES[:4]
        }
        found["patient"] = cursor.execute(
            "select p.* from patient p join study s on s.patient = p.pk where s.organisation = %s", (organisation,)
        ).fetchall()
        found["gram"] = cursor.execute(
            "select gram from name_gram g join study s using (patient) where s.organisation = %s order by gram",
            (organisation,),
        ).fetchall()
    for row in found["instance"]:
        del row["series"]                    # here a key, in a study a count
    return {table: [{k: v for k, v in row.items() if k not in KEYS} for row in rows] for table, rows in found.items()}


def alike(one: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The same without when it came and whose it is."""
    differing = {"received_at", "last_received_at", "assigning_authority", "unidentified"}
    return {table: [{k: row[k] for k in row.keys() - differing} for row in rows] for table, rows in one.items()}


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """What each try of the short way came to."""
    results: list[int | None] = []
    original = StoreFirst.__call__

    def call(self: StoreFirst, *arguments: Any) -> int | None:
        results.append(original(self, *arguments))
        return results[-1]

    monkeypatch.setattr(StoreFirst, "__call__", call)
    return results


WORDS: tuple[dict[str, object], ...] = (
    {},
    {"t00080020": None, "t00080030": None, "t00100010": None},
    {"t00100020": None},
    {"t00080060": None, "t00100010": "王^小明", "t00080020": "not a date", "t00080030": "235960"},
    {"t00100030": "19700101", "t00100040": "F", "t00081030": "Thorax \\ \"Abdomen\" {1,2} 'x'", "t00080090": "Li^Si"},
)


@pytest.mark.parametrize("values", WORDS)
def test_the_short_way_leaves_what_the_long_way_leaves(
    index: Pool, ingest: Ingest, tried: list[int | None], values: dict[str, object]
) -> None:
    assert ingest.store(arrival("1.2.3.1.1", organisation=1, authority="A", **values)).outcome is Outcome.STORED
    assert len(tried) == 1
    assert tried[0] is not None
    (stored,) = ingest.store_many([arrival("1.2.3.1.1", organisation=3, authority="C", **values)])
    assert not isinstance(stored, PacsdError)
    assert stored.outcome is Outcome.STORED
    assert len(tried) == 1
    assert alike(kept(index, 1)) == alike(kept(index, 3))


def test_later_objects_are_counted_on_top(index: Pool, ingest: Ingest, tried: list[int | None]) -> None:
    for number in range(3):
        ingest.store(arrival(f"1.2.3.1.{number}"))
    ingest.store(arrival("1.2.3.2.1", series="1.2.3.2", t00080060="MR"))
    assert [one is not None for one in tried] == [True, False]       # the second series is not even tried
    (study,) = kept(index, 1)["study"]
    assert (study["instances"], study["series"], study["modalities"]) == (4, 2, ["CT", "MR"])


def _corrected(index: Pool) -> None:
    with index.connection() as connection, connection.transaction():
        connection.execute(
            "insert into patient (patient_id, assigning_authority, overlay) values ('000123', 'A', %s)",
            ('{"00100040": {"vr": "CS", "Value": ["O"]}}',),
        )


def _merged(index: Pool) -> None:
    with index.connection() as connection, connection.transaction():
        one, other = patients.locked_pair(connection, "A", "000123", "000124")
        patients.merge(connection, one, other, at=arrival("1").received_at)


@pytest.mark.parametrize(
    ("before", "expected"),
    [(_corrected, ("000123", "O")), (_merged, ("000124", None))],
)
def test_a_patient_of_whom_more_is_known_goes_the_long_way(
    index: Pool, ingest: Ingest, tried: list[int | None], before: Callable[[Pool], None],
    expected: tuple[str, str | None],
) -> None:  # fmt: skip
    before(index)
    assert ingest.store(arrival("1.2.3.1.1")).outcome is Outcome.STORED
    assert tried == [None]
    with index.connection() as connection:
        found = connection.execute("select p.patient_id, s.patient_sex from study s join patient p on p.pk = s.patient")
        assert found.fetchall() == [expected]


def test_what_was_rejected_stays_away(index: Pool, ingest: Ingest, tried: list[int | None]) -> None:
    rejections.reject(index, 1, "1.2.3", {"1.2.3.1": ["1.2.3.1.1"]}, rejections.Saying("113037"))
    assert ingest.store(arrival("1.2.3.1.1")).outcome is Outcome.REJECTED
    assert tried == [None]


def test_an_instance_that_is_kept_in_another_study_makes_no_empty_one(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.2.3.1.1"))
    before = kept(index, 1)["study"]
    assert ingest.store(arrival("1.2.3.1.1", study="9.9", content=b"other")).outcome is Outcome.CONFLICT
    assert [row for row in kept(index, 1)["study"] if row["instances"]] == before


def test_what_does_not_become_durable_leaves_nothing(index: Pool, ingest: Ingest, tried: list[int | None]) -> None:
    def full() -> None:
        raise PacsdError(Fault.FULL, "no room")

    with pytest.raises(PacsdError, match="no room"):
        ingest.store(arrival("1.2.3.1.1"), full)
    assert all(not rows for rows in kept(index, 1).values())
    assert ingest.store(arrival("1.2.3.1.1")).outcome is Outcome.STORED


def test_two_writers_that_begin_one_study_make_it_once(index: Pool) -> None:
    """Each stores another object of the same new studies at the same time."""
    writers = [Ingest(index), Ingest(index)]
    gate = threading.Barrier(2)
    outcomes: list[Outcome] = []

    def write(number: int) -> None:
        for study in range(30):
            gate.wait()
            one: Arrival = arrival(f"1.2.{study}.1.{number}", study=f"1.2.{study}", t00100020=f"P{study}")
            outcomes.append(writers[number].store(one).outcome)

    threads = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for writer in writers:
        writer.close()
    assert outcomes == [Outcome.STORED] * 60
    found = kept(index, 1)
    assert {(row["instances"], row["series"]) for row in found["study"]} == {(2, 1)}
    assert len(found["study"]) == len(found["series"]) == len(found["event"]) == 30
    assert {row["topic"] for row in found["event"]} == {placement.STUDY_RECEIVED}


def test_two_writers_that_begin_with_one_object_keep_it_once(index: Pool) -> None:
    """The same bytes over two associations: one stores them, the other hears that they are there."""
    writers = [Ingest(index), Ingest(index)]
    gate = threading.Barrier(2)
    outcomes: list[Outcome] = []

    def write(number: int) -> None:
        for study in range(30):
            gate.wait()
            one = arrival(f"1.2.{study}.1", study=f"1.2.{study}", key=f"spool/a/{study}.{number}.dcm")
            outcomes.append(writers[number].store(one).outcome)

    threads = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for writer in writers:
        writer.close()
    assert sorted(outcome.value for outcome in outcomes) == ["duplicate"] * 30 + ["stored"] * 30
    assert {(row["instances"], row["series"]) for row in kept(index, 1)["study"]} == {(1, 1)}
