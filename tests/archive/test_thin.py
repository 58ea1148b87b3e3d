"""Thin packs: HTJ2K copies alone are kept, and every byte that was received comes back."""

import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
import xxhash

from pacsd.archive import alternate, thin
from pacsd.archive.backup import backup, restore
from pacsd.archive.commitment import Commitments
from pacsd.archive.export import Export
from pacsd.archive.frames import Frames
from pacsd.archive.retrieve import InstanceRef, read
from pacsd.blobs import LocalBlobs, thin_file
from pacsd.blobs.thin import ThinBlobs, thin_key
from pacsd.codec.convert import converted
from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.refill import native_frame
from pacsd.codec.transfer_syntaxes import HTJ2K_LOSSLESS_RPCL
from pacsd.faults import Fault, PacsdError
from pacsd.index.alternates import Alternates, Rule
from tests.archive.house import House, opened, shown
from tests.archive.test_alternate import check, frame, in_syntax, part10
from tests.archive.test_alternate import refs as refs_of
from tests.archive.test_rebuild import empty, rebuild, services
from tests.archive.test_upkeep_crashes import Dying, free_claims, killed_everywhere
from tests.codec.images import cells_of, image_of
from tests.synthetic import compressed_object, ct_slice, encode, raw_object, study, write_multiframe

__all__ = ["empty"]

WORLD = study(47)
UID = WORLD.study_instance_uid
IMPLICIT, ELE, BIG, RLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5"


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def slices(count: int, *, first: int = 1, series: int = 1) -> list[bytes]:
    return [ct_slice(WORLD, series=series, instance=n, rows=96, columns=80) for n in range(first, first + count)]


def receive(house: House, some: list[bytes]) -> dict[str, bytes]:
    for file in some:
        house.receive(file)
    house.pack_all()
    return shown(some)


def refs(house: House) -> list[InstanceRef]:
    return refs_of(house, UID)


def is_thin(house: House) -> list[bool]:
    """Of each pack."""
    return [house.blobs.is_thin(pack.key) and not house.blobs.is_whole(pack.key) for pack in house.pack_rows(UID)]


def packs(house: House) -> dict[str, bytes]:
    """Every byte of every pack."""
    return {pack.key: house.blobs.read(pack.key) for pack in house.pack_rows(UID)}


def anew(house: House) -> ThinBlobs:
    """The blobs as another process sees them."""
    return ThinBlobs(LocalBlobs(Path(house.local.root), reserve_bytes=0), native_frame)


def bytes_under(house: House, prefix: str) -> int:
    return sum(info.size_bytes for info in house.local.list(prefix))


def image(
    description: PixelDescription, *, syntax: str = ELE, frames: int = 1, vr: str = "", whole: bool = False,
    series: int = 1, number: int = 1,
) -> bytes:
    """A file of WORLD with such pixels, in that transfer syntax."""
    made = image_of(description, [cells_of(description, n, whole=whole) for n in range(frames)]).read()
    one = pydicom.dcmread(BytesIO(raw_object(WORLD, series=series, instance=number)))
    for element in made:
        if element.tag.group >= 0x0028 or element.tag == 0x00080008:
            one.add(element)
    one.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    if vr:
        one["PixelData"].VR = vr
    file = encode(one, ELE)
    body = shown([file]).popitem()[1]
    if syntax == ELE:
        return file
    head = encode(pydicom.dcmread(BytesIO(file), stop_before_pixels=True), syntax)
    return head[: -len(shown([head]).popitem()[1])] + b"".join(converted([body], source=ELE, target=syntax))


def rle(**where: int) -> bytes:
    return in_syntax(image(GREY, **where), RLE)


def lossy(series: int, number: int) -> bytes:
    return compressed_object(WORLD, series=series, instance=number)


def nothing_to_see(series: int, number: int) -> bytes:
    return raw_object(WORLD, series=series, instance=number, payload=bytes(5000))


GREY, BYTES = PixelDescription(64, 48, 1, 16, 12, 11), PixelDescription(64, 48, 1, 8, 8, 7)
ODD, COLOUR = replace(BYTES, rows=63, columns=47), PixelDescription(64, 48, 3, 8, 8, 7, 0, "RGB")
SIGNED = replace(GREY, pixel_representation=1)
Maker = Callable[..., bytes]
KINDS: dict[str, tuple[Maker, bool]] = {             # how it is made, and whether its frames go
    "12 bits": (partial(image, GREY), True),
    "12 bits signed": (partial(image, SIGNED), True),
    "16 bits signed": (partial(image, replace(SIGNED, bits_stored=16, high_bit=15)), True),
    "bits beside those stored": (partial(image, GREY, whole=True), True),
    "8 bits": (partial(image, BYTES), True),
    "8 bits, odd length": (partial(image, ODD), True),
    "8 bits in words": (partial(image, BYTES, vr="OW"), True),
    "32 bits": (partial(image, PixelDescription(64, 48, 1, 32, 32, 31)), False),
    "1 bit": (partial(image, PixelDescription(64, 48, 1, 1, 1, 0)), False),
    "colour": (partial(image, COLOUR), True),
    "luminance by plane": (
        partial(image, replace(COLOUR, photometric_interpretation="YBR_FULL", planar_configuration=1)), True
    ),
    "colour by plane, odd": (
        partial(image, replace(COLOUR, rows=63, columns=47, planar_configuration=1), frames=3), True
    ),
    "frames": (partial(image, GREY, frames=5), True),
    "frames of odd length": (partial(image, ODD, frames=3), True),
    "implicit": (partial(image, GREY, syntax=IMPLICIT, frames=2), True),
    "big endian": (partial(image, GREY, syntax=BIG, frames=2), True),
    "big endian, 8 bits in words": (partial(image, BYTES, syntax=BIG, vr="OW", frames=2), True),
    "big endian, odd frames in words": (partial(image, ODD, syntax=BIG, vr="OW", frames=2), False),
    "RLE": (rle, False),
    "lossy": (lossy, False),
    "no pixels": (nothing_to_see, False),
}


def test_every_byte_comes_back_whatever_is_in_a_pack(house: House) -> None:
    """Each kind in a series of its own, and all together in one: what cannot go stays beside what goes."""
    uids = {WORLD.series_instance_uid(n): kind for n, kind in enumerate(KINDS, 1)}
    some = [make(series=n, number=1) for n, (make, _) in enumerate(KINDS.values(), 1)]
    some += [make(series=99, number=n) for n, (make, _) in enumerate(KINDS.values(), 1)]
    expected = receive(house, some)
    before = packs(house)
    house.thin_all()
    assert packs(house) == before and house.data_sets(UID) == expected and check(house) == []
    assert not house.make_thinner().run()
    mixed = WORLD.series_instance_uid(99)
    for content in house.contents(UID):
        (pack,) = content.packs
        kind = uids.get(content.series_instance_uid, "")
        goes = KINDS[kind][1] if kind else content.series_instance_uid == mixed
        assert (house.blobs.is_thin(pack.key) and not house.blobs.is_whole(pack.key)) is goes, kind
        assert pack.thin is (None if pack.alternate is None else goes)
        if goes:
            assert house.local.size(thin_key(pack.key)) < pack.size_bytes * 9 // 10
    assert part10(house, refs(house)[0], HTJ2K_LOSSLESS_RPCL)
    with zipfile.ZipFile(BytesIO(packs(house)[pack.key])) as opened_by_others:
        assert opened_by_others.testzip() is None


def test_the_disk_is_given_back(house: House) -> None:
    receive(house, slices(6))
    house.recode_all()
    whole, copies = bytes_under(house, "packs/"), bytes_under(house, "alternates/")
    house.thin_all()
    assert bytes_under(house, "packs/") < whole // 3 and bytes_under(house, "alternates/") == copies
    assert [info.key.rpartition(".")[2] for info in house.local.list("packs/")] == ["gz", "thin"]


def test_frames_and_exports_and_metadata_come_as_from_the_whole_pack(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "multi.dcm"
    write_multiframe(folder, WORLD, frames=4, rows=64, columns=64)
    file = folder.read_bytes()
    house.receive(file)
    house.pack_all()
    (ref,) = refs(house)
    frames = Frames(house.retrieve, house.blobs, house.sidecars)
    key = house.keys["east"]
    scope = house.peer("east").scope

    def seen() -> list[object]:
        found = frames.of(ref, [3, 1])
        bulk = frames.bulk(scope, ref.study_instance_uid, ref.series_instance_uid, ref.sop_instance_uid, "7FE00010")
        export = Export(house.retrieve, house.blobs)
        files = [b"".join(read(one.part10.pieces)) for one in export.instances(scope, ref.study_instance_uid)]
        return [[b"".join(chunks) for _, chunks in found.frames], bulk.read(5000, 9000), files, key]

    before = seen()
    house.thin_all()
    assert house.blobs.is_thin(ref.extent.key) and not house.blobs.is_whole(ref.extent.key) and seen() == before


def test_one_frame_is_decoded_for_one_frame(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []

    def counting(form: str, coded: bytes) -> bytes:
        decoded.append(form)
        return native_frame(form, coded)

    receive(house, [image(GREY, frames=40)])
    house.thin_all()
    (pack,) = house.pack_rows(UID)
    blobs = ThinBlobs(house.local, counting)
    table = house.sidecars(pack).frames(house.sidecars(pack).entries[0])
    assert table is not None
    at, length = table.frames[17][0]
    with blobs.open(pack.key) as reader:
        start = house.sidecars(pack).entries[0].offset_bytes + at
        assert [len(reader.pread(length // 4, start + n * (length // 4))) for n in range(4)] == [length // 4] * 4
    assert len(decoded) == 1
    blobs.read(pack.key, offset_bytes=start, length_bytes=length)
    assert len(decoded) == 1


def test_frames_beyond_what_a_thin_pack_takes_stay_in_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(house, [image(GREY, frames=9), image(GREY, frames=9, number=2)])
    before = packs(house)
    monkeypatch.setattr(thin_file, "MOST_HOLES", 12)
    house.thin_all()
    assert is_thin(house) == [True] and packs(house) == before
    assert house.blobs.head(next(iter(before))).holes == 12


def test_late_arrivals_merge_with_a_thin_pack_and_the_whole_is_thin_anew(house: House) -> None:
    expected = receive(house, slices(3))
    house.thin_all()
    old = house.pack_rows(UID)[0]
    expected |= receive(house, slices(2, first=4))
    assert house.data_sets(UID) == expected
    house.thin_all()
    assert is_thin(house) == [True, False]                   # not while a merge is due
    house.merge_all()
    assert house.data_sets(UID) == expected and is_thin(house) == [False]
    house.thin_all()
    house.collect_all()
    (merged,) = house.pack_rows(UID)
    assert merged.instances == 5 and is_thin(house) == [True] and house.data_sets(UID) == expected
    assert [info.key for info in house.local.list("packs/")] == sorted([merged.sidecar_key, thin_key(merged.key)])
    assert house.keys_under("alternates/") == sorted([merged.alternate_key, merged.alternate_sidecar_key])
    assert old.key != merged.key and check(house) == []


def test_purged_and_rejected_instances_of_thin_packs(house: House) -> None:
    expected = receive(house, slices(3))
    house.thin_all()
    _, _, rejections = services(house)
    first, second, third = sorted(expected)
    rejections.reject("east", UID, WORLD.series_instance_uid(1), [first], code="113001")
    rejections.purge("east", UID, WORLD.series_instance_uid(1), [second])
    assert house.data_sets(UID) == {third: expected[third]}
    house.merge_all()
    house.thin_all()
    house.collect_all()
    assert house.data_sets(UID) == {third: expected[third]} and is_thin(house) == [True] and check(house) == []
    rejections.purge("east", UID)
    house.collect_all()
    assert list(house.local.list("packs/")) == list(house.local.list("alternates/")) == []


def test_only_what_a_rule_names_goes_and_one_that_keeps_the_original_counts(house: House) -> None:
    receive(house, slices(2))
    house.recode_all()
    everybody, mine = Rule(None, ""), Rule(house.keys["east"], "CT")
    for rules in ((), (Rule(house.keys["west"], ""),), (Rule(None, "XX"),)):
        assert not house.make_thinner(thin=rules).run()
    assert not house.make_thinner(thin=(everybody,), whole=(mine,)).run()
    assert not house.make_thinner(thin=(mine,), whole=(everybody,)).run()
    assert is_thin(house) == [False]
    assert house.make_thinner(thin=(mine,), whole=(Rule(house.keys["west"], ""),)).run() and is_thin(house) == [True]


def test_without_a_rule_a_thin_pack_is_read_on_and_a_rule_back_makes_it_whole(house: House) -> None:
    expected = receive(house, slices(3))
    before = packs(house)
    house.thin_all()
    assert not house.make_thinner(thin=()).run() and house.data_sets(UID) == expected
    assert house.make_thinner(thin=(), whole=(Rule(None, ""),)).run()
    assert is_thin(house) == [False] and {key: house.local.read(key) for key in before} == before
    assert not house.make_thinner(thin=(), whole=(Rule(None, ""),)).run()
    assert [info.key for info in house.local.list("packs/") if info.key.endswith(".thin")] == []
    house.thin_all()
    assert is_thin(house) == [True] and house.data_sets(UID) == expected


def test_what_is_damaged_or_was_changed_is_not_thrown_away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(house, slices(2))
    house.recode_all()
    (pack,) = house.pack_rows(UID)
    entry = house.sidecars(pack).entries[0]
    at = entry.offset_bytes + entry.length_bytes - 700       # inside the pixels
    rot(house, pack.key, at)
    house.thin_all()
    (pack,) = house.pack_rows(UID)
    assert is_thin(house) == [False] and pack.thin is False and not house.blobs.is_thin(pack.key)
    assert check(house) == [("corrupt", pack.key)]


def test_a_decoder_that_errs_later_loses_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = receive(house, slices(2))
    house.recode_all()

    def lying(form: str, coded: bytes) -> bytes:
        return native_frame(form, coded)[:-1] + b"!"

    house.blobs._fill = lying
    house.make_thinner().run()
    assert is_thin(house) == [False] and house.data_sets(UID) == expected
    assert house.pack_rows(UID)[0].thin is False and not house.blobs.is_thin(house.pack_rows(UID)[0].key)
    monkeypatch.setattr(thin, "native_frame", lying)         # and one that errs at once
    with house.pool.connection() as connection:
        connection.execute("update alternate set thin = null")
    free_claims(house)
    house.make_thinner().run()
    (pack,) = house.pack_rows(UID)
    assert is_thin(house) == [False] and pack.thin is False and not house.blobs.is_thin(pack.key)


def rot(house: House, key: str, at: int) -> None:
    """One bit."""
    with open(house.local.path(key), "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")     # the decoder complains
def test_check_tells_of_damage_to_either_file(house: House) -> None:
    receive(house, slices(3))
    house.thin_all()
    (pack,) = house.pack_rows(UID)
    hole = house.blobs.head(pack.key).hole(1)
    second = sorted(house.sidecars(pack), key=lambda entry: entry.offset_bytes)[1].sop_instance_uid
    rot(house, pack.alternate_key, hole.source_offset_bytes + hole.source_length_bytes // 2)
    house.blobs = anew(house)
    assert set(check(house)) == {("corrupt", pack.key), ("corrupt", pack.alternate_key)}
    for entry in house.sidecars(pack):
        if entry.sop_instance_uid == second:
            with pytest.raises(PacsdError) as caught:
                house.blobs.read(pack.key, offset_bytes=entry.offset_bytes, length_bytes=entry.length_bytes)
            assert caught.value.fault is Fault.UNAVAILABLE
        else:
            house.blobs.read(pack.key, offset_bytes=entry.offset_bytes, length_bytes=entry.length_bytes)
    rot(house, pack.alternate_key, hole.source_offset_bytes + hole.source_length_bytes // 2)
    rot(house, thin_key(pack.key), 30)
    house.blobs = anew(house)
    assert {key for _, key in check(house)} == {pack.key}
    os.truncate(house.local.path(thin_key(pack.key)), 100)
    house.blobs = anew(house)
    assert check(house) == [("corrupt", pack.key)]
    house.local.delete([thin_key(pack.key)])
    assert check(house) == [("missing", pack.key)]


def test_an_alternate_that_is_gone_is_told_and_never_forgotten(house: House, empty: str) -> None:
    receive(house, slices(2))
    house.thin_all()
    house.collect_all()                                      # what was received is nowhere else any more
    (pack,) = house.pack_rows(UID)
    commitments = Commitments(house.pool, house.blobs, house.sidecars)
    asked = [(ref.sop_class_uid, ref.sop_instance_uid) for ref in refs(house)]
    assert not commitments.lacking(house.keys["east"], asked)
    house.local.delete([pack.alternate_key])
    house.blobs = anew(house)
    assert len(commitments.lacking(house.keys["east"], asked)) == 2
    assert {("missing", pack.alternate_key), ("corrupt", pack.key)} == set(check(house))
    forget = partial(Alternates(house.pool).forget, grace_s=0.0)
    alternate.forget_lost(house.blobs, house.inventory.packs(), forget)
    assert house.pack_rows(UID) == [pack]
    lost = pack.alternate
    assert lost is not None
    forget(lost)
    assert house.pack_rows(UID) == [pack]
    with opened(empty, Path(house.local.root)) as again:     # what is left of it is shown, and told of
        assert rebuild(again).refused == 0 and len(refs(again)) == 2
        assert ("corrupt", pack.key) in check(again)
        again.collect_all()
        assert list(again.local.list("packs/"))


def test_a_rebuild_finds_thin_packs_and_what_they_need(house: House, empty: str) -> None:
    expected = receive(house, slices(3))
    house.thin_all()
    (before,) = house.pack_rows(UID)
    with opened(empty, Path(house.local.root)) as again:
        done = rebuild(again)
        assert done.refused == 0 and again.data_sets(UID) == expected
        (after,) = again.pack_rows(UID)
        assert (after.key, after.alternate_key, after.size_bytes, after.thin) == (
            before.key, before.alternate_key, before.size_bytes, True
        )
        again.collect_all()
        assert again.data_sets(UID) == expected and check(again) == []
        assert again.make_thinner(thin=(), whole=(Rule(None, ""),)).run() and is_thin(again) == [False]
        again.collect_all()
        assert again.data_sets(UID) == expected and check(again) == []


@pytest.mark.parametrize("lost", ["missing", "damaged"])
def test_a_rebuild_never_throws_away_the_only_pixels_for_a_lost_sidecar(house: House, empty: str, lost: str) -> None:
    expected = receive(house, slices(3))
    house.thin_all()
    (before,) = house.pack_rows(UID)
    if lost == "missing":
        house.local.delete([before.alternate_sidecar_key])
    else:
        os.truncate(house.local.path(before.alternate_sidecar_key), 60)
    with opened(empty, Path(house.local.root)) as again:
        rebuild(again)
        again.collect_all()
        again.collect_all()
        assert again.data_sets(UID) == expected
        again.thin_all()                                     # coded anew, whole, and thin by the new copies
        again.collect_all()
        again.collect_all()
        (after,) = again.pack_rows(UID)
        assert after.alternate_key != before.alternate_key and is_thin(again) == [True]
        assert again.data_sets(UID) == expected and check(again) == []
        assert again.keys_under("alternates/") == sorted([after.alternate_key, after.alternate_sidecar_key])


def test_copies_of_a_thin_pack_that_cannot_be_read_are_kept(house: House, empty: str) -> None:
    receive(house, slices(2))
    house.thin_all()
    house.collect_all()                                      # what was received is nowhere else any more
    (pack,) = house.pack_rows(UID)
    os.truncate(house.local.path(thin_key(pack.key)), 100)
    house.local.put("alternates/east/2026/01/01/LEFTOVER.zip", b"half")
    kept = {pack.alternate_key, pack.alternate_sidecar_key}
    with opened(empty, Path(house.local.root)) as again:
        assert rebuild(again).refused == 1
        again.collect_all()
        again.collect_all()
        assert kept <= set(again.keys_under("alternates/"))
        assert ("unindexed", pack.key) in check(again)


def test_a_backup_holds_what_thin_packs_are_filled_from(house: House, empty: str, tmp_path: Path) -> None:
    expected = receive(house, slices(3))
    safe = tmp_path / "safe"
    quiet: Callable[[int, int | None], None] = lambda done, total: None  # noqa: E731
    assert list(backup(house.blobs, safe, quiet)) == []
    house.thin_all()
    (pack,) = house.pack_rows(UID)
    assert list(backup(house.blobs, safe, quiet)) == []
    kept = {info.key for prefix in ("packs/", "alternates/") for info in LocalBlobs(safe, reserve_bytes=0).list(prefix)}
    assert kept == {thin_key(pack.key), pack.sidecar_key, pack.alternate_key, pack.alternate_sidecar_key}
    with opened(empty, tmp_path / "restored") as again:
        assert list(restore(again.blobs, safe, quiet)) == []
        rebuild(again)
        assert again.data_sets(UID) == expected and is_thin(again) == [True] and check(again) == []
        (restored,) = again.pack_rows(UID)
        assert restored.alternate_key == pack.alternate_key
    with house.pool.connection() as connection:              # coded anew: the same pack is thin by other copies
        house.make_thinner().fill(*house.contents(UID), pack)
        connection.execute("delete from alternate")
        connection.execute("update pack set examined = false")
    house.thin_all()
    house.collect_all()
    (pack,) = house.pack_rows(UID)
    assert restored.alternate_key != pack.alternate_key
    assert list(backup(house.blobs, safe, quiet)) == []
    kept = {info.key for prefix in ("packs/", "alternates/") for info in LocalBlobs(safe, reserve_bytes=0).list(prefix)}
    assert kept == {thin_key(pack.key), pack.sidecar_key, pack.alternate_key, pack.alternate_sidecar_key}
    assert ThinBlobs(LocalBlobs(safe, reserve_bytes=0), native_frame).read(pack.key) == house.blobs.read(pack.key)
    house.local.delete([pack.alternate_key])
    (problem,) = backup(house.blobs, safe, quiet)
    assert problem.key == pack.key and LocalBlobs(safe, reserve_bytes=0).size(pack.alternate_key)


def test_a_pack_that_is_whole_again_during_a_backup_stays_in_it(house: House, tmp_path: Path) -> None:
    receive(house, slices(3))
    (pack,) = house.pack_rows(UID)
    before, safe = house.blobs.read(pack.key), tmp_path / "safe"
    assert list(backup(house.blobs, safe, lambda done, total: None)) == []
    house.thin_all()
    (pack,) = house.pack_rows(UID)

    def whole_again(done: int, total: int | None) -> None:
        house.make_thinner().fill(*house.contents(UID), pack)

    assert list(backup(house.blobs, safe, whole_again)) == []
    assert ThinBlobs(LocalBlobs(safe, reserve_bytes=0), native_frame).read(pack.key) == before


def test_a_worker_killed_anywhere_loses_nothing_and_the_next_one_ends_its_work(house: House) -> None:
    expected = receive(house, slices(2))
    house.recode_all()
    before = packs(house)
    rules = (Rule(None, ""),)

    def work(whole: tuple[Rule, ...], away: tuple[Rule, ...], countdown: Any) -> None:
        dying = Dying(house.local, countdown)
        blobs, index = ThinBlobs(dying, native_frame), Alternates(house.pool)
        house.make_thinner(blobs=blobs, index=Noting(index, countdown), thin=away, whole=whole).run()

    def unharmed() -> None:
        free_claims(house)
        assert packs(house) == before and house.data_sets(UID) == expected

    steps = [0, 0]
    for direction, (whole, away) in enumerate((((), rules), (rules, ()))):
        for _ in killed_everywhere(house, partial(work, whole, away), unharmed):
            steps[direction] += 1
        assert is_thin(house) == [direction == 0]
        unharmed()
    assert steps[0] > 20 and steps[1] > 10 and check(house) == []
    assert len(list(house.local.list("packs/"))) == 2


class Noting(Dying):
    """An index that dies also at the end of what it does in one transaction, before it is committed."""

    def deciding(self, *given: Any, **named: Any) -> Any:
        self._countdown.tick()
        return _Deciding(self._inner.deciding(*given, **named), self._countdown)


class _Deciding:
    def __init__(self, inner: Any, countdown: Any) -> None:
        self._inner, self._countdown = inner, countdown

    def __enter__(self) -> None:
        self._inner.__enter__()

    def __exit__(self, *error: Any) -> Any:
        try:
            self._countdown.tick()
        except BaseException as killed:
            self._inner.__exit__(type(killed), killed, None)
            raise
        result = self._inner.__exit__(*error)
        self._countdown.tick()
        return result


def test_two_workers_at_one_pack_leave_one_of_both_files(house: House) -> None:
    expected = receive(house, slices(2))
    house.recode_all()
    (content,) = house.contents(UID)
    (pack,) = content.packs

    class Overtaken(Alternates):
        """Another worker, whose rules say otherwise, is quicker each time."""

        def deciding(self, series: int, one: Any, *, thin: bool | None) -> Any:
            if thin:
                house.make_thinner().fill(content, one)
            return super().deciding(series, one, thin=thin)

    with pytest.raises(PacsdError) as caught:
        house.make_thinner(index=Overtaken(house.pool)).thin(content, pack)
    assert caught.value.fault in (Fault.CONFLICT, Fault.NOT_FOUND)
    assert house.data_sets(UID) == expected and house.blobs.is_whole(pack.key)
    with house.pool.connection() as connection:
        connection.execute("delete from alternate")
    with pytest.raises(PacsdError) as caught:
        house.make_thinner().thin(content, pack)
    assert caught.value.fault is Fault.CONFLICT and house.blobs.is_whole(pack.key)


def digest(house: House, key: str) -> bytes:
    return xxhash.xxh3_128(anew(house).read(key)).digest()


def test_real_series_come_back_byte_for_byte(house: House, data_folder: Path) -> None:
    folder = data_folder / "dicom"
    some = [path for name in ("series_ct_phantom_28_slices", "study_mr_2series_with_ko") for path in
            sorted((folder / name).rglob("*"))[::7] if path.is_file()]
    some += sorted(path for path in (folder / "study_us_multiframe_with_ko").rglob("*") if path.is_file())[:3]
    files = [data for data in (path.read_bytes() for path in some) if data[128:132] == b"DICM"]
    for file in files:
        house.receive(file)
    house.pack_all()
    studies = {str(pydicom.dcmread(BytesIO(file), stop_before_pixels=True).StudyInstanceUID) for file in files}
    rows = [pack for one in studies for pack in house.pack_rows(one)]
    before = {pack.key: digest(house, pack.key) for pack in rows}
    house.thin_all()
    assert sum(house.blobs.is_thin(key) for key in before) >= 2
    assert {key: digest(house, key) for key in before} == before
    assert frame(house, refs_of(house, sorted(studies)[0])[0], ELE)
