"""Corrections, rejections and purges: said once, durable first, repeatable."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pacsd.archive.journal import FactKind
from pacsd.archive.overlay import Overlays
from pacsd.archive.reject import Rejections
from pacsd.archive.truth import Truth
from pacsd.faults import Fault, PacsdError
from tests.archive.house import House, opened, shown
from tests.synthetic import small_object, study

WORLD = study(13)
UID = WORLD.study_instance_uid
NAME = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Corrected^Name"}]}}


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def truth(house: House) -> Truth:
    return Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=0.0)


def overlays(house: House) -> Overlays:
    return Overlays(house.journal, truth(house))


def rejections(house: House) -> Rejections:
    return Rejections(house.journal, truth(house), house.sidecars)


def fill(house: House) -> dict[str, bytes]:
    """Two packed instances and a loose one."""
    files = [small_object(WORLD, instance=n) for n in (1, 2, 3)]
    for file in files[:2]:
        house.receive(file)
    house.pack_all()
    house.receive(files[2])
    return shown(files)


def sop(number: int) -> str:
    return WORLD.sop_instance_uid(1, number)


def test_a_patient_overlay_reaches_every_study_of_its_authority_only(house: House) -> None:
    house.receive(small_object(WORLD))
    house.receive(small_object(WORLD), code="west")
    overlays(house).set_patient_overlay(assigning_authority="east", patient_id=WORLD.patient_id, attributes=NAME)
    assert house.contents(UID)[0].overlay == NAME
    assert house.contents(UID, code="west")[0].overlay == {}
    assert [fact.kind for fact in house.journal.replay()] == [FactKind.PATIENT_OVERLAY]


def test_an_overlay_is_said_whole_and_may_be_repeated(house: House) -> None:
    house.receive(small_object(WORLD))
    said = overlays(house)
    said.set_study_overlay(organisation="east", study_instance_uid=UID, attributes=NAME)
    said.set_study_overlay(organisation="east", study_instance_uid=UID, attributes={})
    assert house.contents(UID)[0].overlay == {}
    for fact in house.journal.replay():
        said.apply(fact)
        said.apply(fact)
    assert house.contents(UID)[0].overlay == {}


@pytest.mark.parametrize(
    "attributes",
    [{"0020000D": {"vr": "UI", "Value": ["1.2"]}}, {"00080060": {"vr": "CS"}}, {"PatientName": {"vr": "PN"}},
     {"00100010": {}}, {"00100010": {"vr": "person"}}],
)
def test_what_no_overlay_may_hold_is_refused_before_it_is_said(house: House, attributes: dict[str, Any]) -> None:
    with pytest.raises(PacsdError) as caught:
        overlays(house).set_study_overlay(organisation="east", study_instance_uid=UID, attributes=attributes)
    assert caught.value.fault is Fault.MALFORMED
    assert list(house.journal.replay()) == []


def test_rejected_instances_are_hidden_kept_and_come_back(house: House) -> None:
    expected = fill(house)
    hidden = rejections(house)
    assert hidden.reject("east", UID, None, [sop(1), sop(3)], code="113037") == 2
    assert hidden.reject("east", UID, None, [sop(1), sop(3)], code="113037") == 0
    assert set(house.data_sets(UID)) == {sop(2)}
    with pytest.raises(PacsdError) as caught:
        house.receive(small_object(WORLD, instance=3))
    assert caught.value.fault is Fault.REFUSED
    house.pack_all()
    house.merge_all()
    house.collect_all()
    assert set(house.data_sets(UID)) == {sop(2)}
    assert hidden.restore("east", UID) == 2
    assert house.data_sets(UID) == expected


def test_a_whole_study_can_be_rejected_and_restored(house: House) -> None:
    expected = fill(house)
    assert rejections(house).reject("east", UID, code="113001") == 3
    assert house.contents(UID) == []
    assert rejections(house).restore("east", UID) == 3
    assert house.data_sets(UID) == expected


def test_what_is_not_there_cannot_be_rejected(house: House) -> None:
    fill(house)
    for arguments in (("east", "1.2.3"), ("west", UID), ("east", UID, "1.2.3"), ("east", UID, None, ["1.2.3"])):
        with pytest.raises(PacsdError) as caught:
            rejections(house).reject(*arguments, code="113001")  # type: ignore[arg-type]
        assert caught.value.fault is Fault.NOT_FOUND
    assert list(house.journal.replay()) == []


def test_purged_bytes_are_gone_from_spool_and_packs(house: House) -> None:
    expected = fill(house)
    assert rejections(house).purge("east", UID, None, [sop(1), sop(3)]) == 2
    del expected[sop(1)], expected[sop(3)]
    assert house.data_sets(UID) == expected
    house.merge_all()
    house.collect_all()
    house.collect_all()
    assert house.data_sets(UID) == expected
    assert house.keys_under("spool/") == []
    (row,) = house.pack_rows(UID)
    assert [entry.sop_instance_uid for entry in house.sidecars(row)] == [sop(2)]
    assert len(house.keys_under("packs/")) == 2


def test_a_repeated_purge_spares_what_came_afterwards(house: House) -> None:
    fill(house)
    purging = rejections(house)
    purging.purge("east", UID)
    again = small_object(WORLD, instance=1)
    house.receive(again)
    for fact in house.journal.replay():
        purging.apply(fact)
    assert house.data_sets(UID) == shown([again])


def test_a_purged_series_leaves_nothing(house: House) -> None:
    fill(house)
    rejections(house).purge("east", UID)
    house.merge_all()
    house.collect_all()
    house.collect_all()
    assert house.contents(UID) == []
    assert house.keys_under("spool/") == [] and house.keys_under("packs/") == []


def test_a_correction_of_what_is_not_there_is_not_remembered_either(house: House) -> None:
    with pytest.raises(PacsdError) as caught:
        overlays(house).set_patient_overlay(assigning_authority="east", patient_id="nobody", attributes=NAME)
    assert caught.value.fault is Fault.NOT_FOUND
    with pytest.raises(PacsdError) as caught:
        overlays(house).set_study_overlay(organisation="east", study_instance_uid=UID, attributes=NAME)
    assert caught.value.fault is Fault.NOT_FOUND
    assert list(house.journal.replay()) == []


def test_what_was_purged_cannot_be_restored_while_its_pack_waits_for_a_merge(house: House) -> None:
    expected = fill(house)
    hiding = rejections(house)
    hiding.reject("east", UID, None, [sop(1)], code="113001")
    hiding.purge("east", UID, None, [sop(1)])
    del expected[sop(1)]
    with pytest.raises(PacsdError) as caught:
        hiding.restore("east", UID, None, [sop(1)])
    assert caught.value.fault is Fault.NOT_FOUND
    with house.pool.connection() as connection:
        assert connection.execute("select instances from study").fetchall() == [(2,)]
    with pytest.raises(PacsdError) as caught:
        house.receive(small_object(WORLD, instance=1))
    assert caught.value.fault is Fault.REFUSED
    assert house.data_sets(UID) == expected
