"""DCMTK, curl and dicomweb-client do what people do with them."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient

from tests.clients import require
from tests.end_to_end import dcmtk, peers
from tests.end_to_end.conftest import Hospitals
from tests.end_to_end.samples import read_sample
from tests.synthetic import NAMES, Study, ct_slice, study, write_folder

CHINESE = study(72, 1, name="gb18030", patient_id="CN1", study_date="20240229", study_time="101530", modality="CT")
MISDECLARED = study(72, 2, name="gbk-as-latin1", patient_id="CN2", study_date="20240301")
UTF8 = study(72, 3, name="utf8", patient_id="CN3", study_date="20250101", modality="CT", accession_number="ACC-72")
STUDIES = (CHINESE, MISDECLARED, UTF8)
UTF8_QUERY = "SpecificCharacterSet=ISO_IR 192"


@pytest.fixture(scope="module")
def sent(hospitals: Hospitals) -> Iterator[dict[str, list[Path]]]:
    """Three studies of two series of two slices, sent to EAST by storescu."""
    require("storescu", "findscu")
    with tempfile.TemporaryDirectory() as folder:
        files = {
            of.study_instance_uid: write_folder(
                Path(folder) / of.patient_id,
                (ct_slice(of, series=s, instance=i, rows=32, columns=32) for s in (1, 2) for i in (1, 2)),
            )
            for of in STUDIES
        }
        every = [path for paths in files.values() for path in paths]
        dcmtk.run("storescu", hospitals.server.dicom_port, files=every, called="EAST")
        yield files


@pytest.fixture
def east(hospitals: Hospitals, sent: object) -> SimpleNamespace:
    """findscu against EAST: what a list of keys finds, as a set of one attribute's values."""

    def found(shown: str, *keys: str, model: str = "-S") -> set[str]:
        returned = [] if any(key.startswith(shown) for key in keys) else [shown]
        matches = dcmtk.find(hospitals.server.dicom_port, *keys, *returned, model=model, called="EAST")
        return {str(match.get(shown)) for match in matches}

    return SimpleNamespace(found=found, port=hospitals.server.dicom_port, base_url=hospitals.server.base_url)


def test_echoscu(hospitals):
    require("echoscu")
    dcmtk.run("echoscu", hospitals.server.dicom_port, called="EAST")


def test_echoscu_is_told_that_a_title_is_unknown(hospitals):
    require("echoscu")
    done = dcmtk.attempt("echoscu", hospitals.server.dicom_port, called="NOBODY")
    assert done.returncode != 0 and "Called AE Title Not Recognized" in done.stdout


IDS = {of.patient_id for of in STUDIES}


@pytest.mark.parametrize("model", ["-P", "-S"])
@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_findscu_at_every_level_of_both_models(east, sent, model, level):
    above = {
        "STUDY": [f"PatientID={UTF8.patient_id}"],
        "SERIES": [f"PatientID={UTF8.patient_id}", f"StudyInstanceUID={UTF8.study_instance_uid}"],
        "IMAGE": [
            f"PatientID={UTF8.patient_id}", f"StudyInstanceUID={UTF8.study_instance_uid}",
            f"SeriesInstanceUID={UTF8.series_instance_uid(1)}",
        ],
    }  # fmt: skip
    shown, expected = {
        "STUDY": ("StudyInstanceUID", {UTF8.study_instance_uid}),
        "SERIES": ("SeriesInstanceUID", {UTF8.series_instance_uid(n) for n in (1, 2)}),
        "IMAGE": ("SOPInstanceUID", {UTF8.sop_instance_uid(1, n) for n in (1, 2)}),
    }[level]
    keys = above[level] if model == "-P" or level == "STUDY" else above[level][1:]
    assert east.found(shown, f"QueryRetrieveLevel={level}", *keys, model=model) == expected


def test_findscu_at_patient_level(east):
    assert east.found("PatientID", "QueryRetrieveLevel=PATIENT", "PatientID=CN?", model="-P") == IDS


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("PatientID=CN*", IDS),
        ("PatientID=CN?", IDS),
        ("PatientID=CN2", {"CN2"}),
        ("PatientID=C?2", {"CN2"}),
        ("StudyDate=20240229-20240301", {"CN1", "CN2"}),
        ("StudyDate=-20240229", {"CN1"}),
        ("StudyDate=20250101-", {"CN3"}),
        ("StudyDate=20240301", {"CN2"}),
        ("ModalitiesInStudy=CT", IDS),
        ("ModalitiesInStudy=MR", set()),
        ("AccessionNumber=ACC-72", {"CN3"}),
        (f"StudyInstanceUID={CHINESE.study_instance_uid}\\{UTF8.study_instance_uid}", {"CN1", "CN3"}),
        ("PatientName=ZHANG*", {"CN1", "CN3"}),
        ("PatientName=zhang^san", {"CN1", "CN3"}),
        ("PatientName=*san*", {"CN1", "CN3"}),
        ("PatientName=张^三", {"CN1", "CN3"}),
        ("PatientName=张三", {"CN1", "CN3"}),
        ("PatientName=张*", {"CN1", "CN3"}),
        ("PatientName=*三*", {"CN1", "CN3"}),
        ("PatientName=*三", {"CN1", "CN3"}),
        ("PatientName==张^三", {"CN1", "CN3"}),
        ("PatientName=王^五", {"CN2"}),
        ("PatientName=*五*", {"CN2"}),
        ("PatientName=wang^wu", {"CN2"}),
        ("PatientName=*四*", set()),
    ],
)
def test_findscu_matches(east, key, expected):
    restricted = [] if key.startswith("PatientID") else ["PatientID=CN*"]
    keys = ("QueryRetrieveLevel=STUDY", UTF8_QUERY, key, *restricted)
    matches = dcmtk.find(east.port, *keys, *([] if restricted else ["PatientName"]), called="EAST")
    assert {str(match.PatientID) for match in matches} == expected


def test_findscu_asks_in_gb18030(east, tmp_path):
    query = pydicom.Dataset()
    query.SpecificCharacterSet, query.QueryRetrieveLevel = "GB18030", "STUDY"
    query.PatientName, query.PatientID, query.StudyInstanceUID = "*三*", "CN*", ""
    query.save_as(tmp_path / "query.dcm", implicit_vr=False, little_endian=True)
    answers = tmp_path / "answers"
    answers.mkdir()
    options = ("-S", "-X", "-od", str(answers))
    dcmtk.run("findscu", east.port, *options, files=[tmp_path / "query.dcm"], called="EAST")
    matches = [pydicom.dcmread(path, force=True) for path in answers.iterdir()]
    assert {str(match.PatientID) for match in matches} == {"CN1", "CN3"}
    names = {str(match.PatientName) for match in matches}
    assert names == {NAMES["gb18030"].text, NAMES["utf8"].text}


def test_movescu_brings_a_study_to_storescp(hospitals, sent, tmp_path):
    require("movescu", "storescp")
    with dcmtk.receiver(hospitals.storescp_port, tmp_path):
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={UTF8.study_instance_uid}")
        dcmtk.run("movescu", hospitals.server.dicom_port, "-S", "-aem", "STORESCP", *keys, called="EAST")
    assert dcmtk.objects_in(tmp_path).keys() == uids(UTF8, sent)


def uids(of: Study, sent: dict[str, list[Path]]) -> set[str]:
    return {str(pydicom.dcmread(path).SOPInstanceUID) for path in sent[of.study_instance_uid]}


def test_movescu_is_told_that_a_destination_is_unknown(hospitals, sent):
    require("movescu")
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={UTF8.study_instance_uid}")
    done = dcmtk.attempt("movescu", hospitals.server.dicom_port, "-S", "-aem", "NOWHERE", *keys, called="EAST")
    assert "MoveDestinationUnknown" in done.stdout


@pytest.mark.parametrize("model", ["-P", "-S"])
def test_getscu_brings_a_series(hospitals, sent, model, tmp_path):
    require("getscu")
    keys = [
        "QueryRetrieveLevel=SERIES", f"StudyInstanceUID={CHINESE.study_instance_uid}",
        f"SeriesInstanceUID={CHINESE.series_instance_uid(2)}", *([f"PatientID={CHINESE.patient_id}"] * (model == "-P")),
    ]  # fmt: skip
    options = [word for key in keys for word in ("-k", key)]
    dcmtk.run("getscu", hospitals.server.dicom_port, model, "+B", "-od", str(tmp_path), *options, called="EAST")
    came = dcmtk.objects_in(tmp_path)
    assert came.keys() == {CHINESE.sop_instance_uid(2, number) for number in (1, 2)}


def curl(*arguments: str) -> bytes:
    require("curl")
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", *arguments], check=True, stdout=subprocess.PIPE
    ).stdout


def test_curl_searches_in_chinese(east):
    keys = ("--data-urlencode", "PatientName=*三*", "-d", "PatientID=CN*")
    found = json.loads(curl("-G", f"{east.base_url}/studies", *keys))
    assert {one["00100020"]["Value"][0] for one in found} == {"CN1", "CN3"}
    assert {one["00100010"]["Value"][0]["Ideographic"] for one in found} == {"张^三"}


def test_curl_stores_and_retrieves(east, tmp_path):
    path = tmp_path / "one.dcm"
    path.write_bytes(ct_slice(study(72, 4), rows=16, columns=16))
    sample = read_sample(path)
    kind = "Content-Type: application/dicom"
    stored = json.loads(curl("-H", kind, "--data-binary", f"@{path}", f"{east.base_url}/studies"))
    url = stored["00081199"]["Value"][0]["00081190"]["Value"][0]
    back = tmp_path / "back.dcm"
    curl("-H", "Accept: application/dicom", "-o", str(back), url)
    assert read_sample(back).data == sample.data


def test_curl_sees_health_and_metrics(hospitals):
    root = hospitals.server.base_url.removesuffix("/dicom-web")
    curl(f"{root}/health/live")
    curl(f"{root}/health/ready")
    assert b"text/plain" in curl("--head", f"{root}/metrics")


def test_dicomweb_client_stores_searches_and_retrieves(east):
    client = DICOMwebClient(east.base_url)
    made = study(72, 5, name="gb18030", patient_id="CW5")
    datasets = [
        pydicom.dcmread(pydicom.filebase.DicomBytesIO(ct_slice(made, instance=number, rows=16, columns=16)))
        for number in (1, 2)
    ]
    assert len(client.store_instances(datasets).ReferencedSOPSequence) == 2
    uid, series = made.study_instance_uid, made.series_instance_uid(1)
    [found] = client.search_for_studies(search_filters={"PatientName": "张*", "PatientID": "CW5"})
    assert found["0020000D"]["Value"] == [uid]
    assert len(client.search_for_series(uid)) == 1 and len(client.search_for_instances(uid, series)) == 2
    for dataset in datasets:
        sop = dataset.SOPInstanceUID
        assert client.retrieve_instance(uid, series, sop) == dataset
        [frame] = client.retrieve_instance_frames(uid, series, sop, frame_numbers=[1])
        assert frame == dataset.PixelData
        metadata = client.retrieve_instance_metadata(uid, series, sop)
        assert metadata["00100010"]["Value"][0]["Ideographic"] == "张^三"
        [bulk] = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
        assert bulk == dataset.PixelData
    assert {one.SOPInstanceUID for one in client.retrieve_study(uid)} == {one.SOPInstanceUID for one in datasets}
    assert len(client.retrieve_series_metadata(uid, series)) == 2


def test_storing_the_same_again_changes_nothing_and_other_bytes_are_refused(east, tmp_path):
    made = study(72, 6)
    paths = write_folder(tmp_path, [ct_slice(made, rows=rows, columns=16) for rows in (16, 24)])
    first, other = map(read_sample, paths)
    assert list(peers.store(east.port, [first], called="EAST").values()) == [0x0000]
    assert list(peers.store(east.port, [first], called="EAST").values()) == [0x0000]
    assert list(peers.store(east.port, [other], called="EAST").values()) == [0xC002]
    assert peers.wado(east.base_url, [made.study_instance_uid]) == {first.sop_instance_uid: first.data}
