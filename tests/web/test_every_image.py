"""Every real image through the whole server: each frame rendered, each legal transcoding decoded by somebody else, each
illegal one refused with the list of what is possible. What is legal is said here by PS3.5 8.2, not by our tables."""

from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image as Pictures

from pacsd.codec.frames import BytesReader
from pacsd.codec.part10 import build_meta, read_meta
from pacsd.codec.splice import spliced
from tests.codec.images import EXPLICIT, JPEG, LOSSLESS, LOSSY, Image, kind, real_images
from tests.codec.second_decoder import RLE, UNCOMPRESSED, by_another, number
from tests.web.fakes import parts_of
from tests.web.test_dicomweb_client import store
from tests.web.test_transcoding import accepting

DEFLATED = "1.2.840.10008.1.2.1.99"
LARGE_CELLS = {EXPLICIT, DEFLATED, "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"}
TARGETS = (EXPLICIT, DEFLATED, *LOSSLESS, *LOSSY)


@pytest.fixture(scope="module")
def http(running_server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running_server.base_url, timeout=60) as client:
        yield client


def legal(image: pydicom.Dataset) -> set[str]:
    """The syntaxes that an image can be given in without loss, and JPEG with a DCT where its process fits."""
    if "PixelData" not in image:
        return {EXPLICIT, DEFLATED}      # Float and Double Float Pixel Data are native (PS3.5 8.1.2)
    if image.BitsAllocated == 1:
        return LARGE_CELLS
    if image.BitsAllocated == 32:
        return LARGE_CELLS | {RLE}
    found = {EXPLICIT, DEFLATED, *LOSSLESS}
    unsigned, palette = not image.PixelRepresentation, image.PhotometricInterpretation == "PALETTE COLOR"
    if image.BitsAllocated == 8 and unsigned and not palette:
        found.add(JPEG + "50")
    if image.BitsAllocated == 16 and image.BitsStored <= 12 and unsigned and image.SamplesPerPixel == 1 and not palette:
        found.add(JPEG + "51")
    return found


def kept(http: httpx.Client, image: Image) -> str:
    """The Retrieve URL of an image stored in a study of its own."""
    uids = [str(pydicom.uid.generate_uid()) for _ in range(3)]
    tags = "00080018", "0020000D", "0020000E"
    overlay = {tag: {"vr": "UI", "Value": [uid]} for tag, uid in zip(tags, uids, strict=True)}
    where = {"offset_bytes": 0, "length_bytes": len(image.data), "transfer_syntax_uid": image.syntax}
    renamed = b"".join(spliced(BytesReader(image.data), overlay=overlay, **where))
    sop_class = image.read().SOPClassUID
    meta = build_meta(sop_class_uid=sop_class, sop_instance_uid=uids[0], transfer_syntax_uid=image.syntax)
    answer = store(http, meta.data + renamed)
    assert answer.status_code == 200, (image.path, answer.text)
    url: str = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    return url


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_image_in_every_form(http: httpx.Client, data_folder: Path, tmp_path: Path) -> None:
    seen: Counter[object] = Counter()
    verified: Counter[str] = Counter()
    refused = 0
    for image in real_images(data_folder / "dicom"):
        stored = image.read()
        if "PixelData" not in stored and "FloatPixelData" not in stored:
            continue
        url = kept(http, image)
        every_frame_is_rendered(http, url, stored, image.path)
        possible = legal(stored) | {image.syntax} - {"1.2.840.10008.1.2", "1.2.840.10008.1.2.2"}
        plain = by_another(image, tmp_path)          # what is stored, not decoded by us
        what = kind(image)
        turn, seen[what] = seen[what], seen[what] + 1
        for place, target in enumerate(TARGETS):
            if turn and (turn + place) % 5:              # each further one of a kind in some of the forms, in turn
                continue
            answer = http.get(url, headers=accepting(target))
            if target not in possible:
                is_refused_with_what_is_possible(answer, possible, image.path)
                refused += 1
            else:
                assert answer.status_code == 200, (image.path, target, answer.text)
                verified[target] += is_the_same(answer.content, target, plain, tmp_path, image)
    assert sum(verified.values()) > 400 and set(verified) == set(TARGETS), verified
    assert refused > 100


def every_frame_is_rendered(http: httpx.Client, url: str, stored: pydicom.Dataset, path: Path) -> None:
    numbers = ",".join(map(str, range(1, number(stored) + 1)))
    answer = http.get(f"{url}/frames/{numbers}/rendered", headers={"Accept": 'multipart/related; type="image/jpeg"'})
    assert answer.status_code == 200, (path, answer.text)
    parts = parts_of(answer)
    assert len(parts) == number(stored), path
    for _, content in parts:
        width, height = Pictures.open(BytesIO(content)).size
        assert width >= stored.Columns and height >= stored.Rows, path


def is_refused_with_what_is_possible(answer: httpx.Response, possible: set[str], path: Path) -> None:
    assert answer.status_code == 406, (path, answer.status_code)
    acceptable = {one.partition("transfer-syntax=")[2].strip('"') for one in answer.json()["acceptable"]}
    assert possible <= acceptable and not acceptable & set(TARGETS) - possible, (path, acceptable ^ possible)


def is_the_same(content: bytes, target: str, plain: np.ndarray | None, folder: Path, stored: Image) -> bool:
    """Whether the pixels of an answer were compared with those that are stored, both decoded by others."""
    meta = read_meta(content)
    assert meta.transfer_syntax_uid == target, stored.path
    theirs = by_another(Image(target, content[meta.dataset_offset :], stored.path), folder)
    if theirs is None or plain is None:
        return False
    if {stored.syntax, target} & set(LOSSY):             # rounded elsewhere, chrominance interpolated otherwise
        if stored.syntax in UNCOMPRESSED and stored.read().PhotometricInterpretation.startswith("YBR"):
            plain = pydicom.pixels.convert_color_space(plain, "YBR_FULL", "RGB")
        assert np.abs(theirs.astype(int) - plain).mean() < 2 ** stored.read().BitsStored / 64, (stored.path, target)
    else:
        assert np.array_equal(theirs, plain), (stored.path, target)
    return True


