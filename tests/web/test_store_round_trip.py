"""The whole server: what metadata and bulk data say of every real file makes the same object again."""

import copy
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.uid import generate_uid

from tests.web.fakes import parts_of
from tests.web.test_dicomweb_client import bulk_uris, kept_urls

STORED = {"Accept": "application/dicom; transfer-syntax=*"}
FRAMES = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
XML = {"Accept": 'multipart/related; type="application/dicom+xml"'}
MAX_BYTES = 1_500_000            # larger ones take their time and show nothing more
LEFT_OUT = {0x00080005, 0x7FE00001, 0x7FE00002}
BIG_ENDIAN = "1.2.840.10008.1.2.2"
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99")


@pytest.fixture
def http(running_server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running_server.base_url, timeout=60) as client:
        yield client


def encapsulated(dataset: pydicom.Dataset) -> bool:
    native = (*UNCOMPRESSED, BIG_ENDIAN)
    return dataset.file_meta.TransferSyntaxUID not in native


def part(content: bytes, kind: str, location: str | None = None) -> bytes:
    where = f"Content-Location: {location}\r\n" if location else ""
    return f"--xyz\r\nContent-Type: {kind}\r\n{where}\r\n".encode() + content + b"\r\n"


def bulk_parts(http: httpx.Client, url: str, metadata: dict[str, Any], original: pydicom.Dataset) -> list[bytes]:
    """Every bulk value as a part of its own; compressed Pixel Data frame by frame."""
    found = []
    for uri in bulk_uris(metadata):
        if uri.endswith("/bulkdata/7FE00010") and encapsulated(original):
            frames = ",".join(str(n + 1) for n in range(int(original.get("NumberOfFrames") or 1)))
            answer = http.get(f"{url}/frames/{frames}", headers=FRAMES)
            assert answer.status_code == 200
            found += [part(frame, headers["Content-Type"], uri) for headers, frame in parts_of(answer)]
        else:
            found.append(part(http.get(uri).content, "application/octet-stream", uri))
    return found


def same(first: pydicom.Dataset, second: pydicom.Dataset, path: Path) -> None:
    for one, other in ((first, second), (second, first)):
        missing = {e.tag for e in one if e.tag.element} - {e.tag for e in other} - LEFT_OUT
        assert not missing, (path, missing)
    if "PixelData" in first and encapsulated(first):
        count = int(first.get("NumberOfFrames") or 1)
        frames = (pydicom.encaps.generate_frames(one.PixelData, number_of_frames=count) for one in (first, second))
        assert all(a.rstrip(b"\0") == b.rstrip(b"\0") for a, b in zip(*frames, strict=True)), path
    elif "PixelData" in first and first.file_meta.TransferSyntaxUID != BIG_ENDIAN:
        assert first.PixelData + bytes(len(first.PixelData) % 2) == second.PixelData, path


def stored_again(http: httpx.Client, kind: str, document: bytes, bulk: list[bytes]) -> pydicom.Dataset:
    content_type = f'multipart/related; type="{kind}"; boundary=xyz'
    content = part(document, kind) + b"".join(bulk) + b"--xyz--"
    answer = http.post("/studies", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == 200, (answer.text, answer.headers.get("warning"))
    url = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    return pydicom.dcmread(io.BytesIO(http.get(url, headers=STORED).content), force=True)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["transfer_syntax", "modality", "charset"])
def test_metadata_and_bulk_data_of_real_files_make_the_same_object_again(http, data_folder, folder):
    again = 0
    for path, url in kept_urls(http, data_folder / "dicom" / folder).items():
        if path.stat().st_size > MAX_BYTES:
            continue
        original = pydicom.dcmread(io.BytesIO(http.get(url, headers=STORED).content), force=True)
        if original.file_meta.TransferSyntaxUID.name.startswith(("MPEG", "HEVC")):
            continue
        [metadata] = json.loads(http.get(f"{url}/metadata").content)
        bulk = bulk_parts(http, url, metadata, original)
        changed = copy.deepcopy(metadata)
        changed["00080018"]["Value"] = [generate_uid()]
        same(original, stored_again(http, "application/dicom+json", json.dumps([changed]).encode(), bulk), path)
        [(_, document)] = parts_of(http.get(f"{url}/metadata", headers=XML))
        document = document.replace(f">{original.SOPInstanceUID}<".encode(), f">{generate_uid()}<".encode())
        again += 1
        same(original, stored_again(http, "application/dicom+xml", document, bulk), path)
    assert again > 3
