"""Three hospitals that share every UID and patient id: each sees its own, and what another opened to it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients import require
from tests.end_to_end import dcmtk, peers
from tests.end_to_end.conftest import Hospitals
from tests.end_to_end.house import answer, value
from tests.end_to_end.samples import Sample, read_sample
from tests.synthetic import Study, ct_slice, study

SHARED = study(71, 1, patient_id="000123", modality="CT")            # east and west both have it, differently
EASTS_OWN = study(71, 2, patient_id="000123", modality="CT")
NORTHS_OWN = study(71, 1, patient_id="000123", modality="CT")        # UIDs of SHARED: a third copy


def slices(of: Study, count: int, folder: Path, *, rows: int) -> list[Sample]:
    """Small CT images; other rows are other bytes under the same UIDs."""
    files = []
    for number in range(1, count + 1):
        path = folder / f"{of.study_instance_uid}-{rows}-{number}.dcm"
        path.write_bytes(ct_slice(of, instance=number, rows=rows, columns=64))
        files.append(read_sample(path))
    return files


@pytest.fixture(scope="module")
def sent(hospitals: Hospitals) -> Iterator[dict[str, list[Sample]]]:
    """Who stored what: the same study UID with three, two and one instances."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stored = {
            "EAST": [*slices(SHARED, 3, folder, rows=32), *slices(EASTS_OWN, 2, folder, rows=32)],
            "WEST": slices(SHARED, 2, folder, rows=48),
            "NORTH": slices(NORTHS_OWN, 1, folder, rows=64),
        }
        for title, samples in stored.items():
            statuses = peers.store(hospitals.server.dicom_port, samples, called=title)
            assert set(statuses.values()) == {0x0000}
        yield stored


def studies_found(port: int, title: str) -> dict[str, int]:
    """C-FIND at study level: instances of each study of the patient."""
    matches = peers.find(
        port, called=title, QueryRetrieveLevel="STUDY", PatientID="000123", StudyInstanceUID="",
        NumberOfStudyRelatedInstances=None,
    )  # fmt: skip
    return {str(match.StudyInstanceUID): int(match.NumberOfStudyRelatedInstances) for match in matches}


EXPECTED = {
    "EAST": {SHARED.study_instance_uid: 3, EASTS_OWN.study_instance_uid: 2},
    "WEST": {SHARED.study_instance_uid: 2},
    "NORTH": {SHARED.study_instance_uid: 1, EASTS_OWN.study_instance_uid: 2},
}


@pytest.mark.parametrize("title", EXPECTED)
def test_c_find_counts_what_the_caller_may_see(hospitals, sent, title):
    assert studies_found(hospitals.server.dicom_port, title) == EXPECTED[title]


@pytest.mark.parametrize("title", EXPECTED)
def test_instances_of_a_shared_uid_are_the_callers_own(hospitals, sent, title):
    own = [one for one in sent[title] if one.study_instance_uid == SHARED.study_instance_uid]
    found = peers.find(
        hospitals.server.dicom_port, called=title, QueryRetrieveLevel="IMAGE", SOPInstanceUID="", Rows=None,
        StudyInstanceUID=SHARED.study_instance_uid, SeriesInstanceUID=own[0].series_instance_uid,
    )  # fmt: skip
    assert {str(one.SOPInstanceUID) for one in found} == {one.sop_instance_uid for one in own}
    came = peers.get(hospitals.server.dicom_port, own, [SHARED.study_instance_uid], called=title)
    assert came == {one.sop_instance_uid: one.data for one in own}


def test_a_foreign_study_cannot_be_retrieved_by_dimse(hospitals, sent):
    foreign = [one for one in sent["EAST"] if one.study_instance_uid == EASTS_OWN.study_instance_uid]
    port, uid = hospitals.server.dicom_port, EASTS_OWN.study_instance_uid
    assert peers.get(port, foreign, [uid], called="WEST") == {}
    require("storescp")
    with tempfile.TemporaryDirectory() as folder:
        with dcmtk.receiver(hospitals.storescp_port, Path(folder)):
            [denied] = peers.move(port, [uid], called="WEST", to="STORESCP")
            assert not denied.get("NumberOfCompletedSuboperations")
            assert dcmtk.objects_in(Path(folder)) == {}
            [opened] = peers.move(port, [uid], called="NORTH", to="STORESCP")
            assert opened.Status == 0x0000
        assert dcmtk.objects_in(Path(folder)) == {one.sop_instance_uid: one.data for one in foreign}


def test_the_web_of_each_hospital_shows_its_own_copy(hospitals, sent):
    with hospitals.web_of("west") as west, hospitals.web_of("north") as north:
        for title, base_url in (("EAST", hospitals.server.base_url), ("WEST", west), ("NORTH", north)):
            check_shared(base_url, title, sent[title])
        check_hidden(west, sent["EAST"])
        check_open(north, sent["EAST"])


def check_shared(base_url: str, title: str, samples: list[Sample]) -> None:
    own = [one for one in samples if one.study_instance_uid == SHARED.study_instance_uid]
    assert peers.wado(base_url, [SHARED.study_instance_uid]) == {one.sop_instance_uid: one.data for one in own}
    found = answer(base_url, "/studies?PatientID=000123")
    assert {value(one, "0020000D"): value(one, "00201208") for one in found} == EXPECTED[title]
    [rows] = {value(one, "00280010") for one in answer(base_url, f"/studies/{SHARED.study_instance_uid}/metadata")}
    assert rows == {"EAST": 32, "WEST": 48, "NORTH": 64}[title]


def addresses(samples: list[Sample]) -> list[str]:
    """Every kind of resource of the study that only east stored."""
    one = next(sample for sample in samples if sample.study_instance_uid == EASTS_OWN.study_instance_uid)
    study, series = f"/studies/{one.study_instance_uid}", f"/series/{one.series_instance_uid}"
    instance = f"{study}{series}/instances/{one.sop_instance_uid}"
    return [
        study, study + series, instance, study + "/metadata", study + series + "/metadata", instance + "/metadata",
        instance + "/frames/1", instance + "/bulkdata/7FE00010", study + "/bulkdata", study + "/pixeldata",
    ]  # fmt: skip


def check_hidden(base_url: str, samples: list[Sample]) -> None:
    """Not there: 404 for resources, nothing for searches, at every level and by every UID."""
    for address in addresses(samples):
        assert httpx.get(base_url + address).status_code == 404, address
    one = next(sample for sample in samples if sample.study_instance_uid == EASTS_OWN.study_instance_uid)
    for query in (
        f"/studies?StudyInstanceUID={one.study_instance_uid}",
        f"/series?SeriesInstanceUID={one.series_instance_uid}",
        f"/instances?SOPInstanceUID={one.sop_instance_uid}",
        f"/studies/{one.study_instance_uid}/series",
        f"/studies/{one.study_instance_uid}/instances",
    ):
        got = httpx.get(base_url + query)
        assert (got.status_code in (200, 204, 404) and got.content in (b"", b"[]")) or got.status_code == 404, query
    every = {value(found, "0020000D") for found in answer(base_url, "/instances")}        # others' tests left some
    assert SHARED.study_instance_uid in every and one.study_instance_uid not in every


def check_open(base_url: str, samples: list[Sample]) -> None:
    for address in addresses(samples):
        assert httpx.get(base_url + address).status_code == 200, address


def test_one_hospital_never_writes_into_anothers_study(hospitals, sent, tmp_path):
    more = slices(EASTS_OWN, 3, tmp_path, rows=32)[2:]
    assert set(peers.store(hospitals.server.dicom_port, more, called="WEST").values()) == {0x0000}
    assert studies_found(hospitals.server.dicom_port, "EAST") == EXPECTED["EAST"]
    assert studies_found(hospitals.server.dicom_port, "WEST")[EASTS_OWN.study_instance_uid] == 1
