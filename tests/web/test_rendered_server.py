"""Pictures of real objects from the whole server."""

import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image

from tests.codec.render.images import Loaded
from tests.codec.render.states import presentation_state, window
from tests.web.fakes import parts_of

CT = "dicom/series_ct_phantom_28_slices"
US = "dicom/study_us_multiframe_with_ko/images/000000.dcm"


@pytest.fixture(scope="module")
def http(running_server):
    with httpx.Client(base_url=running_server.base_url, timeout=60) as client:
        yield client


def store(http: httpx.Client, content: bytes) -> str:
    """The Retrieve URL of an object, stored now or before."""
    answer = http.post("/studies", content=content, headers={"Content-Type": "application/dicom"})
    dataset = pydicom.dcmread(BytesIO(content), stop_before_pixels=True)
    assert answer.status_code in (200, 409), answer.text
    return (
        f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
    )


def seen(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    image = Image.open(BytesIO(answer.content))
    image.load()
    return image


def test_a_frame_is_the_picture_the_pipeline_makes(http, data_folder):
    content = (data_folder / CT / "I100.dcm").read_bytes()
    url = store(http, content)
    for path in ("/rendered", "/frames/1/rendered"):
        picture = seen(http.get(url + path, headers={"Accept": "image/png"}))
        assert (np.asarray(picture) == Loaded(content).picture()).all()


def test_viewport_window_and_flip(http, data_folder):
    url = store(http, (data_folder / CT / "I100.dcm").read_bytes())
    accept = {"Accept": "image/png"}
    whole = np.asarray(seen(http.get(url + "/rendered?window=0,2000,linear", headers=accept)))
    query = "?window=0,2000,linear&viewport=60,50,100,200,-60,50"
    part = np.asarray(seen(http.get(url + "/rendered" + query, headers=accept)))
    assert (part == whole[200:250, 100:160][:, ::-1]).all()
    assert seen(http.get(url + "/rendered?viewport=100,300", headers=accept)).size == (100, 100)
    assert http.get(url + "/rendered?viewport=100,300,600,0").status_code == 400


def test_every_format(http, data_folder):
    url = store(http, (data_folder / CT / "I100.dcm").read_bytes())
    formats = {"image/jpeg": "JPEG", "image/png": "PNG", "image/jp2": "JPEG2000", "image/gif": "GIF"}
    for media_type, name in formats.items():
        answer = http.get(url + "/rendered", headers={"Accept": media_type})
        assert answer.headers["content-type"] == media_type and seen(answer).format == name


def test_a_multi_frame_image_is_an_animation_or_one_frame(http, data_folder):
    content = (data_folder / US).read_bytes()
    url, count = store(http, content), Loaded(content).header.description.number_of_frames
    animation = seen(http.get(url + "/rendered", headers={"Accept": "image/gif"}))
    assert animation.n_frames == count > 1
    assert getattr(seen(http.get(url + "/rendered")), "n_frames", 1) == 1
    assert len(parts_of(http.get(f"{url}/frames/1,{count}/rendered"))) == 2
    assert http.get(f"{url}/frames/{count + 1}/rendered").status_code == 404


def test_a_series_and_its_thumbnail(http, data_folder):
    urls = [store(http, (data_folder / CT / f"I{number}.dcm").read_bytes()) for number in (10, 20, 30, 40)]
    series = urls[0][: urls[0].index("/instances")]
    parts = parts_of(http.get(series + "/rendered?viewport=32,32"))
    assert {tuple(Image.open(BytesIO(content)).size) for _, content in parts} == {(32, 32)} and len(parts) >= len(urls)
    for level in (series, series[: series.index("/series")], urls[0], urls[0] + "/frames/1"):
        assert max(seen(http.get(level + "/thumbnail")).size) == 128


def test_a_presentation_state_is_its_images(http, data_folder):
    content = (data_folder / CT / "I110.dcm").read_bytes()
    store(http, content)
    state = presentation_state(
        pydicom.dcmread(BytesIO(content), stop_before_pixels=True), ImageRotation=90, ImageHorizontalFlip="N",
        RescaleSlope="1", RescaleIntercept="-1024", RescaleType="HU", SoftcopyVOILUTSequence=[window(40, 400)],
    )  # fmt: skip
    out = BytesIO()
    state.save_as(out, enforce_file_format=True)
    url = store(http, out.getvalue())
    picture = seen(http.get(url + "/rendered", headers={"Accept": "image/png"}))
    plain = seen(http.get(store(http, content) + "/rendered?window=40,400,linear", headers={"Accept": "image/png"}))
    assert (np.asarray(picture) == np.rot90(np.asarray(plain), -1)).all()
    assert http.get(url + "/rendered?window=40,400,linear").status_code == 400
    assert http.get(url + "/frames/1/rendered").status_code in (404, 406)


def test_a_presentation_state_without_its_images(http, data_folder):
    lonely = data_folder / "dicom" / "modality" / "pr" / "prLUTs.dcm"
    elsewhere = lonely.read_bytes().replace(b"1.2.276.0.7230010.3.200.6.3.1\0", b"1.2.276.0.7230010.3.200.6.3.7\0")
    elsewhere = elsewhere.replace(b"1.2.276.0.7230010.3.200.6.0.3", b"1.2.276.0.7230010.3.200.6.0.9")     # of its own
    url = store(http, elsewhere)
    assert http.get(url + "/rendered").status_code == 404


def test_what_has_no_pixels(http, data_folder):
    url = store(http, (data_folder / "dicom/modality/rt/rtplan.dcm").read_bytes())
    assert http.get(url + "/rendered").status_code == 406
    assert http.get(url + "/frames/1/rendered").status_code in (404, 406)
    assert http.get(url + "/thumbnail").status_code == 404


@pytest.mark.slow
def test_every_real_file_renders_or_says_why_not(http, data_folder):
    for path in sorted((data_folder / "dicom").rglob("*")):
        more_of_the_same = "series" in str(path) and path.stem[:2] in ("sl", "I1", "I2", "00")
        if not path.is_file() or path.suffix == ".xml" or path.name == "DICOMDIR" or more_of_the_same:
            continue
        stored = http.post("/studies", content=path.read_bytes(), headers={"Content-Type": "application/dicom"})
        if stored.status_code != 200:
            continue
        url = stored.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
        answer = http.get(url + "/rendered", headers={"Accept": "image/png"})
        assert answer.status_code in (200, 400, 404, 406, 501), path
        thumbnail = http.get(url + "/thumbnail")
        assert (thumbnail.status_code == 200) == (answer.status_code == 200), path


@pytest.mark.timeout(120)
def test_the_largest_pictures_at_once_are_made_one_after_the_other(http, running_server, data_folder):
    url = store(http, (data_folder / CT / "I100.dcm").read_bytes())
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: http.get(url + "/rendered?viewport=4000,4000"), range(4)))
    assert {answer.status_code for answer in answers} == {200}
    start = time.monotonic()
    assert http.get(url + "/rendered?viewport=1000000,1000000").status_code == 400
    assert time.monotonic() - start < 10                         # nobody begins to draw it
