"""The whole server by DICOMweb, driven by other people's clients: every real file, back bit for bit."""

import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.encaps import get_frame
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from tests.clients import require
from tests.synthetic import small_object, study

FAILURE_REASONS = {0xA700, 0xA900, 0xC000, 0x0110, 0x0111, 0x0122, 0x0124}
DUPLICATE_SOP_INSTANCE = 0x0111
DEFLATED_IMAGE_FRAME_COMPRESSION = "1.2.840.10008.1.2.8.1"     # pydicom does not know it yet
STORED = {"Accept": "application/dicom; transfer-syntax=*"}


def dataset_bytes(file: bytes) -> bytes:
    """A Part 10 file without preamble and group 2."""
    at = 132 if file[128:132] == b"DICM" else 0
    while file[at : at + 2] == b"\x02\x00":
        long_form = file[at + 4 : at + 6] in (b"OB", b"OW", b"UN", b"UT", b"SQ")
        start, size = (at + 12, file[at + 8 : at + 12]) if long_form else (at + 8, file[at + 6 : at + 8])
        at = start + int.from_bytes(size, "little")
    return file[at:]


def store(http: httpx.Client, content: bytes) -> httpx.Response:
    return http.post("/studies", content=content, headers={"Content-Type": "application/dicom"})


def failure_reason(answer: httpx.Response) -> int:
    items = [item for tag in ("00081198", "0008119A") for item in answer.json().get(tag, {}).get("Value", [])]
    return int(items[0]["00081197"]["Value"][0])


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def belongs_to_a_series(path: Path) -> bool:
    """Not so: a DICOMDIR, and non-patient objects such as colour palettes."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    return all(keyword in dataset for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"))


@pytest.fixture
def http(running_server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running_server.base_url, timeout=60) as client:
        yield client


@pytest.fixture
def client(running_server) -> DICOMwebClient:
    return DICOMwebClient(running_server.base_url)


def of_its_own(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """The same object of a study that no other test stores into."""
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, generate_uid(entropy_srcs=["dicomweb client", getattr(dataset, keyword)]))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def kept_urls(http: httpx.Client, folder: Path) -> dict[Path, str]:
    """Store every file below a folder: the Retrieve URL of each that is kept; the others are refused with a reason."""
    urls = {}
    for path in files_below(folder):
        answer = store(http, path.read_bytes())
        assert answer.status_code in (200, 409), path
        if answer.status_code == 200:
            urls[path] = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
        else:
            assert failure_reason(answer) in FAILURE_REASONS, path
            assert answer.headers["warning"], path
    return urls


def as_stored(content: bytes, path: Path) -> bool:
    return dataset_bytes(content) == dataset_bytes(path.read_bytes())


def assert_same_in_explicit_little_endian(stored: pydicom.Dataset, content: bytes, path: Path) -> None:
    """Implicit VR and big endian are not for the web (PS3.18 8.7.3)."""
    given = pydicom.dcmread(io.BytesIO(content))
    assert given.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian, path
    assert {e.tag for e in given} == {e.tag for e in stored if e.tag.element}, path
    for keyword in ("SOPInstanceUID", "PatientID", "StudyDate", "Rows", "WindowCenter", "PixelSpacing"):
        assert given.get(keyword) == stored.get(keyword), path
    if stored.original_encoding[1] and "PixelData" in stored:
        assert given.PixelData == stored.PixelData, path


@pytest.mark.slow
def test_every_real_file_is_refused_with_a_reason_or_comes_back_bit_identical(http, data_folder):
    urls = kept_urls(http, data_folder / "dicom")
    for path, url in urls.items():
        answer = http.get(url, headers=STORED)
        assert answer.status_code == 200, path
        read = pydicom.dcmread(path, force=True)
        if read.original_encoding == (False, True) or ("malformed" in path.parts and as_stored(answer.content, path)):
            assert as_stored(answer.content, path), path
        else:
            assert_same_in_explicit_little_endian(read, answer.content, path)
    for path in files_below(data_folder / "dicom"):
        if path not in urls and "malformed" not in path.parts and belongs_to_a_series(path):
            assert failure_reason(store(http, path.read_bytes())) == DUPLICATE_SOP_INSTANCE, path


@pytest.mark.slow
def test_metadata_frames_and_bulk_data_of_every_real_file(http, data_folder):
    for path, url in kept_urls(http, data_folder / "dicom").items():
        answer = http.get(f"{url}/metadata")
        assert answer.status_code == 200, path
        [metadata] = json.loads(answer.content)
        for uri in bulk_uris(metadata):
            assert uri.startswith(url), path
            bulk = http.get(uri)
            assert bulk.status_code == 200 and bulk.content, (path, uri)
        if "malformed" not in path.parts:
            check_against_pydicom(http, url, metadata, path)


def bulk_uris(dataset: dict[str, Any]) -> Iterator[str]:
    for attribute in dataset.values():
        if "BulkDataURI" in attribute:
            yield attribute["BulkDataURI"]
        if attribute["vr"] == "SQ":
            for item in attribute.get("Value", []):
                yield from bulk_uris(item)


def check_against_pydicom(http: httpx.Client, url: str, metadata: dict[str, Any], path: Path) -> None:
    dataset = pydicom.dcmread(path, force=True)
    theirs = {f"{element.tag:08X}" for element in dataset if element.tag.element != 0}
    assert theirs <= set(metadata), path
    if "PixelData" not in dataset or dataset.file_meta.TransferSyntaxUID == UID("1.2.840.10008.1.2.2"):
        return
    frames = int(dataset.get("NumberOfFrames") or 1)
    answer = http.get(f"{url}/frames/{frames}", headers={"Accept": "application/octet-stream; transfer-syntax=*"})
    assert answer.status_code == 200, path
    assert answer.content == last_frame(dataset, frames), path


def last_frame(dataset: pydicom.Dataset, frames: int) -> bytes:
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == DEFLATED_IMAGE_FRAME_COMPRESSION or syntax.is_encapsulated:
        return get_frame(dataset.PixelData, frames - 1, number_of_frames=frames)
    bits = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated
    if bits % 8:
        pytest.skip("frames that share a byte")
    size = bits // 8
    return bytes(dataset.PixelData[(frames - 1) * size : frames * size])


def test_a_series_by_dicomweb_client(client, data_folder):
    files = files_below(data_folder / "dicom" / "series_ct_phantom_28_slices")
    datasets = [of_its_own(pydicom.dcmread(path)) for path in files]
    response = client.store_instances(datasets)
    assert len(response.ReferencedSOPSequence) == len(datasets)
    first = datasets[0]
    study, series = first.StudyInstanceUID, first.SeriesInstanceUID
    [found] = client.search_for_studies(search_filters={"StudyInstanceUID": study})
    assert found["0020000D"]["Value"] == [study] and found["00201208"]["Value"] == [len(datasets)]
    found = client.search_for_series(study_instance_uid=study, search_filters={"Modality": first.Modality})
    assert {one["0020000E"]["Value"][0] for one in found} == {one.SeriesInstanceUID for one in datasets}
    datasets = [one for one in datasets if one.SeriesInstanceUID == series]
    instances = client.search_for_instances(study_instance_uid=study, series_instance_uid=series)
    assert {one["00080018"]["Value"][0] for one in instances} == {one.SOPInstanceUID for one in datasets}
    assert len(client.retrieve_series_metadata(study, series)) == len(datasets)
    back = {one.SOPInstanceUID: one for one in client.retrieve_series(study, series)}
    assert all(back[one.SOPInstanceUID] == one for one in datasets)
    [frame] = client.retrieve_instance_frames(study, series, first.SOPInstanceUID, frame_numbers=[1])
    assert frame == first.PixelData
    assert client.retrieve_instance(study, series, first.SOPInstanceUID) == first


def test_search_without_a_match_is_empty(client):
    assert client.search_for_studies(search_filters={"PatientID": "nobody has this one"}) == []


def test_paging_by_dicomweb_client(client, data_folder):
    client.store_instances([pydicom.dcmread(path) for path in files_below(data_folder / "dicom" / "charset")])
    everything = client.search_for_studies(limit=1000)
    pages = [client.search_for_studies(limit=2, offset=at) for at in range(0, len(everything), 2)]
    assert [one["0020000D"] for page in pages for one in page] == [one["0020000D"] for one in everything]


def test_store_and_retrieve_by_curl(running_server, data_folder, tmp_path):
    require("curl")
    path = files_below(data_folder / "dicom" / "series_ct_phantom_28_slices")[0]
    http_base = running_server.base_url
    curl = [shutil.which("curl"), "--silent", "--show-error", "--fail-with-body"]
    stored = subprocess.run(
        [*curl, "-H", "Content-Type: application/dicom", "--data-binary", f"@{path}", f"{http_base}/studies"],
        check=True,
        capture_output=True,
    )
    url = json.loads(stored.stdout)["00081199"]["Value"][0]["00081190"]["Value"][0]
    subprocess.run([*curl, "-H", "Accept: application/dicom", "-o", tmp_path / "back.dcm", url], check=True)
    assert dataset_bytes((tmp_path / "back.dcm").read_bytes()) == dataset_bytes(path.read_bytes())
    assert pydicom.dcmread(tmp_path / "back.dcm").SOPInstanceUID == pydicom.dcmread(path).SOPInstanceUID


def test_an_object_of_another_study_is_refused(http, data_folder):
    path = files_below(data_folder / "dicom" / "series_mr_128_slices")[0]
    answer = http.post("/studies/1.2.3", content=path.read_bytes(), headers={"Content-Type": "application/dicom"})
    assert answer.status_code == 409 and failure_reason(answer) == 0xA900


def test_a_truncated_upload_leaves_nothing(http):
    upload = small_object(study(7193))
    head = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    assert http.post("/studies", content=head + upload, headers=kind).status_code == 400
    dataset = pydicom.dcmread(io.BytesIO(upload), stop_before_pixels=True)
    url = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
    assert http.get(url).status_code == 404


def test_instances_of_which_nothing_is_named_are_found_page_by_page(http: httpx.Client) -> None:
    ones = [study(7_700 + number, patient_id="PAGED") for number in range(3)]
    sent = [small_object(one, instance=instance) for one in ones for instance in (1, 2)]
    assert all(store(http, content).status_code == 200 for content in sent)

    def page(**keys: object) -> list[str]:
        answer = http.get("/instances", params=keys, headers={"Accept": "application/dicom+json"})
        assert answer.status_code == 200, answer.text
        return [one["00080018"]["Value"][0] for one in answer.json()]

    found = [page(PatientID="PAGED", limit=4, offset=offset) for offset in (0, 4, 8)]
    assert [len(uids) for uids in found] == [4, 2, 0]
    assert len({uid for uids in found for uid in uids}) == len(sent)
    one = http.get("/instances", params={"limit": 1})
    assert len(one.json()) == 1 and one.headers["warning"].startswith("299 ")
    for keys in ({"PatientID": "PAGED", "InstanceNumber": 1, "limit": 1}, {"limit": 1, "offset": 1_000_000}):
        assert http.get("/instances", params=keys).status_code == 413
