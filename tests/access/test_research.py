"""What a researcher gets of a project, asked of the running application: by new names, and nothing by the old ones."""

from io import BytesIO
from urllib.parse import quote

import orjson
import pydicom
import pytest

from pacsd.access.callers import SERVICES, _may
from pacsd.access.principal import Principal, Proof, Role
from tests.access.region import PROJECT, STUDIES, UNRELEASED, Region
from tests.access.test_leaks import paths, statements
from tests.deidentify.original import identifying, present
from tests.synthetic import ct_slice, study

RESEARCHER, READER = "researcher@west", "radiologist@west"
WEST, NONE = STUDIES["west"], study(63, 1)
NEW = PROJECT.uid(WEST.study_instance_uid)
ORIGINAL = pydicom.dcmread(BytesIO(ct_slice(WEST, rows=16, columns=16)))


def made(path: str) -> str:
    """A path by the UIDs of the project."""
    for uid in (WEST.sop_instance_uid(1, 1), WEST.series_instance_uid(1), WEST.study_instance_uid):
        path = path.replace(uid, PROJECT.uid(uid))
    return path


def originals(tmp_path: object) -> set[str]:
    """What identifies in the two stored images."""
    found = set()
    for instance in (1, 2):
        file = tmp_path / f"{instance}.dcm"  # type: ignore[operator]
        file.write_bytes(ct_slice(WEST, instance=instance, rows=16, columns=16))
        found |= identifying(file)
    assert {WEST.study_instance_uid, str(ORIGINAL.StudyDate)} <= found
    return found


def search(region: Region, query: str, path: str = "studies") -> list[dict[str, dict[str, object]]]:
    answer = region.request("GET", f"/dicom-web/{path}?{query}", RESEARCHER)
    assert answer.status_code == 200, answer.text
    return list(orjson.loads(answer.content))


@pytest.mark.parametrize("path", [one for one in paths(WEST) if "Number" not in one and "PatientID" not in one])
def test_no_answer_holds_anything_of_the_original(region: Region, path: str, tmp_path: object) -> None:
    wanted = made(path)
    answer = region.request("GET", wanted, RESEARCHER, headers={"accept": "*/*"})
    assert answer.status_code == 200, (wanted, answer.text)
    head = "\r\n".join(value for name, value in answer.headers.items() if name != "referrer-policy").encode()
    assert len(answer.content) > 2 and present(head + answer.content, originals(tmp_path)) == set()
    reader = region.request("GET", path, READER, headers={"accept": "*/*"})
    same = answer.headers.get("etag") == reader.headers.get("etag") is not None
    assert not same or answer.content == reader.content          # a picture's tag is of the picture


@pytest.mark.parametrize("number", range(len(paths(WEST))))
def test_the_original_is_answered_as_what_is_nowhere(
    region: Region, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    region.request("GET", "/dicom-web/studies", RESEARCHER)
    found = []
    for of in (WEST, UNRELEASED, NONE):
        with statements(monkeypatch) as asked:
            answer = region.request("GET", paths(of)[number], RESEARCHER, headers={"accept": "*/*"})
        told = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
        found.append((answer.status_code, told, answer.text, asked))
    assert found[0] == found[1] == found[2]
    assert found[0][0] == 404 or found[0][2] == "[]"


def test_keys_match_what_is_given_out_and_nothing_else(region: Region) -> None:
    (whole,) = search(region, f"StudyInstanceUID={NEW}&includefield=all")
    patient = PROJECT.patient("WEST", WEST.patient_id)
    assert whole["00100020"]["Value"] == [patient.patient_id]
    assert whole["00080020"]["Value"] == [patient.shifted(str(ORIGINAL.StudyDate))]
    assert (whole["00201206"]["Value"], whole["00201208"]["Value"]) == ([1], [2])
    shown = {
        "PatientID": patient.patient_id, "PatientName": patient.name, "StudyDate": patient.shifted(ORIGINAL.StudyDate),
        "AccessionNumber": whole["00080050"]["Value"][0], "ModalitiesInStudy": "CT",  # type: ignore[index]
        "StudyTime": str(ORIGINAL.StudyTime), "StudyInstanceUID": NEW,
        "SOPClassesInStudy": str(ORIGINAL.SOPClassUID),
    }  # fmt: skip
    hidden = {
        "PatientID": WEST.patient_id, "PatientName": str(ORIGINAL.PatientName), "StudyDate": str(ORIGINAL.StudyDate),
        "AccessionNumber": WEST.accession_number, "PatientBirthDate": str(ORIGINAL.PatientBirthDate),
        "StudyInstanceUID": WEST.study_instance_uid, "StudyID": str(ORIGINAL.StudyID),
        "ReferringPhysicianName": str(ORIGINAL.ReferringPhysicianName), "ModalitiesInStudy": "MR",
        "InstitutionName": str(ORIGINAL.InstitutionName), "SeriesInstanceUID": WEST.series_instance_uid(1),
    }  # fmt: skip
    for level in ("studies", "series"):
        for key, value in shown.items():
            assert len(search(region, f"{key}={quote(value)}", level)) == 1, (level, key)
        for key, value in hidden.items():
            assert search(region, f"{key}={quote(value)}", level) == [], (level, key)
    date = str(ORIGINAL.StudyDate)
    assert search(region, f"StudyDate={date}-{date}") == []
    assert search(region, f"PatientName={quote(str(ORIGINAL.PatientName)[:3])}*&fuzzymatching=true") == []
    below = f"studies/{NEW}/instances"
    assert len(search(region, "", below)) == 2 and len(search(region, "InstanceNumber=1", below)) == 1
    assert search(region, f"SOPInstanceUID={WEST.sop_instance_uid(1, 1)}", below) == []
    assert len(search(region, f"SOPInstanceUID={PROJECT.uid(WEST.sop_instance_uid(1, 1))}", below)) == 1
    assert [len(search(region, query, below)) for query in ("limit=1", "limit=5&offset=1", "limit=5&offset=2")] == [
        1, 1, 0]  # fmt: skip


def test_only_listed_studies_are_there_and_a_list_counts_when_it_changes(region: Region) -> None:
    assert len(search(region, "")) == 1
    (file,) = [one.studies for one in region.projects]
    before = file.read_text()
    path = f"/dicom-web/studies/{PROJECT.uid(UNRELEASED.study_instance_uid)}/metadata"
    try:
        assert region.request("GET", path, RESEARCHER).status_code == 404
        file.write_text(before + UNRELEASED.study_instance_uid)
        region.later()
        assert region.request("GET", path, RESEARCHER).status_code == 200
        dates = [one["00080020"]["Value"][0] for one in search(region, "")]  # type: ignore[index]
        assert len(dates) == 2 and dates == sorted(dates, reverse=True)      # by what is shown
        file.write_text("no UID, but a remark\n")
        region.later()
        assert region.request("GET", path, RESEARCHER).status_code == 503
        file.unlink()
        region.later()
        assert region.request("GET", "/dicom-web/studies", RESEARCHER).status_code == 503
    finally:
        file.write_text(before)
        region.later()
    assert region.request("GET", path, RESEARCHER).status_code == 404 and len(search(region, "")) == 1


def test_a_study_of_another_hospital_is_not_there_though_it_is_listed(region: Region) -> None:
    (file,) = [one.studies for one in region.projects]
    before, south = file.read_text(), STUDIES["south"].study_instance_uid
    try:
        file.write_text(before + south)
        region.later()
        assert len(search(region, "")) == 1
        assert region.request("GET", f"/dicom-web/studies/{PROJECT.uid(south)}", RESEARCHER).status_code == 404
    finally:
        file.write_text(before)
        region.later()


def test_pixels_and_metadata_are_those_of_one_object(region: Region) -> None:
    instance = made(paths(WEST)[2])
    answer = region.request("GET", instance, RESEARCHER, headers={"accept": "application/dicom"})
    read = pydicom.dcmread(BytesIO(answer.content))
    assert (read.pixel_array == ORIGINAL.pixel_array).all() and read.PatientIdentityRemoved == "YES"
    (told,) = region.request("GET", f"{instance}/metadata", RESEARCHER).json()
    assert told["00080018"]["Value"] == [read.SOPInstanceUID] == [PROJECT.uid(WEST.sop_instance_uid(1, 1))]
    frame = region.request("GET", f"{instance}/frames/1", RESEARCHER, headers={
        "accept": "application/octet-stream; transfer-syntax=*"})  # fmt: skip
    assert frame.content == read.PixelData
    bulk = told["7FE00010"]["BulkDataURI"]
    assert region.request("GET", bulk, RESEARCHER, headers={"accept": "application/octet-stream"}).content == (
        read.PixelData)  # fmt: skip


def test_researchers_are_refused_by_dimse() -> None:
    researcher = Principal("researcher@west", "west", frozenset({Role.RESEARCHER}), Proof.TOKEN)
    assert [one for one in SERVICES if _may(researcher, one)] == ["echo"]
