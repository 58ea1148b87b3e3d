"""Storage commitment: every reference is answered for or not, wherever it is kept."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pacsd.archive.commitment import MAX_REFERENCES, Commitments, FailureReason
from pacsd.archive.reject import Rejections
from pacsd.archive.truth import Truth
from pacsd.faults import Fault, PacsdError
from tests.archive.house import House, opened
from tests.synthetic import rejection_note, small_object, study

WORLD = study(77)
UID = WORLD.study_instance_uid
CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
ABSENT, CONFLICT = FailureReason.NO_SUCH_INSTANCE, FailureReason.CLASS_INSTANCE_CONFLICT


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def commitments(house: House) -> Commitments:
    return Commitments(house.pool, house.blobs, house.sidecars)


def rejections(house: House) -> Rejections:
    return Rejections(house.journal, Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=0.0),
                      house.sidecars)  # fmt: skip


def sop(number: int, *, series: int = 1) -> str:
    return WORLD.sop_instance_uid(series, number)


def receive(house: House, *numbers: int, series: int = 1, code: str = "east") -> str:
    """Their SOP class."""
    for number in numbers:
        accepted = house.receive(small_object(WORLD, series=series, instance=number), code=code)
    return accepted.sop_class_uid


def lacking(house: House, sop_class: str, *numbers: int, code: str = "east") -> dict[int, FailureReason]:
    asked = {(sop_class, sop(number)): number for number in numbers}
    found = commitments(house).lacking(house.keys[code], asked)
    return {asked[one]: reason for one, reason in found.items()}


def test_loose_and_packed_instances_are_answered_for_and_others_not(house: House) -> None:
    sop_class = receive(house, 1, 2)
    house.pack_all()
    receive(house, 3)
    assert lacking(house, sop_class, 1, 2, 3, 4) == {4: ABSENT}
    wrong = MR if sop_class != MR else CT
    assert lacking(house, wrong, 1, 3, 4) == {1: CONFLICT, 3: CONFLICT, 4: ABSENT}
    house.pack_all()
    house.merge_all()
    assert lacking(house, sop_class, 1, 2, 3) == {}
    assert lacking(house, sop_class, 1, 2, code="west") == {1: ABSENT, 2: ABSENT}, "another organisation's is its own"


def test_rejected_and_purged_instances_are_not_answered_for(house: House) -> None:
    sop_class = receive(house, 1, 2, 3)
    house.pack_all()
    receive(house, 4, 5, 6)
    said = rejections(house)
    said.reject("east", UID, WORLD.series_instance_uid(1), [sop(1), sop(4)], code="113037")
    said.purge("east", UID, WORLD.series_instance_uid(1), [sop(2), sop(5)])
    assert lacking(house, sop_class, 1, 2, 3, 4, 5, 6) == dict.fromkeys((1, 2, 4, 5), ABSENT)
    said.restore("east", UID, WORLD.series_instance_uid(1), [sop(1), sop(4)])
    assert lacking(house, sop_class, 1, 4) == {}


def test_a_rejection_note_is_answered_for_and_what_it_rejects_is_not(house: House) -> None:
    sop_class = receive(house, 1, 2)
    for number, code in ((1, "113037"), (2, "113039")):
        named = [(UID, WORLD.series_instance_uid(1), sop(number))]
        note = house.receive(rejection_note(WORLD, named, code=code, instance=number))
        assert lacking(house, sop_class, number) == {number: ABSENT}
        asked = [(note.sop_class_uid, note.sop_instance_uid)]
        assert commitments(house).lacking(house.keys["east"], asked) == {}, "its sender asks before it deletes its own"
        house.pack_all()
        assert commitments(house).lacking(house.keys["east"], asked) == {}


def test_an_instance_whose_bytes_are_gone_is_not_answered_for(house: House) -> None:
    sop_class = receive(house, 1, series=1)
    house.pack_all()
    receive(house, 2, series=2)
    house.blobs.delete([pack.key for pack in house.pack_rows(UID)] + house.keys_under("spool/"))
    asked = [(sop_class, sop(1)), (sop_class, sop(2, series=2))]
    found = commitments(house).lacking(house.keys["east"], asked)
    assert set(found.values()) == {FailureReason.PROCESSING_FAILURE}
    assert set(found) == set(asked)


def test_what_a_damaged_sidecar_cannot_tell_of_is_not_answered_for_and_the_rest_is(house: House) -> None:
    sop_class = receive(house, 1)
    house.pack_all()
    receive(house, 2)
    house.pack_all()
    [damaged, _] = house.pack_rows(UID)
    house.blobs.delete([damaged.sidecar_key])
    house.blobs.put(damaged.sidecar_key, b"damaged")
    assert lacking(house, sop_class, 1, 2, 3) == {1: FailureReason.PROCESSING_FAILURE, 3: ABSENT}


def test_ten_thousand_instances_are_answered_for_in_seconds(house: House) -> None:
    sop_class = receive(house, *range(1, 301))
    house.pack_all()
    asked = [(sop_class, sop(n)) for n in range(1, 10_001)]
    began = time.monotonic()
    accepted = commitments(house).request(
        organisation=house.keys["east"], requester="CT1", transaction_uid="1.2.3", references=asked
    )
    result = commitments(house).decide(accepted.pk)
    assert time.monotonic() - began < 10.0
    assert len(result.committed) == 300
    assert len(result.failed) == 9_700
    assert {reason for *_, reason in result.failed} == {ABSENT}
    assert [one[:2] for one in result.failed] == asked[300:]


def ask(house: House, transaction: str, sop_class: str, *numbers: int, requester: str = "CT1"):
    return commitments(house).request(
        organisation=house.keys["east"], requester=requester, transaction_uid=transaction,
        references=[(sop_class, sop(number)) for number in numbers], own_title="PACSD",
    )  # fmt: skip


def test_a_request_is_decided_once(house: House) -> None:
    sop_class = receive(house, 1)
    accepted = ask(house, "1.2.3", sop_class, 1, 2)
    assert accepted.notification is not None
    first = commitments(house).decide(accepted.pk)
    assert first.failed == ((sop_class, sop(2), ABSENT),)
    receive(house, 2)
    assert commitments(house).decide(accepted.pk) == first
    scope = house.peer("east").scope
    assert commitments(house).result(scope, "1.2.3", requester="CT1") == first
    for other in (house.peer("west").scope, scope):
        with pytest.raises(PacsdError) as error:
            commitments(house).result(other, "1.2.3", requester="CT2")
        assert error.value.fault is Fault.NOT_FOUND


def test_a_transaction_uid_is_used_once(house: House) -> None:
    sop_class = receive(house, 1, 2)
    first = ask(house, "1.2.3", sop_class, 1)
    assert ask(house, "1.2.3", sop_class, 1, 1) == first, "the same again, while its result waits, is the same"
    other = ask(house, "1.2.3", sop_class, 2)
    assert other != first
    failed = commitments(house).decide(other.pk).failed
    assert failed == ((sop_class, sop(2), FailureReason.DUPLICATE_TRANSACTION_UID),)
    assert commitments(house).decide(first.pk).committed == ((sop_class, sop(1)),)
    assert commitments(house).decide(ask(house, "1.2.3", sop_class, 2, requester="CT2").pk).failed == ()
    with house.pool.connection() as connection:
        connection.execute("update notification set state = 'delivered' where pk = %s", (first.notification,))
    late = ask(house, "1.2.3", sop_class, 1)
    assert commitments(house).decide(late.pk).failed[0][2] == FailureReason.DUPLICATE_TRANSACTION_UID


def test_what_cannot_be_asked_is_refused(house: House) -> None:
    with pytest.raises(PacsdError) as error:
        ask(house, "1.2.3", CT)
    assert error.value.fault is Fault.MALFORMED
    with pytest.raises(PacsdError) as error:
        ask(house, "1.2.3", CT, *range(MAX_REFERENCES + 1))
    assert error.value.fault is Fault.TOO_MUCH
    with pytest.raises(PacsdError) as error:
        commitments(house).decide(4711)
    assert error.value.fault is Fault.NOT_FOUND


def test_old_requests_are_forgotten_with_what_waits_to_be_told(house: House) -> None:
    later = datetime(2036, 1, 1, tzinfo=UTC)
    accepted = ask(house, "1.2.3", CT, 1)
    assert not commitments(house).forget(keep_s=3600.0)
    assert commitments(house).decide(accepted.pk)
    Commitments(house.pool, house.blobs, house.sidecars, clock=lambda: later).forget(keep_s=3600.0)
    with house.pool.connection() as connection:
        assert connection.execute("select from notification").fetchall() == []
