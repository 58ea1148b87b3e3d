"""Arrivals become visible once, whatever comes with them and however many come at once."""

import random
import threading

import psycopg
import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Pool
from pacsd.index.described import above
from pacsd.index.ingest import Ingest
from pacsd.index.records import Outcome
from tests.index.arrivals import arrival


def rows(index: Pool, statement: str) -> list[tuple[object, ...]]:
    with index.connection() as connection:
        return connection.execute(statement).fetchall()


def test_the_first_object_makes_patient_study_and_series(index: Pool, ingest: Ingest) -> None:
    assert ingest.store(arrival("1.2.3.1.1")).outcome is Outcome.STORED
    assert rows(index, "select patient_id, assigning_authority from patient") == [("000123", "A")]
    assert rows(index, "select instances, series, modalities, patient_ideographic, patient_pinyin from study") == [
        (1, 1, ["CT"], "张三", "zhangsan")
    ]
    assert rows(index, "select instances, loose_count, has_loose, series_number from series") == [(1, 1, True, "1")]
    assert rows(index, "select topic, subject, organisation from event") == [("study.received", "1.2.3", 1)]


def test_a_repeat_changes_nothing(index: Pool, ingest: Ingest) -> None:
    first = arrival("1.2.3.1.1", key="spool/a/first.dcm")
    ingest.store(first)
    again = ingest.store(arrival("1.2.3.1.1", key="spool/a/second.dcm"))
    assert again.outcome is Outcome.DUPLICATE
    assert again.existing == first.extent
    assert rows(index, "select instances from study") == [(1,)]


def test_the_very_row_stored_again_counts_as_stored(ingest: Ingest) -> None:
    ingest.store(arrival("1.2.3.1.1"))
    assert ingest.store(arrival("1.2.3.1.1")).outcome is Outcome.STORED


def test_other_bytes_under_one_uid_are_a_conflict(index: Pool, ingest: Ingest) -> None:
    first = arrival("1.2.3.1.1")
    ingest.store(first)
    other = ingest.store(arrival("1.2.3.1.1", content=b"other"))
    assert (other.outcome, other.existing) == (Outcome.CONFLICT, first.extent)
    assert rows(index, "select count(*) from instance") == [(1,)]


def test_organisations_keep_their_own_copies(index: Pool, ingest: Ingest) -> None:
    for organisation, authority in ((1, "A"), (2, "A"), (3, "C")):
        one = arrival("1.2.3.1.1", organisation=organisation, authority=authority, content=b"x" * organisation)
        stored = ingest.store(one)
        assert stored.outcome is Outcome.STORED
    assert rows(index, "select count(*) from study") == [(3,)]
    assert rows(index, "select assigning_authority from patient order by 1") == [("A",), ("C",)]


def test_an_issuer_in_the_object_decides_whose_id_it_is(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.1", t00100021="ELSEWHERE"))
    assert rows(index, "select assigning_authority from patient") == [("ELSEWHERE",)]


def test_patients_without_an_id_are_not_one_patient(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.1", study="1", t00100020=None))
    ingest.store(arrival("2.1", study="2", t00100020=""))
    assert rows(index, "select count(*) from patient") == [(2,)]


def test_later_objects_only_fill_what_was_empty(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.1", t00080050="", t00081030=None))
    ingest.store(arrival("1.2", t00080050="LATE", t00081030="Head", t00080020="19990101"))
    assert rows(index, "select accession_number, study_description, study_date::text from study") == [
        ("LATE", "Head", "2024-01-02")
    ]


def test_a_study_keeps_its_first_patient(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.1"))
    ingest.store(arrival("1.2", t00100020="999", t00100010="Li^Si"))
    assert rows(index, "select patient_id, patient_alphabetic, instances from study") == [("000123", "zhang san", 2)]
    assert ingest.other_patient_count == 1


def test_modalities_and_classes_are_those_of_all_series(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.1", series="1.2.3.1"))
    ingest.store(arrival("1.2", series="1.2.3.2", t00080060="PR", sop_class="1.2.840.10008.5.1.4.1.1.11.1"))
    ingest.store(arrival("1.3", series="1.2.3.1", sop_class="1.2.840.10008.5.1.4.1.1.7"))
    assert rows(index, "select modalities, cardinality(sop_classes), series, instances from study") == [
        (["CT", "PR"], 3, 2, 3)
    ]


@pytest.mark.parametrize("value", ["a\0b", "x" * 70_000, "'; drop table study; --", "%_\\", "\ud800", "张" * 3000])
def test_no_value_fails_ingest(index: Pool, ingest: Ingest, value: str) -> None:
    everything = {
        f"t{tag:08X}": value
        for tag in (0x00080020, 0x00080030, 0x00080050, 0x00080060, 0x00080090, 0x00081030, 0x0008103E, 0x00100010,
                    0x00100020, 0x00100021, 0x00100030, 0x00100040, 0x00180015, 0x00200010, 0x00200011, 0x00200013,
                    0x00400244, 0x00400245)
    }  # fmt: skip
    assert ingest.store(arrival("1.1", **everything)).outcome is Outcome.STORED
    assert rows(index, "select study_date, patient_birth_date from study") == [(None, None)]


def test_a_uid_that_no_key_can_hold_is_refused(ingest: Ingest) -> None:
    for uid in ("", "1" * 129, "1\0"):
        with pytest.raises(PacsdError) as refused:
            ingest.store(arrival(uid))
        assert refused.value.fault is Fault.MALFORMED


def test_one_bad_object_fails_none_of_its_batch(ingest: Ingest) -> None:
    bad = arrival("1.2")._replace(organisation=99)          # no such row: the foreign key refuses
    answers = ingest.store_many([arrival("1.1"), bad, arrival("1.3", study="9.9")])
    assert isinstance(answers[1], PacsdError)
    assert [a.outcome for a in (answers[0], answers[2]) if not isinstance(a, PacsdError)] == [Outcome.STORED] * 2


def test_the_same_uid_twice_in_one_batch_is_stored_once(index: Pool, ingest: Ingest) -> None:
    answers = ingest.store_many([arrival("1.1"), arrival("1.1", content=b"other"), arrival("1.1", key="spool/c")])
    found = [a.outcome for a in answers if not isinstance(a, PacsdError)]
    assert found.count(Outcome.STORED) == 1 and len(found) == 3
    assert rows(index, "select instances from study") == [(1,)]


def test_threads_that_store_into_one_study_count_right(index: Pool) -> None:
    writers = [Ingest(index, batch=8) for _ in range(2)]    # as two processes would
    uids = [(f"1.2.3.{series}", f"1.2.3.{series}.{n}") for series in range(4) for n in range(25)]
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        mine = random.Random(seed).sample(uids, len(uids))
        try:
            for series, sop in mine:
                writers[seed % 2].store(arrival(sop, series=series, key=f"spool/{seed}/{sop}"))
                if seed < 4:
                    writers[seed % 2].store_many([
                        arrival(f"{study}.{seed}.{sop}", study=study, series=f"{study}.1")
                        for study in random.Random(seed).sample(["5", "6", "7"], 3)
                    ])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for writer in writers:
        writer.close()
    assert failures == []
    assert rows(index, "select instances, series from study where study_instance_uid = '1.2.3'") == [(100, 4)]
    assert rows(index, "select instances from study where study_instance_uid <> '1.2.3'") == [(400,)] * 3
    assert rows(index, "select instances, loose_count from series r join study s on s.pk = r.study "
                       "where study_instance_uid = '1.2.3'".replace("instances", "r.instances")) == [(25, 25)] * 4


def test_a_series_that_was_purged_is_placed_anew(index: Pool, ingest: Ingest) -> None:
    ingest.store(arrival("1.1"))
    with index.connection() as connection:
        connection.execute("delete from instance")
        connection.execute("delete from series")
        connection.execute("delete from study")
    assert ingest.store(arrival("1.1")).outcome is Outcome.STORED
    assert rows(index, "select instances, series from study") == [(1, 1)]


def test_a_lost_connection_is_replaced(index: Pool, ingest: Ingest, database: str) -> None:
    ingest.store(arrival("1.1"))
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                      "where pid <> pg_backend_pid() and datname = current_database()")
    assert ingest.store(arrival("1.2")).outcome is Outcome.STORED
    assert rows(index, "select instances from study") == [(2,)]


def test_replace_puts_the_later_bytes_in_place(index: Pool, ingest: Ingest) -> None:
    first = arrival("1.1")
    ingest.store(first)
    later = arrival("1.1", content=b"later")
    assert ingest.replace(later, grace_s=0).existing == first.extent
    assert ingest.replace(later, grace_s=0).outcome is Outcome.STORED
    assert rows(index, "select key from instance") == [(later.extent.key,)]
    assert rows(index, "select key from garbage") == [(first.extent.key,)]
    assert rows(index, "select instances, series from study") == [(1, 1)]


def test_an_object_that_cannot_be_described_fails_alone(index: Pool) -> None:
    def describe(one: object) -> object:
        if one.sop_instance_uid == "1.2":                   # type: ignore[attr-defined]
            raise ValueError("broken")
        return above(one)                                   # type: ignore[arg-type]

    ingest = Ingest(index, describe=describe)               # type: ignore[arg-type]
    answers = ingest.store_many([arrival("1.1"), arrival("1.2", study="8"), arrival("1.3")])
    assert [isinstance(a, PacsdError) for a in answers] == [False, True, False]




def test_keys_of_series_do_not_outlive_the_connection_that_saw_them(index: Pool, ingest: Ingest, database: str) -> None:
    """A crash of PostgreSQL may take back a series, and then give its key to another."""
    ingest.store(arrival("1.1"))
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("delete from instance")
        other.execute("delete from series")
        other.execute("alter table series alter pk restart with 1")
        other.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity "
                      "where pid <> pg_backend_pid() and datname = current_database()")
    elsewhere = Ingest(index)
    assert elsewhere.store(arrival("2.1", study="2.2.3", t00100020="other")).outcome is Outcome.STORED
    elsewhere.close()
    assert ingest.store(arrival("1.2")).outcome is Outcome.STORED
    assert rows(index, "select i.sop_instance_uid, r.series_instance_uid from instance i "
                       "join series r on r.pk = i.series order by 1") == [("1.2", "1.2.3.1"), ("2.1", "2.2.3.1")]
