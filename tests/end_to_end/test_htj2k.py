"""A server that keeps HTJ2K copies, as a viewer that loads progressively sees it."""

import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import imagecodecs
import numpy as np
import pydicom
import pytest

from tests.server import Server
from tests.synthetic import ct_slice, dataset_bytes, study

WORLD = study(61)
HTJ2K = "1.2.840.10008.1.2.4.202"
SERIES = f"/studies/{WORLD.study_instance_uid}/series/{WORLD.series_instance_uid(1)}"
PATH = f"{SERIES}/instances/{WORLD.sop_instance_uid(1, 1)}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("htj2k")
    folder.chmod(0o755)
    with Server(folder / "data", config="[storage]\nquiet_s = 0.2\n\n[[htj2k]]\n") as server:
        yield server


def coded(server: Server) -> list[Path]:
    """Sidecars of alternates."""
    return list((server.data / "blobs" / "alternates").rglob("*.sidecar.gz"))


def test_a_frame_is_loaded_progressively_by_ranges_and_the_original_comes_back(server: Server) -> None:
    file = ct_slice(WORLD, rows=256, columns=256)
    with httpx.Client(base_url=server.base_url, timeout=30) as web:
        web.post("/studies", content=file, headers={"Content-Type": "application/dicom"}).raise_for_status()
        deadline = time.monotonic() + 60
        while not coded(server):
            assert time.monotonic() < deadline, "nothing was coded"
            time.sleep(0.1)
        accept = {"Accept": f"image/jphc; transfer-syntax={HTJ2K}"}
        whole = web.get(f"{PATH}/frames/1", headers=accept)
        tag = whole.headers["etag"]
        assert whole.headers["accept-ranges"] == "bytes" and not tag.startswith("W/")
        assert np.array_equal(
            imagecodecs.jpeg2k_decode(whole.content).view(np.uint16),
            pydicom.dcmread(BytesIO(file)).pixel_array.view(np.uint16),
        )
        half = whole.content.index(b"\xff\x90\x00\x0a\x00\x00", len(whole.content) // 8)     # a tile-part begins here
        first = web.get(f"{PATH}/frames/1", headers={**accept, "Range": f"bytes=0-{half - 1}"})
        assert first.status_code == 206 and first.content == whole.content[:half]
        small = imagecodecs.htj2k_decode(first.content + b"\xff\xd9", skipres=1, resilient=True)
        assert small.shape == (128, 128)
        assert np.array_equal(small, imagecodecs.htj2k_decode(whole.content, skipres=1))
        rest = web.get(f"{PATH}/frames/1", headers={**accept, "Range": f"bytes={half}-", "If-Range": tag})
        assert rest.status_code == 206 and first.content + rest.content == whole.content
        assert web.get(f"{PATH}/frames/1", headers={**accept, "If-None-Match": tag}).status_code == 304
        other = web.get(f"{PATH}/frames/1", headers={"Accept": "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.201"})
        assert other.content == whole.content
        octets = {"Accept": 'application/dicom; transfer-syntax=*'}
        assert dataset_bytes(web.get(PATH, headers=octets).content) == dataset_bytes(file)
        kind = {"Accept": f'multipart/related; type="application/dicom"; transfer-syntax={HTJ2K}'}
        answer = web.get(SERIES, headers=kind)
        assert answer.status_code == 200 and whole.content in answer.content
