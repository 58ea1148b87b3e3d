"""Merges are taken back exactly, whatever happened between; ids change; nothing is lost while images arrive."""

import random
import threading
from collections.abc import Callable

import pytest

from pacsd.access.scope import Scope
from pacsd.archive.catch_up import CatchUp
from pacsd.archive.journal import FactKind
from pacsd.archive.overlay import Overlays
from pacsd.archive.truth import Truth
from pacsd.faults import Fault, PacsdError
from pacsd.identity.patients import PatientKey
from pacsd.identity.services import appliers
from pacsd.index.matching import Criterion
from pacsd.index.query import Query, search
from tests.identity.register import Register, now
from tests.synthetic import Study, small_object, study

A, B, C, D = (PatientKey("E", one) for one in "ABCD")


def receive(register: Register, *names: str, first: int = 1) -> None:
    """A study of each patient, from an organisation whose authority is E."""
    for n, name in enumerate(names, first):
        register.house.receive(small_object(study(n, patient_id=name, issuer="E")))


def told(register: Register) -> list[str]:
    with register.house.pool.connection() as connection:
        found = connection.execute("select topic from event where topic like 'patient.%' order by pk")
        return [row[0] for row in found]


def test_what_was_merged_is_as_before_when_it_is_taken_back(register: Register) -> None:
    receive(register, "A", "A", "B")
    register.state("E", "A", "张^三", phone="1380000")
    register.state("E", "B", "李^四")
    before = register.shown()[:3]
    register.merge(A, B)
    assert register.shown()[:3] != before
    assert register.identity.unmerge("east", A) == B
    assert register.shown()[:3] == before
    assert [step.step for step in register.identity.history("east", A)] == ["merged", "unmerged"]
    assert told(register)[-2:] == ["patient.merged", "patient.unmerged"]


def test_what_arrived_and_was_said_in_between_stays_with_whom_it_was_said_of(register: Register) -> None:
    receive(register, "A", "B")
    register.merge(A, B)
    receive(register, "A", "B", first=3)
    register.state("E", "B", "李^四")
    register.identity.unmerge("east", A)
    names = {row[0]: (row[1], row[4]) for row in register.shown()[:4]}
    assert sorted(names.values()) == [("A", "A"), ("A", "A"), ("B", "B"), ("B", "B")]
    receive(register, "A", first=9)
    assert [row[1] for row in register.shown()[:5]].count("A") == 3


def chained(register: Register) -> list[object]:
    """A into B, B into C, D into C."""
    receive(register, "A", "B", "C", "D")
    before = register.shown()[:4]
    register.merge(A, B)
    register.merge(B, C)
    register.merge(D, C)
    assert {row[1] for row in register.shown()[:4]} == {"C"}
    return before


@pytest.mark.parametrize(
    ("taken_back", "shown"),
    [([A], "ACCC"), ([B], "BBCC"), ([D], "CCCD"), ([B, A], "ABCC"), ([A, B, D], "ABCD"), ([D, B, A], "ABCD")],
)
def test_chains_are_taken_back_link_by_link_in_any_order(
    register: Register, taken_back: list[PatientKey], shown: str
) -> None:
    before = chained(register)
    for one in taken_back:
        register.identity.unmerge("east", one)
    assert "".join(row[1] for row in sorted(register.shown()[:4], key=by_uid(register))) == shown
    if shown == "ABCD":
        assert register.shown()[:4] == before


def by_uid(register: Register) -> Callable[[tuple[object, ...]], int]:
    uids = [study(n, patient_id=name, issuer="E").study_instance_uid for n, name in enumerate("ABCD", 1)]
    return lambda row: uids.index(str(row[0]))


def test_a_rebuild_after_merges_that_were_taken_back_shows_the_same(register: Register) -> None:
    chained(register)
    register.state("E", "C", "张^三")
    register.identity.unmerge("east", B)
    register.state("E", "B", "李^四", health_card="HC12345")
    register.identity.unmerge("east", A)
    before = register.shown()
    register.forget()
    register.replay(times=2)
    assert register.shown() == before


def test_the_last_word_of_each_patient_is_caught_up_with(register: Register) -> None:
    chained(register)
    register.state("E", "C", "张^三")
    register.state("E", "C", phone="13800001111")
    register.identity.unmerge("east", B)
    register.identity.linker.run_all()
    before, house = register.shown(), register.house
    truth = Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=0.0)
    apply = {FactKind.PATIENT_OVERLAY: Overlays(house.journal, truth).apply, **appliers(house.pool)}
    with house.pool.connection() as connection:
        events = connection.execute("select count(*) from event").fetchone()
    CatchUp(house.journal, apply).run(now().replace(year=2020))
    assert register.shown() == before
    with house.pool.connection() as connection:
        assert connection.execute("select count(*) from event").fetchone() == events
        assert connection.execute("select count(*) from patient_record where due").fetchone() == (0,)


@pytest.mark.parametrize("one", [A, PatientKey("E", "nobody"), PatientKey("W", "A")])
def test_only_what_was_merged_can_be_taken_back(register: Register, one: PatientKey) -> None:
    receive(register, "A")
    with pytest.raises(PacsdError) as caught:
        register.identity.unmerge("east", one)
    assert caught.value.fault is Fault.NOT_FOUND


def test_one_hospital_takes_back_no_merge_of_another(register: Register) -> None:
    receive(register, "A", "B")
    register.merge(A, B)
    with pytest.raises(PacsdError) as caught:
        register.identity.unmerge("west", A)
    assert caught.value.fault is Fault.NOT_FOUND
    one, other = register.state("W", "1", "李^四"), register.state("W", "2", "李^四")
    with register.working("west") as work:
        register.patients.merge(work, prior=one, survivor=other)
    with pytest.raises(PacsdError) as caught:
        register.identity.unmerge("east", one)                       # east reads what west has
    assert caught.value.fault is Fault.NOT_FOUND
    assert register.identity.unmerge("west", one) == other


def change(register: Register, prior: PatientKey, new: PatientKey) -> bool:
    with register.working() as work:
        return register.patients.change_id(work, prior=prior, new=new)


def test_a_changed_id_takes_studies_and_statements_along_and_can_be_taken_back(register: Register) -> None:
    receive(register, "A")
    register.state("E", "A", "张^三", health_card="HC12345")
    before = register.shown()[:2]
    assert change(register, A, B) is True and change(register, A, B) is False
    (shown, *records) = register.shown()[:3]
    assert shown[1] == "B" and "张" in shown[2]
    assert [(row[1], row[2], row[6], row[8]) for row in records] == [
        ("A", "张^三", "HC12345", False), ("B", "张^三", "HC12345", True)
    ]  # fmt: skip
    receive(register, "A", first=5)
    assert {row[1] for row in register.shown()[:2]} == {"B"}
    register.identity.unmerge("east", A)
    assert before[0] in register.shown()


@pytest.mark.parametrize(
    ("prior", "new", "fault"),
    [(A, A, Fault.CONFLICT), (A, B, Fault.CONFLICT), (A, PatientKey("W", "Z"), Fault.CONFLICT),
     (C, D, Fault.NOT_FOUND)],
)  # fmt: skip
def test_an_id_changes_into_none_that_is_in_use(
    register: Register, prior: PatientKey, new: PatientKey, fault: Fault
) -> None:
    receive(register, "A", "B", "C")
    register.merge(C, A)
    with pytest.raises(PacsdError) as caught:
        change(register, prior, new)
    assert caught.value.fault is fault


def mingle(register: Register, *, seed: int, rounds: int) -> list[Exception]:
    """Merges and their taking back, while both patients receive images and queries run."""
    draw, names = random.Random(seed), [f"M{seed}-{n}" for n in range(6)]
    keys = [PatientKey("E", name) for name in names]
    failures: list[Exception] = []

    def guarded(work: Callable[[random.Random], None]) -> threading.Thread:
        own = random.Random(draw.random())

        def run() -> None:
            try:
                work(own)
            except Exception as error:
                failures.append(error)

        return threading.Thread(target=run)

    def sending(own: random.Random) -> None:
        order = [(name, n) for name in names for n in range(rounds)]
        own.shuffle(order)
        for name, n in order:
            register.house.receive(small_object(of(seed, names.index(name), n)))

    def merging(own: random.Random) -> None:
        for _ in range(rounds * 3):
            prior, survivor = own.sample(keys, 2)
            try:
                if own.random() < 0.6:
                    register.merge(prior, survivor)
                else:
                    register.identity.unmerge("east", prior)
            except PacsdError as error:
                if error.fault is not Fault.NOT_FOUND:
                    raise

    def asking(_: random.Random) -> None:
        scope = Scope((register.house.keys["east"],), register.house.keys["east"])
        for _ in range(rounds * 3):
            list(search(register.house.pool, Query("study", (Criterion("00100020", f"M{seed}*"),), limit=100), scope))

    threads = [guarded(work) for work in (sending, sending, merging, merging, asking)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return failures + [TimeoutError("deadlocked") for thread in threads if thread.is_alive()]


def of(seed: int, patient: int, n: int) -> Study:
    return study(seed * 1000 + patient * 50 + n, patient_id=f"M{seed}-{patient}", issuer="E")


def misplaced(register: Register) -> list[object]:
    """Studies that do not stand under the survivor of whom their objects name."""
    with register.house.pool.connection() as connection:
        return connection.execute(
            """select s.study_instance_uid from study s join patient n on n.pk = coalesce(s.named_patient, s.patient)
            where s.patient <> coalesce(n.survivor, n.pk)
                or s.original #>> '{00100020,Value,0}' <> n.patient_id"""
        ).fetchall()


@pytest.mark.parametrize("seed", [1, 2])
def test_no_study_is_lost_while_patients_are_merged_and_parted(register: Register, seed: int) -> None:
    assert mingle(register, seed=seed, rounds=4) == []
    assert misplaced(register) == []
    with register.house.pool.connection() as connection:
        assert connection.execute("select count(*) from study").fetchone() == (6 * 4,)
        assert connection.execute(
            """select count(*) from patient p where p.merged_into is not null and (p.survivor is null or exists
                (select from patient s where s.pk = p.survivor and s.merged_into is not null))"""
        ).fetchone() == (0,)  # fmt: skip
    before = register.shown()
    register.forget()
    register.replay()
    assert register.shown() == before
