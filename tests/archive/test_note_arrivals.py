"""Rejection notes take effect as they arrive: on what is here, on what comes later, once and for good."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.errors import QueryCanceled

from pacsd.access.scope import Rejected, Scope
from pacsd.archive.catch_up import CatchUp
from pacsd.archive.retrieve import Selection
from pacsd.archive.truth import Truth
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import pool
from pacsd.index.query import Query, search
from pacsd.index.records import Outcome
from pacsd.index.rejection_notes import overtaken
from pacsd.index.rejections import Saying
from tests.archive.house import House, opened, shown
from tests.archive.test_rebuild import rebuild
from tests.identity.test_patients import merge, patient_of
from tests.synthetic import dataset_bytes, rejection_note, small_object, sop_instance_uid, study

WORLD = study(71, modality="CT")
UID = WORLD.study_instance_uid
FIRST, SECOND, THIRD = (WORLD.sop_instance_uid(1, number) for number in (1, 2, 3))
NOTE = WORLD.sop_instance_uid(99, 1)
GRAVE = ("113037", "113038", "113039")


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


@pytest.fixture
def empty(postgres, migrated_template: str) -> Iterator[str]:  # type: ignore[no-untyped-def]
    name, dsn = postgres.create(template=migrated_template)
    yield dsn
    postgres.drop(name)


def image(number: int) -> bytes:
    return small_object(WORLD, instance=number)


def note(*numbers: int, code: str = "113001", instance: int = 1) -> bytes:
    named = [(UID, WORLD.series_instance_uid(1), WORLD.sop_instance_uid(1, number)) for number in numbers]
    return rejection_note(WORLD, named, code=code, instance=instance)


def scope(house: House, rejected: Rejected, code: str = "east") -> Scope:
    return Scope((house.keys[code],), house.keys[code], rejected)


def sees(house: House, rejected: Rejected = Rejected.HIDE, code: str = "east") -> set[str]:
    """The instances a reader gets, and what every other way of looking says of them."""
    who = scope(house, rejected, code)
    found = {ref.sop_instance_uid for ref in house.retrieve.select(who, Selection((UID,)))}
    studies = list(search(house.pool, Query("study"), who))
    series = list(search(house.pool, Query("series"), who))
    assert sum(match.counts.study_instances or 0 for match in studies) == len(found)
    assert sum(match.counts.series_instances or 0 for match in series) == len(found)
    assert [match.counts.study_series for match in studies] == ([len(series)] if series else [])
    modalities = {sop_modality(sop) for sop in found}
    assert [set(match.modalities) for match in studies] == ([modalities] if found else [])
    return found


def sop_modality(sop: str) -> str:
    return "KO" if sop in {WORLD.sop_instance_uid(99, number) for number in range(1, 5)} else "CT"


def states(house: House) -> list[tuple[object, ...]]:
    with house.pool.connection() as connection:
        return connection.execute(
            "select sop_instance_uid, code, state, note, shown_from from rejection order by 1, organisation"
        ).fetchall()


@pytest.mark.parametrize("code", ["113001", *GRAVE])
@pytest.mark.parametrize("packed", [False, True])
def test_what_a_note_names_is_hidden_with_the_note_and_shown_as_its_title_allows(
    house: House, code: str, packed: bool
) -> None:
    for number in (1, 2, 3):
        house.receive(image(number))
    if packed:
        house.pack_all()
    sent = note(1, 3, code=code)
    assert house.receive(sent).outcome is Outcome.STORED
    assert sees(house) == {SECOND}
    assert sees(house, Rejected.NOTES) == {SECOND} | ({NOTE} if code != "113039" else set())
    everything = {FIRST, SECOND, THIRD, NOTE}
    assert sees(house, Rejected.KEEP) == (everything if code == "113001" else sees(house, Rejected.NOTES))
    house.pack_all()
    house.merge_all()
    house.collect_all()
    assert sees(house) == {SECOND}
    if code != "113039":
        assert as_given(house, NOTE) == dataset_bytes(sent)


def test_a_note_takes_the_time_it_needs_where_queries_are_limited(house: House, database: str) -> None:
    house.receive(image(1))
    with pool(database, statement_timeout_s=0.2) as limited, house.pool.connection() as busy:
        truth = Truth(limited, house.writing, house.sidecars, house.keys, grace_s=0.0)
        named = {WORLD.series_instance_uid(1): [FIRST]}
        rejecting = threading.Thread(target=truth.reject, args=("east", UID, named, Saying("113037")))
        with busy.transaction():
            busy.execute("select from series for update")
            rejecting.start()
            time.sleep(0.6)
        rejecting.join()
        with limited.connection() as connection, pytest.raises(QueryCanceled):
            connection.execute("select pg_sleep(9)")             # nobody else is let off
    assert sees(house) == set()


def as_given(house: House, sop: str) -> bytes:
    (ref,) = (
        one for one in house.retrieve.select(scope(house, Rejected.KEEP), Selection((UID,)))
        if one.sop_instance_uid == sop
    )  # fmt: skip
    with house.retrieve.open(ref) as reader:
        return b"".join(reader.chunks())


@pytest.mark.parametrize("code", ["113001", *GRAVE])
def test_what_comes_after_its_note_is_kept_and_hidden(house: House, code: str) -> None:
    house.receive(note(1, 2, code=code))
    assert sees(house) == set()
    house.receive(image(1))
    house.pack_all()
    house.receive(image(2))
    house.receive(image(3))
    house.pack_all()
    assert sees(house) == {THIRD}
    assert sees(house, Rejected.KEEP) == {THIRD} | {"113001": {FIRST, SECOND, NOTE}, "113039": set()}.get(code, {NOTE})
    assert house.rejections.restore("east", UID) == 2
    assert house.data_sets(UID) == shown([image(1), image(2), image(3)])


@pytest.mark.parametrize("packed", [False, True])
def test_what_was_rejected_for_a_grave_reason_is_refused_when_it_comes_again(house: House, packed: bool) -> None:
    house.receive(image(1))
    house.receive(note(1, code="113037"))
    if packed:
        house.pack_all()
    with pytest.raises(PacsdError) as caught:
        house.receive(image(1))
    assert caught.value.fault is Fault.REFUSED
    assert sees(house) == set()


@pytest.mark.parametrize("packed", [False, True])
def test_what_was_rejected_for_its_quality_may_be_sent_again_and_stays_hidden(house: House, packed: bool) -> None:
    house.receive(image(1))
    house.receive(note(1))
    if packed:
        house.pack_all()
    assert house.receive(image(1)).outcome is Outcome.DUPLICATE
    with pytest.raises(PacsdError) as caught:
        house.receive(small_object(WORLD, size_bytes=3000))
    assert caught.value.fault is Fault.CONFLICT
    assert sees(house) == set() and sees(house, Rejected.KEEP) == {FIRST, NOTE}


@pytest.mark.parametrize("packed", [False, True])
def test_other_bytes_replace_what_was_rejected_for_its_quality_where_that_is_the_rule(
    database: str, empty: str, tmp_path: Path, packed: bool
) -> None:
    better = small_object(WORLD, size_bytes=3000)
    with opened(database, tmp_path, duplicates="replace") as house:
        house.receive(image(1))
        house.receive(note(1))
        if packed:
            house.pack_all()
        assert house.receive(better).outcome is Outcome.STORED
        assert house.data_sets(UID) == shown([better])
        assert sees(house) == {FIRST}
        house.receive(note(1, code="113037", instance=2))
        with pytest.raises(PacsdError) as caught:
            house.receive(image(1))
        assert caught.value.fault is Fault.REFUSED
        house.rejections.restore("east", UID)
        assert sees(house) == {FIRST}
    with opened(empty, tmp_path, duplicates="replace") as again:
        rebuild(again)
        assert again.data_sets(UID) == shown([better])


def test_a_note_is_of_its_own_organisation_only(house: House) -> None:
    house.receive(image(1))
    house.receive(image(1), code="west")
    house.receive(note(1), code="west")
    assert sees(house) == {FIRST} and sees(house, code="west") == set()


def test_a_graver_reason_hides_from_more_readers_and_a_lesser_one_from_none_less(house: House) -> None:
    house.receive(image(1))
    house.receive(note(1))
    assert FIRST in sees(house, Rejected.KEEP)
    house.receive(note(1, code="113037", instance=2))
    assert FIRST not in sees(house, Rejected.KEEP)
    house.receive(note(1, instance=3))
    assert FIRST not in sees(house, Rejected.KEEP)


def test_a_note_that_names_itself_and_other_notes_rejects_only_the_rest(house: House) -> None:
    house.receive(image(1))
    house.receive(image(2))
    house.receive(note(1))
    second = WORLD.sop_instance_uid(99, 2)
    named = [(UID, WORLD.series_instance_uid(99), sop) for sop in (NOTE, second)]
    named.append((UID, WORLD.series_instance_uid(1), SECOND))
    house.receive(rejection_note(WORLD, named, code="113037", instance=2))
    assert sees(house) == set()
    assert sees(house, Rejected.KEEP) == {NOTE, second, FIRST}
    with pytest.raises(PacsdError) as caught:
        house.rejections.reject("east", UID, None, [NOTE], code="113001")
    assert caught.value.fault is Fault.CONFLICT


def test_an_instance_is_known_by_its_uid_wherever_the_note_says_it_is(house: House) -> None:
    house.receive(image(1))
    house.receive(image(2))
    house.pack_all()
    house.receive(image(3))
    wrong = [("1.2.3", "1.2.3.4", FIRST), (UID, "1.2.3.5", THIRD)]
    house.receive(rejection_note(WORLD, wrong))
    assert sees(house) == {SECOND}
    assert [row[2] for row in states(house)] == ["hidden"] * 3


def test_a_note_sent_again_does_not_take_back_what_was_restored(house: House) -> None:
    house.receive(image(1))
    house.receive(note(1))
    assert house.rejections.restore("east", UID, reason="a mistake") == 1
    assert house.receive(note(1)).outcome is Outcome.DUPLICATE
    assert sees(house) == {FIRST}
    house.pack_all()
    assert house.receive(note(1)).outcome is Outcome.DUPLICATE
    assert sees(house) == {FIRST}
    with pytest.raises(PacsdError) as caught:
        house.receive(note(1, 2))
    assert caught.value.fault is Fault.CONFLICT


def test_a_key_object_selection_of_another_title_is_an_object_like_others(house: House) -> None:
    house.receive(image(1))
    house.receive(note(1, code="113000"))
    assert sees(house) == {FIRST, NOTE}


def test_a_note_that_cannot_be_read_is_refused_and_leaves_nothing(house: House) -> None:
    house.receive(image(1))
    for file in (rejection_note(WORLD, []), rejection_note(WORLD, [(UID, "1.2", "not a uid")])):
        with pytest.raises(PacsdError) as caught:
            house.receive(file)
        assert caught.value.fault is Fault.MALFORMED
    assert sees(house, Rejected.KEEP) == {FIRST}
    assert len(house.keys_under("spool/")) == 1 and states(house) == []
    assert list(house.journal.replay()) == []


def test_what_was_purged_after_it_was_rejected_stays_away_until_somebody_lets_it_come(
    database: str, empty: str, tmp_path: Path
) -> None:
    with opened(database, tmp_path) as house:
        house.receive(image(1))
        house.receive(image(2))
        house.receive(note(1, 3))
        house.rejections.purge("east", UID, None, [FIRST])
        with pytest.raises(PacsdError) as caught:
            house.receive(image(1))
        assert caught.value.fault is Fault.REFUSED
        house.rejections.let_come("east", UID, "", [FIRST, THIRD])
        house.receive(image(1))
        house.receive(image(3))
        assert sees(house) == {FIRST, SECOND, THIRD}
        expected = states(house)
    with opened(empty, tmp_path) as again:
        rebuild(again)
        assert sees(again) == {FIRST, SECOND, THIRD}
        assert states(again) == expected


def catch_up(house: House) -> None:
    CatchUp(house.journal, house.rejections.appliers).run(datetime.now(UTC) - timedelta(hours=1))


class Stopped(BaseException):
    """The process ended here."""


@pytest.mark.parametrize("step", ["await_note", "reject", "mark_note", "store_hidden"])
def test_a_process_that_ends_on_the_way_leaves_a_note_that_takes_effect_later(
    house: House, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    house.receive(image(1))

    def end(*_: object, **__: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(house.writing if step == "store_hidden" else house.truth, step, end)
        with pytest.raises(Stopped):
            house.receive(note(1, 2))
    assert house.repair().run().indexed == 1
    house.receive(image(2))
    assert sees(house) == set()
    assert sees(house, Rejected.KEEP) == {FIRST, SECOND, NOTE}
    before = states(house)
    catch_up(house)
    assert house.repair().run().indexed == 0
    assert states(house) == before


def test_a_rebuild_brings_back_the_same_truth(database: str, empty: str, tmp_path: Path) -> None:
    with opened(database, tmp_path) as house:
        for number in (1, 2):
            house.receive(image(number))
        house.pack_all()
        house.receive(note(1, 2, 3, 4))
        house.receive(image(3))
        house.rejections.restore("east", UID, None, [SECOND])
        house.receive(image(5))
        house.receive(note(5, code="113038", instance=2))
        house.rejections.purge("east", UID, None, [WORLD.sop_instance_uid(1, 5)])
        expected = states(house), [sees(house, rejected) for rejected in Rejected]
    with opened(empty, tmp_path) as again:
        rebuild(again)
        assert (states(again), [sees(again, rejected) for rejected in Rejected]) == expected
        with pytest.raises(PacsdError) as caught:
            again.receive(image(5))
        assert caught.value.fault is Fault.REFUSED
        again.receive(image(4))
        assert WORLD.sop_instance_uid(1, 4) not in sees(again)


@pytest.mark.parametrize("seed", range(3))
def test_notes_and_images_at_once_leave_all_that_is_named_hidden(house: House, seed: int) -> None:
    """Images, their notes, packing, merging of packs and of their patient on several threads, in any order."""
    files = [image(number) for number in range(1, 9)]
    codes = enumerate(("113001", *GRAVE[:2]))
    notes = [note(*range(1 + 2 * n, 3 + 2 * n), instance=n + 1, code=code) for n, code in codes]
    errors: list[BaseException] = []

    def send(some: list[bytes]) -> None:
        for file in some:
            try:
                house.receive(file)
            except PacsdError as error:
                if error.fault is not Fault.REFUSED:
                    errors.append(error)

    def pack() -> None:
        for _ in range(4):
            house.pack_all()
            house.merge_all()

    def merge_patients() -> None:
        for number in range(3):
            merge(house, WORLD.patient_id if number == 0 else f"MERGED{number - 1}", f"MERGED{number}")

    turned = notes[seed:] + notes[:seed]
    work = [(send, files[:4]), (send, files[4:]), (send, turned[:2]), (send, turned[1:])]
    work += [(pack, None), (merge_patients, None)]  # type: ignore[list-item]
    threads = [
        threading.Thread(target=target, args=() if some is None else (some,))  # type: ignore[arg-type]
        for target, some in work
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    while house.rejections.settle_overtaken():
        pass
    assert overtaken(house.pool, limit=10) == []
    assert sees(house) == {WORLD.sop_instance_uid(1, 7), WORLD.sop_instance_uid(1, 8)}
    house.pack_all()
    assert {sop_instance_uid(file) for file in files[:2]} <= sees(house, Rejected.KEEP)
    assert patient_of(house, UID)[0] == "MERGED2"


def test_a_note_among_files_that_become_durable_together_takes_effect(house: House) -> None:
    batch = house.ingest.batch(house.peer("east"))
    for file in (image(1), note(1), image(2)):
        reception = batch.receive_part10()
        reception.write(file)
        batch.add(reception)
    answers = batch.commit()
    assert [getattr(one, "outcome", one) for one in answers] == [Outcome.STORED] * 3
    assert sees(house) == {SECOND}
