"""A worker that dies anywhere in packing, merging or collecting leaves the old truth or the new one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pacsd.blobs import LocalBlobs
from tests.archive.house import House, opened, shown
from tests.synthetic import small_object, study

WORLD = study(8)
UID = WORLD.study_instance_uid


class Killed(BaseException):
    """The process is gone at this point."""


class Dying:
    """Stands before something and dies at the n-th call of its methods, just before or just after it took effect."""

    def __init__(self, inner: Any, countdown: "Countdown") -> None:
        self._inner = inner
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._countdown.tick()
            result = found(*arguments, **options)
            self._countdown.tick()
            return Dying(result, self._countdown) if name == "create" else result

        return call


class Countdown:
    """Dies at one tick."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.ticks = 0

    def tick(self) -> None:
        self.ticks += 1
        if self.ticks == self.at:
            raise Killed


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def free_claims(house: House) -> None:
    """What the end of a lease does."""
    with house.pool.connection() as connection:
        connection.execute("update series set claimed_until = null")


def recovered(house: House, expected: dict[str, bytes]) -> None:
    """What a new worker makes of it: the same truth, and in the end nothing left over."""
    assert house.data_sets(UID) == expected
    free_claims(house)
    house.sidecars.__init__(house.blobs)  # type: ignore[misc]
    house.repair().run()
    assert house.data_sets(UID) == expected
    house.pack_all()
    house.merge_all()
    house.collect_all()
    house.collect_all()
    assert house.data_sets(UID) == expected
    rows = house.pack_rows(UID)
    assert sum(pack.instances for pack in rows) == len(expected)
    assert house.keys_under("packs/") == sorted(key for row in rows for key in (row.key, row.sidecar_key))
    assert house.keys_under("spool/") == []


def killed_everywhere(house: House, work: Callable[[Countdown], None], prepare: Callable[[], None]) -> Iterator[int]:
    """Do the work again and again, dying one step later each time, until it lives."""
    at = 0
    while True:
        at += 1
        prepare()
        countdown = Countdown(at)
        try:
            work(countdown)
        except Killed:
            yield at
            continue
        return


def dying_blobs(house: House, countdown: Countdown) -> Any:
    return Dying(LocalBlobs(Path(house.local.root), reserve_bytes=0), countdown)


def test_packing_killed_at_every_step(house: House) -> None:
    expected: dict[str, bytes] = {}

    def prepare() -> None:
        number = len(expected) + 1
        some = [small_object(WORLD, instance=number), small_object(WORLD, instance=number + 1)]
        for file in some:
            house.receive(file)
        expected.update(shown(some))

    def work(countdown: Countdown) -> None:
        packer = house.make_packer(blobs=dying_blobs(house, countdown), index=Dying(house.packs, countdown))
        while packer.run():
            pass

    steps = 0
    for _ in killed_everywhere(house, work, prepare):
        steps += 1
        recovered(house, expected)
    recovered(house, expected)
    assert steps > 20


def test_merging_killed_at_every_step(house: House) -> None:
    expected: dict[str, bytes] = {}

    def prepare() -> None:
        series = len(expected) // 2 + 1
        for instance in (1, 2):
            file = small_object(WORLD, series=series, instance=instance)
            house.receive(file)
            expected.update(shown([file]))
            house.pack_all()

    def work(countdown: Countdown) -> None:
        merger = house.make_merger(blobs=dying_blobs(house, countdown), index=Dying(house.packs, countdown))
        while merger.run():
            pass

    steps = 0
    for _ in killed_everywhere(house, work, prepare):
        steps += 1
        recovered(house, expected)
    recovered(house, expected)
    assert steps > 15


def test_collection_killed_at_every_step(house: House) -> None:
    expected: dict[str, bytes] = {}

    def prepare() -> None:
        series = len(expected) // 2 + 1
        for instance in (1, 2):
            file = small_object(WORLD, series=series, instance=instance)
            house.receive(file)
            expected.update(shown([file]))
            house.pack_all()
        house.merge_all()

    def work(countdown: Countdown) -> None:
        collector = house.make_collector(
            blobs=dying_blobs(house, countdown), index=Dying(house.inventory, countdown)
        )
        collector.sweep()
        while collector.run():
            pass

    for _ in killed_everywhere(house, work, prepare):
        recovered(house, expected)
    recovered(house, expected)


def test_an_unknown_pack_with_an_instance_nobody_else_has_is_kept(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    file = small_object(WORLD)
    house.receive(file)
    house.pack_all()
    with house.pool.connection() as connection:
        connection.execute("delete from pack")
        connection.execute("delete from garbage")
    before = house.keys_under("")
    house.collect_all()
    assert house.keys_under("packs/") == [key for key in before if key.startswith("packs/")]
    assert any("kept" in record.message for record in caplog.records)
