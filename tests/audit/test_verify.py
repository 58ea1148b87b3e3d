"""Whatever is done to the records afterwards is found."""

import os
from collections.abc import Callable

import pytest

from pacsd.audit.verify import Verify
from tests.audit.house import House, access


@pytest.fixture
def written(house: House) -> House:
    """Two processes' chains of several files, read and anchored twice."""
    first, second = house.trail(segment_bytes=900), house.trail(segment_bytes=900)
    for n in range(8):
        first.write(access(user=f"a{n}"))
        second.write(access(user=f"b{n}"))
    house.load()
    house.anchors.run()
    for n in range(8):
        first.write(access(user=f"c{n}"))
    house.load()
    house.anchors.run()
    first.close()
    second.close()
    return house


def test_what_was_not_touched_is_found_good(written: House) -> None:
    verify = Verify(written.folder, written.blobs, written.events)
    assert list(verify.run()) == []
    assert verify.tally.chains == 2 and verify.tally.anchors == 2 and verify.tally.files > 6
    written.load()
    assert written.findings() == []


def change_a_name(house: House) -> None:
    file = house.files()[1]
    file.write_bytes(file.read_bytes().replace(b'"id":"a', b'"id":"z', 1))


def cut_the_last_file(house: House) -> None:
    file = house.files()[-1]
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-2]))


def cut_in_the_middle_of_a_line(house: House) -> None:
    os.truncate(house.files()[-1], house.files()[-1].stat().st_size - 150)


def swap_lines(house: House) -> None:
    file = house.files()[0]
    first, second, third, *rest = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([first, third, second, *rest]))


def remove_a_file(house: House) -> None:
    house.files()[1].unlink()


def remove_the_last_file(house: House) -> None:
    house.files()[-1].unlink()


def remove_a_whole_chain(house: House) -> None:
    writer = house.files()[0].name.rpartition("-")[0]
    for file in house.files():
        if file.name.startswith(writer):
            file.unlink()


def exchange_two_files(house: House) -> None:
    first, second, *_ = house.files()
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)


def remove_an_anchor(house: House) -> None:
    next((house.root / "blobs" / "audit-anchors").iterdir()).unlink()


def remove_the_last_anchor(house: House) -> None:
    max((house.root / "blobs" / "audit-anchors").iterdir()).unlink()


def change_an_anchor(house: House) -> None:
    file = min((house.root / "blobs" / "audit-anchors").iterdir())
    file.write_bytes(file.read_bytes().replace(b'"at":"2', b'"at":"3', 1))


@pytest.mark.parametrize(
    "harm",
    [change_a_name, cut_the_last_file, cut_in_the_middle_of_a_line, swap_lines, remove_a_file, remove_the_last_file,
     remove_a_whole_chain, exchange_two_files, remove_an_anchor, remove_the_last_anchor, change_an_anchor],
)  # fmt: skip
def test_harm_is_found(written: House, harm: Callable[[House], None]) -> None:
    harm(written)
    assert written.findings() != []


def rewritten(house: House) -> None:
    """A chain made anew without a record, by somebody who knows how, in place of the one there was."""
    writer, files = house.files()[0].name.rpartition("-")[0], house.files()
    for file in files:
        if file.name.startswith(writer):
            file.unlink()
    forged = house.trail()
    forged._ulids = lambda: writer
    forged.write(access(user="a0"))
    forged.close()


def test_a_chain_that_was_made_anew_is_found_by_its_anchors(written: House) -> None:
    rewritten(written)
    assert any("is another than" in one or "ends after" in one for one in written.findings())


def test_anchors_that_were_made_anew_are_found_by_the_key(house: House) -> None:
    house.key = b"k" * 32
    signing = House(house.pool, house.root, key=house.key)
    trail = house.trail()
    trail.write(access())
    trail.close()
    house.load()
    signing.anchors.run()
    assert house.findings() == []
    assert any("not signed" in one for one in house.findings(key=b"another" * 8))


def test_a_file_made_by_a_process_that_ended_before_it_went_on_there_is_nothing(house: House) -> None:
    trail = house.trail()
    trail.write(access())
    name = trail._file.name.replace("-000001", "-000002")                # type: ignore[union-attr]
    (house.root / "audit" / name).touch()
    house.load()
    assert house.findings() == []
    (house.root / "audit" / name).write_bytes(b"1")
    assert any("names none" in one for one in house.findings())
    trail.close()
