"""What the journal says takes effect, also where a process ended before the index heard of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import OrganisationSettings, Settings, StorageSettings
from pacsd.archive.catch_up import CatchUp, last_words
from pacsd.archive.journal import FactKind
from pacsd.archive.overlay import Overlays
from pacsd.archive.reject import Rejections
from pacsd.archive.services import open_archive
from pacsd.archive.truth import Truth
from pacsd.archive.upkeep import settle
from pacsd.faults import Fault, PacsdError
from pacsd.index import caught_up
from tests.archive.house import House, opened
from tests.synthetic import small_object, study

WORLD = study(21)
UID, SERIES = WORLD.study_instance_uid, WORLD.series_instance_uid(1)
NAME = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Corrected^Name"}]}}


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        for number in (1, 2, 3):
            house.receive(small_object(WORLD, instance=number))
        yield house


def services(house: House) -> tuple[Overlays, Rejections]:
    truth = Truth(house.pool, house.writing, house.sidecars, house.keys, grace_s=0.0)
    return Overlays(house.journal, truth), Rejections(house.journal, truth, house.sidecars)


def catch_up(house: House) -> None:
    overlays, rejections = services(house)
    CatchUp(house.journal, {
        FactKind.PATIENT_OVERLAY: overlays.apply, FactKind.STUDY_OVERLAY: overlays.apply,
        FactKind.REJECT: rejections.apply, FactKind.RESTORE: rejections.apply,
    }).run(datetime.now(UTC) - timedelta(days=1))


def sop(number: int) -> str:
    return WORLD.sop_instance_uid(1, number)


def said(house: House, fact: str, *numbers: int) -> None:
    """Said, and the process ended."""
    more = {"code": "113001"} if fact == "reject" else {}
    series = {SERIES: [sop(number) for number in numbers]}
    house.journal.append({"fact": fact, "organisation": "east", "study": UID, "series": series, **more})


def events(house: House) -> list[str]:
    with house.pool.connection() as connection:
        return [row[0] for row in connection.execute("select topic from event order by pk")]


def test_what_was_said_takes_effect(house: House) -> None:
    said(house, "reject", 1, 2)
    house.journal.append({"fact": "overlay.study", "organisation": "east", "study": UID, "attributes": NAME})
    catch_up(house)
    assert set(house.data_sets(UID)) == {sop(3)}
    assert house.contents(UID)[0].overlay == NAME


def test_what_is_in_effect_is_not_said_again(house: House) -> None:
    _, rejections = services(house)
    rejections.reject("east", UID, None, [sop(1), sop(2)], code="113001")
    rejections.restore("east", UID, None, [sop(1)])
    before = events(house)
    catch_up(house)
    assert events(house) == before
    assert house.contents(UID)[0].rejected == {sop(2)}


def test_the_last_word_counts_whichever_was_heard(house: House) -> None:
    _, rejections = services(house)
    said(house, "reject", 1, 2)
    rejections.apply(next(house.journal.replay()))
    said(house, "restore", 1)                              # never heard
    catch_up(house)
    assert house.contents(UID)[0].rejected == {sop(2)}
    assert [fact.kind for fact in last_words(house.journal.replay())] == [FactKind.REJECT, FactKind.RESTORE]


def test_what_is_said_meanwhile_is_not_undone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    said(house, "reject", 1)
    apply, told = Rejections.apply, []

    def late(self: Rejections, fact: object) -> None:
        if not told:
            told.append(fact)
            said(house, "restore", 1)                      # and heard by the index before what we apply
        apply(self, fact)                                  # type: ignore[arg-type]

    monkeypatch.setattr(Rejections, "apply", late)
    catch_up(house)
    assert house.contents(UID)[0].rejected == set()


def test_a_start_looks_at_what_was_said_since_the_last_one_and_somewhat_before(
    house: House, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    organisations = tuple(OrganisationSettings(code) for code in house.keys)
    settings = Settings(organisations=organisations, data_dir=tmp_path, storage=StorageSettings(reserve_bytes=0))
    looked: list[datetime] = []
    monkeypatch.setattr(CatchUp, "run", lambda _self, since: looked.append(since))
    archive = open_archive(settings, database)
    try:
        began = datetime.now(UTC)
        settle(settings, archive)
        first = caught_up.reached(house.pool)
        assert first is not None and began <= first <= datetime.now(UTC)
        settle(settings, archive)
        assert looked[0] < began - timedelta(days=6) and looked[1] == first - timedelta(hours=3)

        def broken(_self: CatchUp, since: datetime) -> None:
            raise PacsdError(Fault.UNAVAILABLE, "a fact cannot be read")

        reached = caught_up.reached(house.pool)
        monkeypatch.setattr(CatchUp, "run", broken)
        settle(settings, archive)                                        # what was not applied is looked at again
        assert caught_up.reached(house.pool) == reached
    finally:
        archive.close()
