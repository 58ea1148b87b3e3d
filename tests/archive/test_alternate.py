"""Alternates: HTJ2K copies beside packs, proven, used where they are asked for, and never in the way of the truth."""

import os
import zipfile
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image

from pacsd.access.scope import Scope
from pacsd.archive import alternate
from pacsd.archive.backup import backup, restore
from pacsd.archive.check import Check
from pacsd.archive.frames import Frames
from pacsd.archive.retrieve import InstanceRef, Selection, read
from pacsd.codec.transcode import identity, transcoded
from pacsd.codec.transfer_syntaxes import HTJ2K_LOSSLESS_RPCL
from pacsd.faults import Fault, PacsdError
from pacsd.index.alternates import Alternates, Rule
from tests.archive.house import House, opened, shown
from tests.archive.test_rebuild import empty, rebuild, services
from tests.conftest import Postgres
from tests.synthetic import compressed_object, ct_slice, encode, raw_object, small_object, study

__all__ = ["empty"]

WORLD = study(41)
UID = WORLD.study_instance_uid
ELE, RLE, J2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"
LOSSLESS = sorted(alternate.LOSSLESS)


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def files(count: int, *, first: int = 1, series: int = 1) -> list[bytes]:
    return [small_object(WORLD, series=series, instance=n) for n in range(first, first + count)]


def receive(house: House, some: list[bytes]) -> dict[str, bytes]:
    for file in some:
        house.receive(file)
    return shown(some)


def refs(house: House, study: str = UID) -> list[InstanceRef]:
    key = house.keys["east"]
    return house.retrieve.select(Scope((key,), key), Selection((study,)))


def part10(house: House, ref: InstanceRef, syntax: str) -> bytes:
    return b"".join(read(house.retrieve.part10(ref, syntax).pieces))


def frames(house: House) -> Frames:
    return Frames(house.retrieve, house.blobs, house.sidecars)


def frame(house: House, ref: InstanceRef, syntax: str) -> tuple[bytes, bool]:
    """The first frame, and whether it came as a blob has it."""
    found = frames(house).of(ref, [1]).transcoded(syntax)
    return b"".join(next(found.frames)[1]), found.untouched


def in_syntax(file: bytes, syntax: str) -> bytes:
    """A native Part 10 file, coded otherwise."""
    dataset = pydicom.dcmread(BytesIO(file))
    start = BytesIO()
    pydicom.dcmwrite(start, dataset, implicit_vr=False, little_endian=True, enforce_file_format=False)
    body = shown([file]).popitem()[1]
    coded = b"".join(transcoded([body], source=ELE, target=syntax, length_bytes=len(body)))
    bare = pydicom.dcmread(BytesIO(file), stop_before_pixels=True)
    head = encode(bare, syntax)
    return head[: len(head) - len(shown([head]).popitem()[1])] + coded


def reduced(stream: bytes, halvings: int) -> Any:
    """A code stream, or the beginning of one, as OpenJPEG makes a smaller image of it."""
    image: Any = Image.open(BytesIO(stream))
    image.reduce = halvings
    return np.array(image)


def skipping(stream: bytes, halvings: int) -> Any:
    """The same by OpenJPH."""
    return imagecodecs.htj2k_decode(stream, skipres=halvings, resilient=True)


def check(house: House) -> list[tuple[str, str]]:
    found = Check(house.blobs, house.inventory, house.journal, house.orphans).run()
    return [(one.trouble.value, one.key) for one in found if one.trouble.value != "unfinished"]


def test_a_pack_gets_an_alternate_that_is_passed_through_and_the_original_stays_what_it_was(house: House) -> None:
    expected = receive(house, files(3))
    house.pack_all()
    assert house.pack_rows(UID)[0].alternate is None
    house.recode_all()
    (pack,) = house.pack_rows(UID)
    assert pack.examined and pack.alternate is not None and pack.alternate.instances == 3
    assert house.data_sets(UID) == expected
    for ref in refs(house):
        assert house.retrieve.fits(ref, HTJ2K_LOSSLESS_RPCL)
        assert part10(house, ref, ELE).endswith(expected[ref.sop_instance_uid])
        other = house.retrieve.alternate(ref)
        assert other is not None
        with house.retrieve.open(other) as reader:
            stored = b"".join(reader.chunks())
        for syntax in ("201", "202", "203"):
            given = part10(house, ref, f"1.2.840.10008.1.2.4.{syntax}")
            assert given.endswith(stored)
            assert pydicom.dcmread(BytesIO(given)).file_meta.TransferSyntaxUID.endswith(f".{syntax}")
            assert frame(house, ref, f"1.2.840.10008.1.2.4.{syntax}")[1]
    with zipfile.ZipFile(house.local.path(pack.alternate.key)) as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 3


def test_the_proof_tells_what_was_received_and_what_it_decodes_to(house: House) -> None:
    expected = receive(house, files(2))
    house.pack_all()
    house.recode_all()
    (pack,) = house.pack_rows(UID)
    assert pack.alternate is not None
    sidecar, of = house.sidecars(pack.alternate), house.sidecars(pack)
    assert sidecar.head.of == pack.key and of.head.of == ""
    for entry in sidecar:
        proof, original = sidecar.proof(entry), of.get(entry.sop_instance_uid)
        body = expected[entry.sop_instance_uid]
        proven = identity([body], source=ELE, length_bytes=len(body))
        assert original is not None and proof.original == original.digest != entry.digest
        assert (proof.header, proof.pixels) == (proven.header, proven.pixels)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_every_lossless_syntax_is_coded_and_decodes_to_the_same_pixels(house: House, syntax: str) -> None:
    native = ct_slice(WORLD, rows=64, columns=48)
    file = in_syntax(native, syntax)
    expected = receive(house, [file])
    house.pack_all()
    house.recode_all()
    (ref,) = refs(house)
    coded, untouched = frame(house, ref, HTJ2K_LOSSLESS_RPCL)
    assert untouched
    assert np.array_equal(
        imagecodecs.jpeg2k_decode(coded).view(np.uint16), pydicom.dcmread(BytesIO(native)).pixel_array.view(np.uint16)
    )
    assert part10(house, ref, syntax).endswith(expected[ref.sop_instance_uid])


def test_a_prefix_of_a_frame_decodes_to_a_smaller_image_in_another_decoder(house: House) -> None:
    receive(house, [ct_slice(WORLD, rows=256, columns=256)])
    house.pack_all()
    house.recode_all()
    coded = frame(house, refs(house)[0], HTJ2K_LOSSLESS_RPCL)[0]
    at = coded.index(b"\xff\x55")                            # TLM (ISO/IEC 15444-1 A.7.1): index, Stlm, lengths
    size, style = int.from_bytes(coded[at + 2 : at + 4], "big"), coded[at + 5]
    wide = 4 if style & 0x40 else 2
    step = (style >> 4 & 3) + wide
    table = coded[at + 6 : at + 2 + size]
    lengths = [int.from_bytes(table[n + step - wide : n + step], "big") for n in range(0, len(table), step)]
    first = coded.index(b"\xff\x90")                         # SOT of the first tile-part
    assert first + sum(lengths) + 2 <= len(coded) <= first + sum(lengths) + 3 and len(lengths) == 6
    for left_out in range(1, 6):
        prefix = coded[: first + sum(lengths[: 6 - left_out])]
        assert len(prefix) < len(coded)
        for decoded in (reduced, skipping):
            smaller = decoded(prefix + b"\xff\xd9", left_out)
            assert smaller.shape == (256 >> left_out, 256 >> left_out)
            assert np.array_equal(smaller, decoded(coded, left_out))
    assert reduced(coded, 0).shape == (256, 256)


def test_what_has_no_pixels_or_lost_some_is_left_as_it_is_and_not_looked_at_again(house: House) -> None:
    receive(house, [raw_object(WORLD), compressed_object(WORLD, series=2)])
    house.pack_all()
    house.recode_all()
    assert [(pack.examined, pack.alternate) for pack in house.pack_rows(UID)] == [(True, None)] * 2
    assert house.keys_under("alternates/") == []
    assert not house.make_recoder().run()


def test_only_series_that_a_rule_names_are_coded(house: House) -> None:
    receive(house, files(1))
    house.receive(files(1)[0], code="west")
    house.pack_all()
    for rules in ((), (Rule(house.keys["west"], "XX"),), (Rule(None, "XX"),)):
        assert not house.make_recoder(rules=rules).run()
    assert house.make_recoder(rules=(Rule(house.keys["west"], WORLD.modality),)).run()
    assert house.pack_rows(UID)[0].alternate is None
    assert house.pack_rows(UID, code="west")[0].alternate is not None


def test_late_arrivals_have_an_alternate_of_their_own_and_a_merge_begins_anew(house: House) -> None:
    expected = receive(house, files(2))
    house.pack_all()
    house.recode_all()
    expected |= receive(house, files(1, first=3))
    late = [ref for ref in refs(house) if ref.pack is None]
    assert len(late) == 1 and house.retrieve.alternate(late[0]) is None
    assert not frame(house, late[0], HTJ2K_LOSSLESS_RPCL)[1]
    house.pack_all()
    house.recode_all()                                       # not while a merge is due
    assert [pack.examined for pack in house.pack_rows(UID)] == [True, False]
    house.merge_all()
    (merged,) = house.pack_rows(UID)
    assert merged.alternate is None and not merged.examined
    house.recode_all()
    house.collect_all()
    (merged,) = house.pack_rows(UID)
    assert merged.alternate is not None and merged.alternate.instances == 3
    assert house.keys_under("alternates/") == sorted([merged.alternate.key, merged.alternate.sidecar_key])
    assert house.data_sets(UID) == expected
    assert check(house) == []


def test_readers_who_looked_before_a_merge_find_the_old_alternate_within_the_grace(
    database: str, tmp_path: Path
) -> None:
    with opened(database, tmp_path, grace_s=3600.0) as house:
        receive(house, files(2))
        house.pack_all()
        house.recode_all()
        before = refs(house)[0]
        coded = part10(house, before, HTJ2K_LOSSLESS_RPCL)
        receive(house, files(1, first=3))
        house.pack_all()
        house.merge_all()
        house.collect_all()
        assert part10(house, before, HTJ2K_LOSSLESS_RPCL) == coded


def test_purged_and_rejected_instances_are_not_given_out_of_an_alternate(house: House) -> None:
    expected = receive(house, files(3))
    house.pack_all()
    house.recode_all()
    _, _, rejections = services(house)
    first, second, third = sorted(expected)
    rejections.reject("east", UID, WORLD.series_instance_uid(1), [first], code="113001")
    rejections.purge("east", UID, WORLD.series_instance_uid(1), [second])
    assert [ref.sop_instance_uid for ref in refs(house)] == [third]
    house.merge_all()
    house.recode_all()
    house.collect_all()
    (pack,) = house.pack_rows(UID)
    assert pack.alternate is not None
    assert sorted(one.sop_instance_uid for one in house.sidecars(pack.alternate)) == [first, third]
    rejections.purge("east", UID)
    house.collect_all()
    assert house.keys_under("alternates/") == house.keys_under("packs/") == []


def test_an_overlay_is_applied_to_the_alternate_too(house: House) -> None:
    receive(house, files(1))
    house.pack_all()
    house.recode_all()
    _, overlays, _ = services(house)
    overlays.set_study_overlay(
        organisation="east", study_instance_uid=UID,
        attributes={"00081030": {"vr": "LO", "Value": ["Corrected"]}},
    )
    given = pydicom.dcmread(BytesIO(part10(house, refs(house)[0], HTJ2K_LOSSLESS_RPCL)))
    assert given.StudyDescription == "Corrected" and given.OriginalAttributesSequence


def test_check_tells_of_a_damaged_alternate_and_one_that_is_gone_is_made_again(house: House) -> None:
    expected = receive(house, files(2))
    house.pack_all()
    house.recode_all()
    pack = house.pack_rows(UID)[0].alternate
    assert pack is not None and check(house) == []
    with open(house.local.path(pack.key), "r+b") as file:
        file.seek(pack.size_bytes // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    assert {(trouble, key) for trouble, key in check(house)} == {("corrupt", pack.key)}
    house.blobs.delete([pack.key])
    assert check(house) == [("missing", pack.key)]
    assert not frame(house, refs(house)[0], HTJ2K_LOSSLESS_RPCL)[1]          # coded on the way instead
    assert house.data_sets(UID) == expected
    alternate.forget_lost(
        house.blobs, house.inventory.packs(), partial(Alternates(house.pool).forget, grace_s=0.0)
    )
    house.recode_all()
    house.collect_all()
    again = house.pack_rows(UID)[0].alternate
    assert again is not None and again.key != pack.key and check(house) == []


def test_damaged_bytes_are_never_coded(house: House) -> None:
    receive(house, files(2))
    house.pack_all()
    (pack,) = house.pack_rows(UID)
    entry = house.sidecars(pack).entries[0]
    with open(house.local.path(pack.key), "r+b") as file:
        file.seek(entry.offset_bytes + entry.length_bytes // 2)
        file.write(b"rotten")
    house.recode_all()
    (pack,) = house.pack_rows(UID)
    assert pack.alternate is not None and pack.alternate.instances == 1
    assert house.sidecars(pack.alternate).get(entry.sop_instance_uid) is None


def test_a_coder_that_changes_a_pixel_is_not_believed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def lying(chunks: Any, **how: Any) -> Iterator[bytes]:
        body = bytearray(b"".join(chunks))
        at = body.index(b"\xe0\x7f\x10\x00OW") + 12
        body[at] ^= 1
        return transcoded([bytes(body)], **how)

    receive(house, files(1))
    house.pack_all()
    monkeypatch.setattr(alternate, "transcoded", lying)
    house.recode_all()
    assert house.keys_under("alternates/") == []


def test_a_rebuild_adopts_alternates_and_throws_away_what_has_no_pack(house: House, empty: str) -> None:
    expected = receive(house, files(3))
    house.pack_all()
    house.recode_all()
    before = house.pack_rows(UID)
    house.blobs.put("alternates/east/2026/01/01/LEFTOVER.zip", b"half")
    with opened(empty, house.local.root) as anew:
        rebuild(anew)
        assert [(p.key, p.alternate_key, p.examined) for p in anew.pack_rows(UID)] == [
            (p.key, p.alternate_key, True) for p in before
        ]
        anew.collect_all()
        assert sorted(anew.keys_under("alternates/")) == sorted(
            key for p in before for key in (p.alternate_key, p.alternate_sidecar_key)
        )
        assert anew.data_sets(UID) == expected and frame(anew, refs(anew)[0], HTJ2K_LOSSLESS_RPCL)[1]
        assert check(anew) == []


def test_a_backup_leaves_alternates_out_and_they_are_made_again(house: House, empty: str, tmp_path: Path) -> None:
    expected = receive(house, files(2))
    house.pack_all()
    house.recode_all()
    assert list(backup(house.blobs, tmp_path / "safe", lambda done, total: None)) == []
    assert not (tmp_path / "safe" / "alternates").exists()
    with opened(empty, tmp_path / "restored") as anew:
        assert list(restore(anew.blobs, tmp_path / "safe", lambda done, total: None)) == []
        rebuild(anew)
        assert anew.data_sets(UID) == expected
        anew.recode_all()
        assert frame(anew, refs(anew)[0], HTJ2K_LOSSLESS_RPCL)[1]


class Died(BaseException):
    """SIGKILL, as far as one process can feel it."""


@pytest.mark.parametrize("moment", ["create", "put", "commit_alternate", "release"])
def test_whatever_a_killed_coder_leaves_is_cleared_and_made_again(house: House, moment: str) -> None:
    expected = receive(house, files(2))
    house.pack_all()
    index = Alternates(house.pool, worker="one")

    class Killed:
        def __init__(self, behind: object) -> None:
            self._behind = behind

        def __getattr__(self, name: str) -> Any:
            def dying(*given: Any, **named: Any) -> Any:
                if name == moment and name != "put":
                    raise Died
                answer = getattr(self._behind, name)(*given, **named)
                if name == moment:
                    raise Died
                return answer

            return dying

    with pytest.raises(Died):
        house.make_recoder(blobs=Killed(house.blobs), index=Killed(index)).run()
    assert house.data_sets(UID) == expected
    house.packs.release_all()
    with house.pool.connection() as connection:
        connection.execute("update series set claimed_until = null")
    house.collect_all()
    house.recode_all()
    house.collect_all()
    (pack,) = house.pack_rows(UID)
    assert pack.alternate is not None and pack.alternate.instances == 2
    assert house.keys_under("alternates/") == sorted([pack.alternate.key, pack.alternate.sidecar_key])
    assert check(house) == [] and house.data_sets(UID) == expected


def test_an_alternate_of_a_pack_that_was_merged_meanwhile_is_thrown_away(house: House) -> None:
    receive(house, files(2))
    house.pack_all()
    (content,) = house.contents(UID)
    old = content.packs[0]
    _, _, rejections = services(house)
    rejections.purge("east", UID, WORLD.series_instance_uid(1), [WORLD.sop_instance_uid(1, 1)])
    house.merge_all()
    with pytest.raises(PacsdError) as refused:
        house.make_recoder().recode(content, old)
    assert refused.value.fault is Fault.CONFLICT
    assert house.keys_under("alternates/") == []


def test_a_j2k_original_is_decoded_from_its_alternate(house: House, postgres: Postgres) -> None:
    native = ct_slice(WORLD, rows=64, columns=64)
    receive(house, [in_syntax(native, J2K)])
    house.pack_all()
    house.recode_all()
    (ref,) = refs(house)
    assert house.retrieve.best(ref, ELE).transfer_syntax_uid == HTJ2K_LOSSLESS_RPCL
    assert house.retrieve.best(ref, J2K) is ref
    assert frame(house, ref, ELE)[0] == pydicom.dcmread(BytesIO(native)).PixelData
