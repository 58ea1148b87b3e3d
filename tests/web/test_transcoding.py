"""The whole server, asked for other transfer syntaxes than those its objects are stored in (PS3.18 8.7.3)."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames

from tests.codec.images import EXPLICIT, JPEG, LOSSLESS, Image
from tests.web.fakes import parts_of
from tests.web.test_dicomweb_client import store

RLE = "1.2.840.10008.1.2.5"
FILES = {
    "grey": "transfer_syntax/small/MR_small.dcm",
    "implicit": "transfer_syntax/small/MR_small_implicit.dcm",
    "big endian": "transfer_syntax/small/MR_small_bigendian.dcm",
    "bytes as words": "transfer_syntax/small/SC_rgb_small_odd_big_endian.dcm",
    "deflated": "transfer_syntax/small/image_dfl.dcm",
    "jpeg 2000": "transfer_syntax/small/MR_small_jp2klossless.dcm",
    "lossy": "transfer_syntax/same_ct_in_many/ct_1.2.840.10008.1.2.4.50_JPEGProcess1.dcm",
    "frames": "modality/enhanced_mr/emri_small_RLE.dcm",
    "bits": "modality/seg/liver.dcm",
    "report": "modality/sr/reportsi.dcm",
    "float": "modality/parametric_map/parametric_map_float.dcm",
}
OCTETS = {"Accept": "application/octet-stream"}


def accepting(syntax: str) -> dict[str, str]:
    return {"Accept": f"application/dicom; transfer-syntax={syntax}"}


@pytest.fixture(scope="module")
def http(running_server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running_server.base_url, timeout=60) as client:
        yield client


@pytest.fixture
def kept(http, data_folder):
    """Stores a file in a study of its own: its Retrieve URL, and what it holds."""

    def keep(name: str) -> tuple[str, pydicom.Dataset]:
        dataset = pydicom.dcmread(data_folder / "dicom" / FILES[name])
        for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
            setattr(dataset, keyword, pydicom.uid.generate_uid())
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        out = BytesIO()
        dataset.save_as(out)
        answer = store(http, out.getvalue())
        assert answer.status_code == 200
        return answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0], dataset

    return keep


def read(answer: httpx.Response) -> pydicom.Dataset:
    assert answer.status_code == 200, answer.text
    return pydicom.dcmread(BytesIO(answer.content))


@pytest.mark.parametrize("name", ["grey", "big endian", "deflated", "jpeg 2000", "frames"])
def test_an_object_in_every_lossless_syntax(http, kept, name: str) -> None:
    url, stored = kept(name)
    pixels = pydicom.pixels.pixel_array(stored, raw=True)
    for syntax in (EXPLICIT, *LOSSLESS):
        answer = http.get(url, headers=accepting(syntax))
        given = read(answer)
        assert given.file_meta.TransferSyntaxUID == syntax
        assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"
        assert given.SOPInstanceUID == given.file_meta.MediaStorageSOPInstanceUID == stored.SOPInstanceUID
        plain = Image(syntax, answer.content[_dataset_at(answer.content):]).into(EXPLICIT).read()
        assert np.array_equal(plain.pixel_array, pixels), syntax


def _dataset_at(file: bytes) -> int:
    return 144 + int.from_bytes(file[140:144], "little")


@pytest.mark.parametrize("name", ["grey", "big endian", "deflated", "jpeg 2000", "report"])
def test_who_names_nothing_gets_explicit_little_endian(http, kept, name: str) -> None:
    url, stored = kept(name)
    for accept in ("application/dicom", "*/*", 'multipart/related; type="application/dicom"'):
        answer = http.get(url, headers={"Accept": accept})
        content = answer.content if accept == "application/dicom" else parts_of(answer)[0][1]
        given = pydicom.dcmread(BytesIO(content))
        assert given.file_meta.TransferSyntaxUID == EXPLICIT
        assert given.SOPInstanceUID == stored.SOPInstanceUID and given.get("PatientName") == stored.get("PatientName")


def test_what_is_stored_comes_untouched_where_it_will_do(http, kept) -> None:
    url, stored = kept("jpeg 2000")
    for syntax in ("*", JPEG + "90"):
        assert read(http.get(url, headers=accepting(syntax))).PixelData == stored.PixelData
    both = f"{accepting(EXPLICIT)['Accept']}, {accepting(JPEG + '90')['Accept']}"
    assert read(http.get(url, headers={"Accept": both})).PixelData == stored.PixelData
    rather = f"{accepting(JPEG + '90')['Accept']};q=0.5, {accepting(JPEG + '80')['Accept']}"
    assert read(http.get(url, headers={"Accept": rather})).file_meta.TransferSyntaxUID == JPEG + "80"


@pytest.mark.parametrize("name", ["implicit", "big endian", "bytes as words"])
def test_implicit_and_big_endian_never_come_as_they_are_stored(http, kept, name: str) -> None:
    url, stored = kept(name)
    given = read(http.get(url, headers=accepting("*")))
    assert given.file_meta.TransferSyntaxUID == EXPLICIT
    assert np.array_equal(given.pixel_array, stored.pixel_array)
    assert given.PatientName == stored.PatientName and given.SOPInstanceUID == stored.SOPInstanceUID
    bulk = http.get(f"{url}/bulkdata/7FE00010", headers=OCTETS)
    assert bulk.content.ljust(len(given.PixelData), b"\0") == given.PixelData
    assert bulk.headers["content-type"].removesuffix(f"; transfer-syntax={EXPLICIT}") == "application/octet-stream"


def test_lost_pixels_are_not_inflated_unasked(http, kept) -> None:
    url, stored = kept("lossy")
    given = read(http.get(url, headers={"Accept": "application/dicom"}))
    assert given.file_meta.TransferSyntaxUID == JPEG + "50" and given.PixelData == stored.PixelData
    decoded = read(http.get(url, headers=accepting(EXPLICIT)))
    assert decoded.LossyImageCompression == "01" and decoded.SOPInstanceUID == stored.SOPInstanceUID
    assert np.array_equal(decoded.pixel_array, pydicom.pixels.pixel_array(stored, raw=True))


def test_a_lossy_copy_is_another_instance(http, kept) -> None:
    url, stored = kept("bytes as words")
    given = read(http.get(url, headers=accepting(JPEG + "50")))
    assert given.SOPInstanceUID == given.file_meta.MediaStorageSOPInstanceUID != stored.SOPInstanceUID
    assert given.SourceImageSequence[0].ReferencedSOPInstanceUID == stored.SOPInstanceUID


@pytest.mark.parametrize(
    ("name", "impossible", "possible"),
    [
        ("grey", JPEG + "50", JPEG + "80"),
        ("report", JPEG + "80", "1.2.840.10008.1.2.1.99"),
        ("float", JPEG + "201", EXPLICIT),
        ("bits", JPEG + "90", "1.2.840.10008.1.2.8.1"),
        ("grey", "1.2.3.4", RLE),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(http, kept, name: str, impossible: str, possible: str) -> None:
    url, _ = kept(name)
    answer = http.get(url, headers=accepting(impossible))
    assert answer.status_code == 406
    acceptable = answer.json()["acceptable"]
    assert f"application/dicom; transfer-syntax={possible}" in acceptable
    assert not any(one.endswith(impossible) for one in acceptable)
    assert read(http.get(url, headers={"Accept": acceptable[-1]})).file_meta.TransferSyntaxUID in acceptable[-1]


@pytest.mark.parametrize("name", ["grey", "big endian", "bytes as words", "deflated", "jpeg 2000", "lossy", "frames"])
def test_frames_as_octets(http, kept, name: str) -> None:
    url, stored = kept(name)
    count = int(stored.get("NumberOfFrames") or 1)
    pixels = pydicom.pixels.pixel_array(stored, raw=True)
    expected = pixels if count == 1 else pixels[-1]
    if stored.get("PlanarConfiguration"):
        expected = np.moveaxis(expected, -1, 0)
    answer = http.get(f"{url}/frames/{count}", headers=OCTETS)
    assert answer.headers["content-type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    assert answer.content == expected.astype(expected.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize(
    ("accept", "syntax"),
    [
        ("image/dicom-rle", RLE), ("image/jpeg", JPEG + "70"), ("image/jls", JPEG + "80"), ("image/jp2", JPEG + "90"),
        ("image/jphc", JPEG + "201"), (f"image/x-jls; transfer-syntax={JPEG}80", JPEG + "80"),
        (f"image/jphc; transfer-syntax={JPEG}202", JPEG + "202"),
    ],
)  # fmt: skip
def test_frames_as_images(http, kept, accept: str, syntax: str) -> None:
    url, _ = kept("grey")
    [(headers, frame)] = parts_of(http.get(f"{url}/frames/1", headers={"Accept": _multipart(accept)}))
    assert headers["Content-Type"].endswith(f"transfer-syntax={syntax}")
    assert http.get(f"{url}/frames/1", headers={"Accept": accept}).content == frame
    [whole] = generate_frames(read(http.get(url, headers=accepting(syntax))).PixelData, number_of_frames=1)
    assert whole.startswith(frame) and len(whole) - len(frame) < 2


def _multipart(accept: str) -> str:
    kind, _, parameters = accept.partition(";")
    return f'multipart/related; type="{kind}"' + (f";{parameters}" if parameters else "")


def test_many_frames_and_one_that_is_not_there(http, kept) -> None:
    url, stored = kept("frames")
    answer = http.get(f"{url}/frames/3,1", headers={"Accept": _multipart("application/octet-stream")})
    pixels = pydicom.pixels.pixel_array(stored, raw=True)
    assert [content for _, content in parts_of(answer)] == [pixels[2].tobytes(), pixels[0].tobytes()]
    assert http.get(f"{url}/frames/99", headers=OCTETS).status_code == 404


def test_a_frame_that_is_damaged_is_offered_as_it_is(http, kept, data_folder: Path) -> None:
    damaged = pydicom.dcmread(data_folder / "dicom" / FILES["jpeg 2000"])
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(damaged, keyword, pydicom.uid.generate_uid())
    damaged.file_meta.MediaStorageSOPInstanceUID = damaged.SOPInstanceUID
    [frame] = generate_frames(damaged.PixelData, number_of_frames=1)
    damaged.PixelData = pydicom.encaps.encapsulate([frame[:2000]])
    out = BytesIO()
    damaged.save_as(out)
    url = store(http, out.getvalue()).json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    assert read(http.get(url, headers={"Accept": "application/dicom"})).PixelData == damaged.PixelData
    for answer in (http.get(url, headers=accepting(EXPLICIT)), http.get(f"{url}/frames/1", headers=OCTETS)):
        assert answer.status_code == 406
        assert any(JPEG + "90" in one for one in answer.json()["acceptable"])
        assert not any(EXPLICIT + '"' in one or one.endswith(EXPLICIT) for one in answer.json()["acceptable"])


def test_a_study_in_one_syntax_each_part_saying_it(http, kept) -> None:
    url, _ = kept("frames")
    study = url.partition("/series/")[0]
    answer = http.get(study, headers={"Accept": _multipart(accepting(JPEG + "201")["Accept"])})
    [(headers, content)] = parts_of(answer)
    assert headers["Content-Type"] == f"application/dicom; transfer-syntax={JPEG}201"
    assert pydicom.dcmread(BytesIO(content)).file_meta.TransferSyntaxUID == JPEG + "201"
