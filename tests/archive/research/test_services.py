"""A project's archive over the services of the real one: what is made, what is kept of it, what is not there."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy
import pydicom
import pytest

import pacsd
from config.research import ResearchProjectSettings
from pacsd.access.principal import Principal, Proof, Role
from pacsd.access.scope import Opened, Scope
from pacsd.archive.research import catalogue
from pacsd.archive.research.project import Projects, ResearchProject
from pacsd.archive.research.services import ResearchArchive, opened_over
from pacsd.archive.retrieve import read
from pacsd.archive.search import Criterion, Match, Query, Search, uids_of
from pacsd.codec.keys import Level
from pacsd.deidentify import Deidentified, Project
from pacsd.faults import Fault, PacsdError
from tests.archive.house import House, opened
from tests.deidentify.objects import OTHER, PROJECT, ROOT, SECRETS, image, part10, policy
from tests.deidentify.original import present

STUDY = ROOT + "1"
NEW = PROJECT.uid(STUDY)
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
EMPTY = Scope((), 1)


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        house.receive(part10(image()))
        house.receive(part10(image()), code="west")
        yield house


def project(
    house: House, folder: Path, *options: str, of: Project = PROJECT, code: str = "east", kept_bytes: int = 1 << 30
) -> ResearchProject:
    file = folder / "list.txt"
    if not file.exists():
        file.write_text(f"{STUDY}\n{ROOT}2\n")
    settings = ResearchProjectSettings("lung", file, code, "basic", ("ada",), kept_bytes)
    return ResearchProject(settings, house.keys[code], code, Deidentified(policy(*options), of), lambda: 0.0)


def archive(house: House, folder: Path, made_for: ResearchProject) -> ResearchArchive:
    over = SimpleNamespace(
        retrieve=house.retrieve, blobs=house.blobs, spool=house.spool,
        search=Search(house.pool, house._contents, house.sidecars),
    )
    return opened_over(over, folder / "research", 0, made_for)  # type: ignore[arg-type]


def found(research: ResearchArchive, level: str, scope: Scope = EMPTY, **keys: str) -> list[Match]:
    tags = {keyword: f"{pydicom.datadict.tag_for_keyword(keyword):08X}" for keyword in keys}
    criteria = tuple(Criterion(tags[keyword], value) for keyword, value in keys.items())
    return list(research.search(Query(level, criteria, include_all=True), scope))  # type: ignore[arg-type]


def file_of(research: ResearchArchive, *uids: str) -> pydicom.Dataset:
    (ref,) = research.retrieve.instances(EMPTY, *uids)
    return pydicom.dcmread(BytesIO(b"".join(read(research.retrieve.part10(ref).pieces))))


@pytest.mark.parametrize("packed", [False, True])
def test_instances_come_deidentified_out_of_files_and_packs(house: House, tmp_path: Path, packed: bool) -> None:
    if packed:
        house.pack_all()
    research = archive(house, tmp_path, project(house, tmp_path))
    (ref,) = research.retrieve.instances(EMPTY, NEW)
    made = b"".join(read(research.retrieve.part10(ref).pieces))
    file = pydicom.dcmread(BytesIO(made))
    told = ref.study_instance_uid, ref.series_instance_uid, ref.sop_instance_uid
    assert told == (file.StudyInstanceUID, file.SeriesInstanceUID, file.SOPInstanceUID)
    assert research.retrieve.size_bytes(ref) == len(made)
    assert present(made + repr(ref).encode(), set(SECRETS)) == set()
    kept = [path for path in (tmp_path / "research").rglob("*") if path.is_file()]
    assert kept and present(b"".join(str(one).encode() + one.read_bytes() for one in kept), set(SECRETS)) == set()


def test_whoever_issued_the_patient_id_tells_patients_of_two_hospitals_apart(house: House, tmp_path: Path) -> None:
    patients = {
        file_of(archive(house, tmp_path / code, project(house, tmp_path, code=code)), NEW).PatientID
        for code in ("east", "west")
    }
    assert patients == {PROJECT.patient(code, "000777123").patient_id for code in ("east", "west")}


def test_another_transfer_syntax_is_made_of_the_deidentified_object(house: House, tmp_path: Path) -> None:
    research = archive(house, tmp_path, project(house, tmp_path))
    (ref,) = research.retrieve.instances(EMPTY, NEW)
    rle = "1.2.840.10008.1.2.5"
    assert research.retrieve.fits(ref, rle)
    made = pydicom.dcmread(BytesIO(b"".join(read(research.retrieve.part10(ref, rle).pieces))))
    assert made.file_meta.TransferSyntaxUID == rle and made.PatientIdentityRemoved == "YES"
    assert (made.pixel_array == numpy.arange(16).reshape(4, 4)).all()


def test_projects_and_policies_have_tags_of_their_own(house: House, tmp_path: Path) -> None:
    digests = set()
    for number, one in enumerate((project(house, tmp_path), project(house, tmp_path, of=OTHER),
                                  project(house, tmp_path, "descriptors"))):  # fmt: skip
        research = archive(house, tmp_path / str(number), one)
        (ref,) = research.retrieve.instances(EMPTY, one.uid(STUDY))
        digests.add(ref.digest)
    key = house.keys["east"]
    (original,) = house.retrieve.instances(Scope((key,), key), STUDY)
    assert len(digests) == 3 and original.digest not in digests


def test_what_the_policy_does_not_let_through_is_nowhere(house: House, tmp_path: Path) -> None:
    house.receive(part10(image(Modality="US", SOPInstanceUID=ROOT + "1.1.7")))           # may have text burned in
    house.receive(part10(image(SOPClassUID=PDF, SOPInstanceUID=ROOT + "1.2.1", SeriesInstanceUID=ROOT + "1.2")))
    house.receive(part10(image(SOPClassUID=PDF, SOPInstanceUID=ROOT + "2.1.1", StudyInstanceUID=ROOT + "2",
                               SeriesInstanceUID=ROOT + "2.1")))                         # fmt: skip
    research = archive(house, tmp_path, project(house, tmp_path))
    assert [ref.sop_instance_uid for ref in research.retrieve.instances(EMPTY, NEW)] == [PROJECT.uid(ROOT + "1.1.1")]
    (study,) = found(research, "study")
    assert (study.study_instance_uid, study.counts.study_series) == (NEW, 1)
    assert [one.series_instance_uid for one in found(research, "series")] == [PROJECT.uid(ROOT + "1.1")]
    assert len(found(research, "instance", StudyInstanceUID=NEW)) == 1
    for uids in ((ROOT + "2",), (STUDY, ROOT + "1.2"), (STUDY, ROOT + "1.1", ROOT + "1.1.7")):
        with pytest.raises(PacsdError) as caught:
            research.retrieve.instances(EMPTY, *map(PROJECT.uid, uids))
        assert caught.value.fault is Fault.NOT_FOUND


def test_what_is_denied_to_the_asker_is_not_there(house: House, tmp_path: Path) -> None:
    research = archive(house, tmp_path, project(house, tmp_path))
    (study,) = found(research, "study")
    denied = replace(EMPTY, opened=Opened(denied_studies=(study.study,)))
    assert found(research, "study", denied) == []
    with pytest.raises(PacsdError):
        research.retrieve.instances(denied, NEW)
    opening = replace(EMPTY, opened=Opened(studies=(study.study,)))      # of no project
    assert found(research, "study", opening) != []


def test_late_arrivals_are_told_and_found_by_their_new_names(house: House, tmp_path: Path) -> None:
    research = archive(house, tmp_path, project(house, tmp_path, "modified_dates"))
    assert [one.counts.study_instances for one in found(research, "study")] == [1]
    house.receive(part10(image(SOPInstanceUID=ROOT + "1.3.1", SeriesInstanceUID=ROOT + "1.3", Modality="MR")))
    (study,) = found(research, "study", ModalitiesInStudy="MR")
    assert (study.modalities, study.counts.study_instances) == (("CT", "MR"), 2)
    shifted = PROJECT.patient("east", "000777123").shifted("20240215")
    assert found(research, "study", StudyDate=shifted) and not found(research, "study", StudyDate="20240215")
    assert found(research, "series", Modality="MR", StudyDate=shifted) and not found(research, "study", Modality="US")


@pytest.mark.parametrize("level", ["study", "series"])
def test_searches_continue_after_record_keys_of_new_names(house: House, tmp_path: Path, level: Level) -> None:
    for study, series in (("1", "1.3"), ("2", "2.1"), ("2", "2.3")):
        house.receive(part10(image(SOPInstanceUID=f"{ROOT}{series}.1", SeriesInstanceUID=ROOT + series,
                                   StudyInstanceUID=ROOT + study)))                      # fmt: skip
    research = archive(house, tmp_path, project(house, tmp_path))
    paged: list[bytes] = []
    while page := list(research.search(
        Query(level, limit=1, by_record_key=True, after=uids_of(level, paged[-1]) or () if paged else ()), EMPTY
    )):  # fmt: skip
        paged += [one.record_key for one in page]
    assert paged == sorted(set(paged)) and len(paged) == (2 if level == "study" else 4)
    assert ROOT.encode() not in b"".join(paged)


def test_what_is_told_is_kept_and_a_search_takes_only_so_long(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "BUDGET_S", -1.0)
    with pytest.raises(PacsdError) as caught:
        found(archive(house, tmp_path, project(house, tmp_path)), "study")
    assert caught.value.fault is Fault.UNAVAILABLE
    monkeypatch.undo()
    assert found(archive(house, tmp_path, project(house, tmp_path)), "study")
    monkeypatch.setattr(catalogue, "BUDGET_S", -1.0)
    assert found(archive(house, tmp_path, project(house, tmp_path)), "study")        # another process, the same folder


def test_what_another_release_told_is_told_anew(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(archive(house, tmp_path, project(house, tmp_path)), "study")
    monkeypatch.setattr(pacsd, "__version__", "0.0.0-next")          # which may take more away
    monkeypatch.setattr(catalogue, "BUDGET_S", -1.0)
    with pytest.raises(PacsdError):
        found(archive(house, tmp_path, project(house, tmp_path)), "study")


def test_made_instances_are_made_again_after_they_went(house: House, tmp_path: Path) -> None:
    research = archive(house, tmp_path, project(house, tmp_path))
    (ref,) = research.retrieve.instances(EMPTY, NEW)
    before = b"".join(read(research.retrieve.part10(ref).pieces))
    (tmp_path / "research" / "lung" / ref.extent.key).unlink()
    (again,) = research.retrieve.instances(EMPTY, NEW)
    assert again == ref and b"".join(read(research.retrieve.part10(again).pieces)) == before


def test_an_object_larger_than_all_the_room_is_refused(house: House, tmp_path: Path) -> None:
    large = image(Rows=1024, Columns=1024, PixelData=bytes(2 << 20), SOPInstanceUID=ROOT + "1.1.8")
    house.receive(part10(large))
    research = archive(house, tmp_path, project(house, tmp_path, kept_bytes=1 << 20))
    refs = research.retrieve.instances(EMPTY, NEW)
    assert [ref.sop_instance_uid for ref in refs] == [PROJECT.uid(ROOT + "1.1.1")]


def somebody(subject: str = "ada", code: str = "east", project: str = "") -> Principal:
    return Principal(subject, code, frozenset({Role.RESEARCHER}), Proof.TOKEN, project=project)


def test_whoever_a_token_or_the_settings_name_reads_for_a_project(house: House, tmp_path: Path) -> None:
    lung = project(house, tmp_path)
    heart = ResearchProject(replace(lung.settings, project="heart", members=("bob", "ada")), lung.organisation, "east",
                            lung.making)  # fmt: skip
    projects = Projects({"lung": lung, "heart": heart})
    assert projects.of(somebody("bob")) is heart
    assert projects.of(somebody(project="lung")) is lung
    for one in (somebody(), somebody("eve"), somebody("eve", project="liver"), somebody("bob", "west"),
                somebody(code="west", project="lung")):  # fmt: skip
        with pytest.raises(PacsdError) as caught:
            projects.of(one)
        assert caught.value.fault is Fault.FORBIDDEN
