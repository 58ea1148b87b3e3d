"""Instances that belong to no patient: kept, found, told, compared, rebuilt and purged."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from config.settings import OrganisationSettings, Settings, StorageSettings
from pacsd.access.directory import Peer
from pacsd.archive.non_patient.models import COLOR_PALETTE, HANGING_PROTOCOL, MODEL_OF_CLASS, RESOURCES
from pacsd.archive.non_patient.reception import PREFIX
from pacsd.archive.non_patient.search import NonPatientQuery
from pacsd.archive.services import Archive, open_archive
from pacsd.archive.upkeep import Upkeep
from pacsd.faults import Fault, PacsdError
from pacsd.index.matching import Criterion
from tests import non_patient as made
from tests.conftest import Postgres
from tests.synthetic import dataset_bytes, lean_slice, study

ORGANISATIONS = (OrganisationSettings("east"), OrganisationSettings("group", reads=("east",)),
                 OrganisationSettings("west"))  # fmt: skip


@contextmanager
def opened(dsn: str, folder: Path) -> Iterator[tuple[Settings, Archive]]:
    storage = StorageSettings(reserve_bytes=0)
    settings = Settings(organisations=ORGANISATIONS, data_dir=folder, storage=storage)
    archive = open_archive(settings, dsn)
    try:
        yield settings, archive
    finally:
        archive.close()


@pytest.fixture
def archive(database: str, tmp_path: Path) -> Iterator[Archive]:
    with opened(database, tmp_path) as (_, one):
        yield one


def keep(archive: Archive, file: bytes, organisation: str = "east") -> str:
    reception = archive.non_patient.ingest.receive_part10(member(archive, organisation))
    reception.write(file)
    return str(reception.commit().outcome.value)


def member(archive: Archive, organisation: str) -> Peer:
    return archive.directory.member(organisation)


def find(archive: Archive, organisation: str, models: Any, *criteria: tuple[str, str], **more: Any) -> list[Any]:
    search = archive.non_patient.search
    query = NonPatientQuery(models, tuple(Criterion(*one) for one in criteria), **more)
    return list(search(search.compile(query), member(archive, organisation).scope))


def refused(archive: Archive, file: bytes, organisation: str = "east") -> Fault:
    with pytest.raises(PacsdError) as caught:
        keep(archive, file, organisation)
    return caught.value.fault


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_a_stored_instance_comes_back_bit_identical(archive: Archive, syntax: str | None) -> None:
    file = made.part10(made.color_palette("HOT"), *([syntax] if syntax else []))
    assert keep(archive, file) == "stored"
    ref = archive.non_patient.instance(
        member(archive, "east").scope, (COLOR_PALETTE,), made.color_palette("HOT").SOPInstanceUID
    )
    with archive.retrieve.open(ref) as reader:
        assert b"".join(reader.chunks()) == dataset_bytes(file)


def test_a_repeat_changes_nothing_and_other_bytes_are_refused(archive: Archive) -> None:
    first, other = made.color_palette("HOT"), made.color_palette("HOT")
    other.ContentDescription = "another"
    assert [keep(archive, made.part10(first)) for _ in range(2)] == ["stored", "duplicate"]
    assert refused(archive, made.part10(other)) is Fault.CONFLICT
    [kept] = find(archive, "east", (COLOR_PALETTE,))
    assert kept["00700081"]["Value"] == ["测试调色板"]
    assert keep(archive, made.part10(other), "west") == "stored"             # another organisation's copy is its own
    assert len(list(archive.blobs.list(PREFIX))) == 2


def test_many_who_store_one_instance_at_once_make_one_of_it(archive: Archive) -> None:
    outcomes: list[str] = []

    def store(number: int) -> None:
        palette = made.color_palette("RACE")
        palette.ContentDescription = f"of {number % 2}"
        try:
            outcomes.append(keep(archive, made.part10(palette)))
        except PacsdError as error:
            outcomes.append(error.fault.value)

    threads = [threading.Thread(target=store, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(outcomes) == sorted(["stored", *["duplicate"] * 3, *["conflict"] * 4])
    assert len(list(archive.blobs.list(PREFIX))) == 1


def test_who_reads_another_organisation_sees_its_instances_and_a_stranger_does_not(archive: Archive) -> None:
    keep(archive, made.part10(made.color_palette("EAST")))
    assert [len(find(archive, who, (COLOR_PALETTE,))) for who in ("east", "group", "west")] == [1, 1, 0]
    uid = made.color_palette("EAST").SOPInstanceUID
    selected = [archive.non_patient.select(member(archive, who).scope, (COLOR_PALETTE,), [uid]) for who in
                ("east", "group", "west")]  # fmt: skip
    assert [len(one) for one in selected] == [1, 1, 0]
    own = made.color_palette("EAST")
    own.ContentDescription = "of the group"
    keep(archive, made.part10(own), "group")
    [seen] = find(archive, "group", (COLOR_PALETTE,))
    assert seen["00700081"]["Value"] == ["of the group"]                     # one copy per UID, the own before all


CHEST = ("0072000C.00082218.00080100", "T-D3000")


@pytest.mark.parametrize(
    ("criteria", "names"),
    [
        ([("00720002", "CHEST*")], ["CHEST CT", "CHEST MR"]),
        ([("00720002", "chest ct")], []),
        ([("0072000C.00080060", "MR")], ["CHEST MR"]),
        ([("0072000C.00080060", "MR"), CHEST], ["CHEST MR"]),
        ([CHEST, ("00720006", "MANUFACTURER")], ["HEAD"]),
        ([("00080018", "1.2.3")], []),
        ([("00720014", "0")], ["CHEST CT", "CHEST MR", "HEAD"]),
        ([("00720100", "3")], []),
    ],
)
def test_hanging_protocols_are_matched_by_the_keys_of_their_model(
    archive: Archive, criteria: list[tuple[str, str]], names: list[str]
) -> None:
    keep(archive, made.part10(made.hanging_protocol("CHEST CT")))
    keep(archive, made.part10(made.hanging_protocol("CHEST MR", modality="MR")))
    head = made.hanging_protocol("HEAD", level="MANUFACTURER")
    keep(archive, made.part10(head))
    found = find(archive, "east", (HANGING_PROTOCOL,), *criteria)
    assert [one["00720002"]["Value"][0] for one in found] == names
    assert find(archive, "east", (COLOR_PALETTE,), *criteria[:1]) == []


def test_what_is_no_matching_key_is_left_out_and_named(archive: Archive) -> None:
    search = archive.non_patient.search
    query = NonPatientQuery((HANGING_PROTOCOL,), (Criterion("00720004", "x"), Criterion("00100010", "y")))
    assert search.compile(query).unsupported == ("00720004", "00100010")


def test_answers_page_in_a_stable_order(archive: Archive) -> None:
    labels = [f"P{number}" for number in range(5)]
    for label in labels:
        keep(archive, made.part10(made.color_palette(label)))
    pages = [find(archive, "east", (COLOR_PALETTE,), ("00700080", "P*"), limit=2, offset=at) for at in (0, 2, 4)]
    assert [one["00700080"]["Value"][0] for page in pages for one in page] == labels


def test_metadata_holds_every_value_in_its_place(archive: Archive) -> None:
    palette = made.color_palette("LONG", entries=4096)
    keep(archive, made.part10(palette))
    ref = archive.non_patient.instance(member(archive, "east").scope, (COLOR_PALETTE,), palette.SOPInstanceUID)
    [told] = orjson.loads(b"".join(archive.non_patient.metadata(ref)))
    back = Dataset.from_json(told)
    assert back.RedPaletteColorLookupTableData == palette.RedPaletteColorLookupTableData
    assert back.ContentCreatorName == palette.ContentCreatorName


@pytest.mark.parametrize("cut", [1, 3, 100, 600])
def test_a_file_that_ends_too_early_is_refused(archive: Archive, cut: int) -> None:
    file = made.part10(made.color_palette("CUT"))
    assert refused(archive, file[:-cut]) is Fault.MALFORMED
    assert list(archive.blobs.list(PREFIX)) == []


def test_what_belongs_to_a_patient_is_refused(archive: Archive) -> None:
    assert refused(archive, lean_slice(study(5))) is Fault.UNSUPPORTED


def test_uids_that_are_no_keys_are_refused(archive: Archive) -> None:
    palette = made.color_palette("SLASH")
    file = made.part10(palette).replace(palette.SOPInstanceUID[-6:].encode(), b"../../")
    assert refused(archive, file) is Fault.MALFORMED


def test_another_uid_than_announced_is_refused(archive: Archive) -> None:
    palette = made.color_palette("A")
    reception = archive.non_patient.ingest.receive(
        member(archive, "east"), sop_class_uid=palette.SOPClassUID, sop_instance_uid="1.2.3",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )  # fmt: skip
    reception.write(dataset_bytes(made.part10(palette)))
    with pytest.raises(PacsdError) as caught:
        reception.commit()
    assert caught.value.fault is Fault.MISMATCH


def test_a_purged_instance_is_gone_and_may_come_again(archive: Archive) -> None:
    palette = made.color_palette("GONE")
    keep(archive, made.part10(palette))
    east = archive.directory.organisation_key("east")
    archive.non_patient.purge(east, palette.SOPInstanceUID)
    assert find(archive, "east", (COLOR_PALETTE,)) == [] and list(archive.blobs.list(PREFIX)) == []
    with pytest.raises(PacsdError) as caught:
        archive.non_patient.purge(east, palette.SOPInstanceUID)
    assert caught.value.fault is Fault.NOT_FOUND
    assert keep(archive, made.part10(palette)) == "stored"


def test_what_a_dead_process_left_is_taken_away_by_the_next(archive: Archive) -> None:
    palette = made.color_palette("LEFT")
    left = f"{PREFIX}east/{palette.SOPInstanceUID}/01ARZ3NDEKTSV4RRFFQ69G5FAV.dcm"
    archive.blobs.put(left, b"half a file")
    assert keep(archive, made.part10(palette)) == "stored"
    [info] = archive.blobs.list(PREFIX)
    assert info.key != left


def test_check_tells_a_damaged_a_missing_and_an_unknown_blob(archive: Archive, tmp_path: Path) -> None:
    with_settings = Settings(organisations=ORGANISATIONS, data_dir=tmp_path)
    upkeep = Upkeep(with_settings, archive)
    for label in ("FINE", "DAMAGED", "MISSING"):
        keep(archive, made.part10(made.color_palette(label)))
    assert list(upkeep.check(lambda *_: None)) == []
    keys = {made.color_palette(label).SOPInstanceUID: label for label in ("FINE", "DAMAGED", "MISSING")}
    for info in list(archive.blobs.list(PREFIX)):
        path, label = archive.files.path(info.key), keys[info.key.split("/")[2]]
        if label == "DAMAGED":
            Path(path).chmod(0o600)
            Path(path).write_bytes(Path(path).read_bytes()[:-1] + b"!")
        if label == "MISSING":
            Path(path).unlink()
    archive.blobs.put(f"{PREFIX}east/9.9/01ARZ3NDEKTSV4RRFFQ69G5FAV.dcm", b"unknown")
    told = {one.problem.partition(":")[0].rpartition(" ")[2] for one in upkeep.check(lambda *_: None)}
    assert told == {"corrupt", "missing", "unindexed"}


def test_rebuild_and_restore_bring_them_back(
    postgres: Postgres, migrated_template: str, database: str, tmp_path: Path
) -> None:
    with opened(database, tmp_path / "data") as (settings, archive):
        for who, label in (("east", "A"), ("west", "A"), ("west", "B")):
            keep(archive, made.part10(made.color_palette(label)), who)
        before = {who: find(archive, who, (COLOR_PALETTE,), include_all=True) for who in ("east", "group", "west")}
        assert list(Upkeep(settings, archive).backup(tmp_path / "backup", lambda *_: None)) == []
    for folder, restored in (("data", False), ("new", True)):
        name, dsn = postgres.create(template=migrated_template)
        try:
            with opened(dsn, tmp_path / folder) as (settings, archive):
                upkeep = Upkeep(settings, archive)
                restore = upkeep.restore(tmp_path / "backup", lambda *_: None)
                assert list(restore if restored else upkeep.rebuild(lambda *_: None)) == []
                assert {who: find(archive, who, (COLOR_PALETTE,), include_all=True) for who in before} == before
                assert list(upkeep.check(lambda *_: None)) == []
        finally:
            postgres.drop(name)


def test_every_declared_class_is_of_one_model_and_web_resources_are_those_of_the_standard() -> None:
    assert len(MODEL_OF_CLASS) == 9                                          # PS3.4 Table GG.3-1
    assert set(RESOURCES) == {
        "color-palettes", "defined-procedure-protocols", "hanging-protocols", "implant-templates", "inventories",
    }  # fmt: skip


def test_what_is_too_large_to_be_read_as_a_whole_is_refused(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    file = made.part10(made.color_palette("LARGE", entries=4096))
    monkeypatch.setattr("pacsd.archive.non_patient.reception.MAX_BYTES", len(file) // 2)
    assert refused(archive, file) is Fault.TOO_MUCH
    assert list(archive.blobs.list(PREFIX)) == []


def test_text_in_another_character_set_is_told_in_utf_8_and_found(archive: Archive) -> None:
    palette = made.color_palette("GB")
    palette.SpecificCharacterSet = "GB18030"
    keep(archive, made.part10(palette))
    [told] = find(archive, "east", (COLOR_PALETTE,), ("00700080", "GB"))
    assert told["00700081"]["Value"] == ["测试调色板"]
