"""What clients wrote comes back from the journal, with ids and versions."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fhir.restoration import Restoration
from pacsd.archive.backup import backup, restore
from pacsd.archive.journal import FHIR_PREFIX, Journal
from pacsd.blobs import LocalBlobs
from pacsd.blobs.record_log import RecordLog
from pacsd.blobs.thin import ThinBlobs
from pacsd.codec.refill import native_frame
from pacsd.faults import Fault, PacsdError
from tests.conftest import Postgres
from tests.fhir.house import House, opened, patient


def restoration(house: House, **more: object) -> Restoration:
    return Restoration(house.server.units, house.journal, house.keys, house.server.extract, **more)  # type: ignore[arg-type]


def told(house: House) -> list[object]:
    """Everything there is: each version's body and how it came about."""
    return house.get("_history?_count=1000").json().get("entry", [])


def busy(house: House) -> None:
    house.put("Patient/a", patient(id="a"))
    house.put("Patient/a", patient(id="a", gender="male"))
    house.post("Observation", {"resourceType": "Observation", "status": "final", "code": {"text": "长"}})
    house.put("Patient/b", patient(id="b"))
    house.delete("Patient/b")
    house.put("Patient/a", patient(id="a", gender="other"))


def test_a_rebuild_brings_all_versions_back(
    house: House, postgres: Postgres, migrated_template: str, tmp_path: Path
) -> None:
    busy(house)
    name, dsn = postgres.create(template=migrated_template)
    with opened(dsn, tmp_path / "blobs") as other:
        assert restoration(other).rebuild() == 6
        assert told(other) == told(house)
        assert other.get("Patient/b").status_code == 410 and other.get("Patient/a/_history/1").status_code == 200
        assert restoration(other).rebuild() == 0
        assert other.put("Patient/a", patient(id="a")).headers["etag"] == 'W/"4"'
    postgres.drop(name)


def test_a_rebuild_from_a_backup_brings_back_what_was_journalled_in_records(
    house: House, postgres: Postgres, migrated_template: str, tmp_path: Path
) -> None:
    """As many write: the journal's blobs are records of a segment then (fhir.services)."""
    blobs, restored = (LocalBlobs(tmp_path / name, reserve_bytes=0) for name in ("records", "restored"))
    records = RecordLog(blobs.root, reserve_bytes=0, clock=lambda: 0.0)
    house.server.units._say = Journal(blobs, prefix=FHIR_PREFIX, records=records).append_all
    busy(house)
    kept = [info.key for info in blobs.list(FHIR_PREFIX)]
    assert len(kept) == 6 and sum(".log/" in key for key in kept) == 5       # who begins to write has a file
    assert not list(backup(ThinBlobs(blobs, native_frame), tmp_path / "backup", lambda *_: None))
    busy(house)                                                              # and goes on
    assert not list(backup(ThinBlobs(blobs, native_frame), tmp_path / "backup", lambda *_: None))
    assert not list(restore(ThinBlobs(restored, native_frame), tmp_path / "backup", lambda *_: None))
    records.close()
    name, dsn = postgres.create(template=migrated_template)
    with opened(dsn, tmp_path / "restored") as other:
        assert restoration(other).rebuild() == 12
        assert told(other) == told(house)
        assert restoration(other).rebuild() == 0
    postgres.drop(name)


def test_facts_may_come_in_any_order(
    house: House, postgres: Postgres, migrated_template: str, tmp_path: Path
) -> None:
    busy(house)
    facts = list(house.journal.replay())
    random.Random(3).shuffle(facts)
    name, dsn = postgres.create(template=migrated_template)
    with opened(dsn, tmp_path / "other") as other:
        for fact in facts:
            other.journal.append_all([({"fact": fact.kind.value, **fact.body}, fact.at)])
            restoration(other).rebuild()
        assert told(other) == told(house)
    postgres.drop(name)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("followed", [False, True])
def test_of_two_versions_with_one_number_the_later_counts(house: House, turned: bool, followed: bool) -> None:
    """The first was never committed: its process was killed, and the client came again before it was put back."""
    house.put("Patient/a", patient(id="a"))
    house.put("Patient/a", patient(id="a", gender="male"))
    if followed:
        house.put("Patient/a", patient(id="a", birthDate="2001"))
    facts = [({"fact": fact.kind.value, **fact.body}, fact.at) for fact in house.journal.replay()]
    never, at = facts[1]
    lost = {**never, "body": str(never["body"]).replace('"male"', '"female"')}, at - timedelta(milliseconds=1)
    expected = told(house)
    house.pool.wait()
    with house.pool.connection() as connection:
        connection.execute("delete from fhir_resource")
    for one in [*facts, lost] if turned else [lost, *facts]:
        house.journal.append_all([one])
        restoration(house).rebuild()
    assert told(house) == expected
    assert house.get("Patient?gender=female").json()["total"] == 0


class Ended(Exception):
    """A process that was killed."""


def test_what_was_journalled_and_not_committed_is_put_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put("Patient/a", patient(id="a"))
    say = house.journal.append_all

    def ends(facts: object) -> None:
        say(facts)  # type: ignore[arg-type]
        raise Ended

    monkeypatch.setattr(house.server.units, "_say", ends)
    assert house.put("Patient/b", patient(id="b")).status_code == 500
    monkeypatch.undo()
    assert house.get("Patient/b").status_code == 404
    restoration(house).catch_up()
    assert house.get("Patient/b").status_code == 404, "somebody may be about to commit it"
    later = restoration(house, clock=lambda: datetime.now(UTC) + timedelta(minutes=1))
    later.catch_up()
    assert house.get("Patient/b").status_code == 200 and house.get("Patient/a").headers["etag"] == 'W/"1"'
    before = told(house)
    later.catch_up()
    later.settle()
    assert told(house) == before


def test_nothing_is_kept_that_could_not_be_journalled(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(facts: object) -> None:
        raise PacsdError(Fault.FULL, "no room left")

    monkeypatch.setattr(house.server.units, "_say", full)
    assert house.put("Patient/a", patient(id="a")).status_code == 507
    monkeypatch.undo()
    assert house.get("Patient/a").status_code == 404


def test_an_organisation_that_is_not_configured_ends_a_rebuild(house: House) -> None:
    house.put("Patient/a", patient(id="a"))
    journal = Journal(house.journal._blobs, prefix=FHIR_PREFIX)
    other = Restoration(house.server.units, journal, {"north": 1}, house.server.extract)
    with pytest.raises(PacsdError) as refused:
        other.rebuild()
    assert refused.value.fault is Fault.INTERNAL
