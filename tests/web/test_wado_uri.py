"""The URI service of the whole server (PS3.18 chapter 9)."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import HTJ2KLossless

from tests.synthetic import small_object, study
from tests.web.documents import part10, report
from tests.web.test_dicomweb_client import dataset_bytes
from tests.web.test_rendered_documents import DICOM, url_of


@pytest.fixture
def http(running_server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running_server.base_url.removesuffix("/dicom-web"), timeout=60) as client:
        yield client


def keep(http: httpx.Client, file: bytes) -> Dataset:
    answer = http.post("/dicom-web/studies", content=file, headers=DICOM)
    assert answer.status_code in (200, 409), answer.text
    return dcmread(BytesIO(file))


def ask(http: httpx.Client, found: Dataset, *, path: str = "/wado", accept: str = "*/*", **more: Any) -> httpx.Response:
    parameters = {"requestType": "WADO", "studyUID": found.StudyInstanceUID, "seriesUID": found.SeriesInstanceUID,
                  "objectUID": found.SOPInstanceUID, **more}  # fmt: skip
    return http.get(path, params=parameters, headers={"Accept": accept})


def size_of(answer: httpx.Response) -> tuple[int, int]:
    with Image.open(BytesIO(answer.content)) as picture:
        return picture.size


@pytest.fixture
def ct(http) -> Dataset:
    return keep(http, small_object(study(9300)))


@pytest.fixture
def multiframe(http, data_folder) -> Dataset:
    [path] = (data_folder / "dicom/study_us_multiframe_with_ko/images").glob("*.dcm")
    return keep(http, path.read_bytes())


@pytest.mark.parametrize("path", ["/wado", "/dicom-web/wado"])
def test_without_a_content_type_an_image_is_a_jpeg(http, ct, path):
    answer = ask(http, ct, path=path)
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"
    assert size_of(answer) == (16, 16)
    assert answer.headers["content-location"].endswith(f"/dicom-web{url_of(ct)}/rendered")


def test_the_stored_bytes(http):
    file = small_object(study(9301))
    found = keep(http, file)
    for more in ({"contentType": "application/dicom"}, {"accept": "application/dicom"}):
        answer = ask(http, found, **more)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/dicom")
        assert dataset_bytes(answer.content) == dataset_bytes(file)
    stored = ask(http, found, contentType="application/dicom", transferSyntax=found.file_meta.TransferSyntaxUID)
    assert dataset_bytes(stored.content) == dataset_bytes(file)


def test_another_transfer_syntax(http, ct):
    answer = ask(http, ct, contentType="application/dicom", transferSyntax=HTJ2KLossless)
    assert answer.status_code == 200 and HTJ2KLossless in answer.headers["content-type"]
    assert dcmread(BytesIO(answer.content)).file_meta.TransferSyntaxUID == HTJ2KLossless


def test_a_transfer_syntax_that_cannot_be_made_is_not_acceptable(http, ct):
    answer = ask(http, ct, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.4.107")
    assert answer.status_code == 406 and answer.json()["acceptable"]


def test_dicom_and_rendered_types_together_are_a_bad_request(http, ct):
    assert ask(http, ct, contentType="application/dicom,image/jpeg").status_code == 400
    assert ask(http, ct, accept="application/dicom, image/jpeg").status_code == 400


def test_a_window_for_dicom_is_a_bad_request(http, ct):
    assert ask(http, ct, contentType="application/dicom", windowCenter=1, windowWidth=2).status_code == 400


def test_the_content_type_decides_before_the_header(http, ct):
    assert ask(http, ct, contentType="image/png", accept="image/jpeg").headers["content-type"] == "image/png"
    assert ask(http, ct, contentType="image/jp2;q=0.1,image/png").headers["content-type"] == "image/png"


def test_what_an_instance_cannot_be_is_not_acceptable(http, ct):
    answer = ask(http, ct, contentType="text/html")
    assert answer.status_code == 406
    assert {"image/jpeg", "application/dicom"} <= set(answer.json()["acceptable"])


def test_a_report_is_a_page_whose_links_are_absolute(http):
    found = keep(http, part10(report("clear lungs")))
    answer = ask(http, found)
    assert answer.headers["content-type"] == "text/html; charset=utf-8" and "clear lungs" in answer.text
    assert "sandbox" in answer.headers["content-security-policy"]
    assert ask(http, found, contentType="text/plain", charset="UTF-8").text.count("clear lungs") == 1
    assert ask(http, found, contentType="application/pdf").content.startswith(b"%PDF")
    assert ask(http, found, contentType="application/dicom").status_code == 200


@pytest.mark.parametrize(
    ("more", "size"),
    [
        ({"rows": 8, "columns": 100}, (8, 8)),
        ({"rows": 32}, (32, 32)),
        ({"columns": 8}, (8, 8)),
        ({"region": "0,0,0.5,0.25"}, (8, 4)),
        ({"region": "0,0,0.5,0.25", "columns": 32, "rows": 32}, (32, 16)),
    ],
)
def test_viewport_and_region(http, ct, more, size):
    assert size_of(ask(http, ct, contentType="image/png", **more)) == size


def test_the_region_is_the_part_of_the_image(http, ct):
    whole = Image.open(BytesIO(ask(http, ct, contentType="image/png").content))
    part = Image.open(BytesIO(ask(http, ct, contentType="image/png", region="0.5,0.25,1,0.75").content))
    assert part.tobytes() == whole.crop((8, 4, 16, 12)).tobytes()


def test_the_window_is_that_of_the_restful_service(http, ct):
    asked = ask(http, ct, contentType="image/png", windowCenter="1000", windowWidth="500").content
    restful = f"/dicom-web{url_of(ct)}/rendered?window=1000,500,linear"
    assert asked == http.get(restful, headers={"Accept": "image/png"}).content
    assert asked != ask(http, ct, contentType="image/png").content


def test_a_frame_of_several(http, multiframe):
    asked = ask(http, multiframe, contentType="image/png", frameNumber=2)
    restful = http.get(f"/dicom-web{url_of(multiframe)}/frames/2/rendered", headers={"Accept": "image/png"})
    assert asked.status_code == 200 and asked.content == restful.content
    assert asked.headers["content-location"].endswith("/frames/2/rendered")


def test_frames_that_cannot_be_chosen_are_a_bad_request(http, ct, multiframe):
    assert ask(http, multiframe, frameNumber=int(multiframe.NumberOfFrames) + 1).status_code == 400
    assert ask(http, ct, frameNumber=1).status_code == 400           # the clause: no multi-frame image
    assert ask(http, keep(http, part10(report("no frames"))), frameNumber=1).status_code == 400


def test_a_presentation_state_that_is_none_is_a_bad_request(http, ct):
    missing = ask(http, ct, presentationSeriesUID="1.2.3", presentationUID="1.2.4")
    assert missing.status_code == 400 and "no such presentation state" in missing.json()["detail"]
    itself = ask(http, ct, presentationSeriesUID=ct.SeriesInstanceUID, presentationUID=ct.SOPInstanceUID)
    assert itself.status_code == 400


def test_an_image_as_a_presentation_state_shows_it(http):
    image = keep(http, small_object(study(9302)))
    state = keep(http, part10(softcopy_state(image)))
    plain = Image.open(BytesIO(ask(http, image, contentType="image/png").content))
    shown = ask(http, image, contentType="image/png", presentationSeriesUID=state.SeriesInstanceUID,
                presentationUID=state.SOPInstanceUID)  # fmt: skip
    assert shown.status_code == 200, shown.text
    turned = Image.open(BytesIO(shown.content))
    assert turned.size == plain.size and turned.tobytes() != plain.tobytes()
    other = keep(http, small_object(study(9302), instance=2))
    wrong = ask(http, other, presentationSeriesUID=state.SeriesInstanceUID, presentationUID=state.SOPInstanceUID)
    assert wrong.status_code == 400 and "does not refer" in wrong.json()["detail"]
    target = ask(http, state, contentType="image/png")
    assert Image.open(BytesIO(target.content)).tobytes() == turned.tobytes()
    assert ask(http, state, region="0,0,0.5,0.5").status_code == 400


def softcopy_state(image: Dataset) -> Dataset:
    """A quarter turn to the right and a narrow window (PS3.3 A.33.1)."""
    from tests.web.documents import instance

    reference, series, area, voi = Dataset(), Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedImageSequence = image.SeriesInstanceUID, [reference]
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [1, 1], [image.Columns, image.Rows]
    area.PresentationSizeMode, area.PresentationPixelAspectRatio = "SCALE TO FIT", ["1", "1"]
    voi.WindowCenter, voi.WindowWidth = "1000", "200"
    return instance(
        "1.2.840.10008.5.1.4.1.1.11.1", StudyInstanceUID=image.StudyInstanceUID, Modality="PR",
        PatientID=image.PatientID, PatientName=image.PatientName, ReferencedSeriesSequence=[series],
        DisplayedAreaSelectionSequence=[area], SoftcopyVOILUTSequence=[voi], ImageRotation=90,
        ImageHorizontalFlip="N", PresentationLUTShape="IDENTITY", ContentLabel="TURNED",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"objectUID": "1.2.3.4.5"}, 404),
        ({"studyUID": "1.2.3.4.5"}, 404),
        ({"seriesUID": "1.2.3.4.5", "contentType": "application/dicom"}, 404),
        ({"objectUID": "../../etc"}, 400),
        ({"requestType": "wado"}, 400),
        ({"anonymize": "yes"}, 501),
    ],
)
def test_errors(http, ct, more, status):
    answer = ask(http, ct, **more)
    assert answer.status_code == status and answer.headers["content-type"] == "application/problem+json"


def test_head_has_no_body(http, ct):
    answer = http.head("/wado", params={"requestType": "WADO", "studyUID": ct.StudyInstanceUID,
                                        "seriesUID": ct.SeriesInstanceUID, "objectUID": ct.SOPInstanceUID})  # fmt: skip
    assert answer.status_code == 200 and answer.content == b""


def test_post_is_not_allowed(http):
    assert http.post("/wado").status_code == 405
