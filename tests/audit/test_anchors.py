"""Anchors name what moved, once, and stay as good as they were when they are bundled."""

from pathlib import Path

import pytest

from pacsd.audit import anchor_bundles
from pacsd.audit.anchors import Anchors, read
from tests.audit.house import House, access


def anchored(house: House, times: int, *, size: int = 3, key: bytes | None = None) -> Anchors:
    """So many anchors, each of one more record."""
    anchors = Anchors(house.blobs, house.events, key=key, bundle=size)
    trail = house.trail()
    for n in range(times):
        trail.write(access(user=str(n)))
        house.load()
        anchors.run()
    trail.close()
    house.load()
    return anchors


def names(house: House) -> list[str]:
    return sorted(one.name for one in (house.root / "blobs" / "audit-anchors").iterdir())


def test_an_anchor_names_the_chains_that_moved_whoever_made_the_one_before(house: House) -> None:
    anchored(house, 2)
    another = house.trail()
    another.write(access())
    house.load()
    Anchors(house.blobs, house.events).run()
    heads = [set(read(*one)[0].heads) for one in anchor_bundles.stored(house.blobs)]
    assert len(heads) == 3 and len(heads[2]) == 2        # the first one ended meanwhile
    Anchors(house.blobs, house.events).run()
    assert len(names(house)) == 3 and house.findings() == []
    another.close()


def test_old_anchors_stand_in_bundles_and_are_verified_there(house: House) -> None:
    house.key = b"k" * 32
    before = anchored(house, 12, key=house.key)
    assert sum("-" in name for name in names(house)) == 3 and len(names(house)) < 12
    assert [number for number, _ in anchor_bundles.stored(house.blobs)] == list(range(1, 13))
    assert house.findings() == []
    assert any("not signed" in one for one in house.findings(key=b"another" * 8))
    assert before._last() == Anchors(house.blobs, house.events)._last()


def test_an_index_made_anew_goes_on_behind_the_last_anchor(house: House) -> None:
    anchored(house, 7)
    house.events.anchor = lambda: None                   # type: ignore[method-assign]
    anchors = Anchors(house.blobs, house.events)
    number, digest = anchors._last()
    *_, last = anchor_bundles.stored(house.blobs)
    assert number == 7 and read(*last)[0].digest == digest


def bundles(house: House) -> list[Path]:
    return [house.root / "blobs" / "audit-anchors" / name for name in names(house) if "-" in name]


@pytest.mark.parametrize("old", [b'"at":"2', b"000000000001"])
def test_a_bundle_that_was_changed_or_taken_away_is_found(house: House, old: bytes) -> None:
    anchored(house, 12)
    first = bundles(house)[0]
    if old.isdigit():
        first.unlink()
    else:
        first.write_bytes(first.read_bytes().replace(old, b'"at":"3', 1))
    assert house.findings() != []


def test_anchors_left_beside_their_bundle_are_read_once_and_go_with_the_next(house: House) -> None:
    anchored(house, 6)
    beside = names(house)
    assert sum("-" in name for name in beside) == 1 and len(beside) == 7
    assert [number for number, _ in anchor_bundles.stored(house.blobs)] == list(range(1, 7))
    anchor_bundles.bundle(house.blobs, 3)
    assert len(names(house)) == 4


def test_a_damaged_anchor_is_not_bundled_away(house: House) -> None:
    anchored(house, 2, size=100)
    file = house.root / "blobs" / "audit-anchors" / names(house)[0]
    file.write_bytes(b"nothing")
    anchor_bundles.bundle(house.blobs, 1)
    assert len(names(house)) == 2 and house.findings() != []
