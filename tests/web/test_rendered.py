import pytest

from pacsd.codec.render.parameters import Viewport
from pacsd.codec.render.voi_lut import Window
from pacsd.faults import Fault
from tests.web.fakes import FakeRenderable, Web, parts_of

STUDY = "/studies/1.2"
SERIES = STUDY + "/series/1.3"
INSTANCE = SERIES + "/instances/1.4"


def web_of(*found: FakeRenderable) -> Web:
    web = Web()
    web.archive.rendered.found = list(found)
    return web


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        (None, "image/jpeg"), ("*/*", "image/jpeg"), ("image/*", "image/jpeg"), ("image/png", "image/png"),
        ("text/html;q=1, image/png;q=0.5", "image/png"), ("image/jpeg;q=0.1, image/png", "image/png"),
        ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "image/png"),
    ],
)  # fmt: skip
def test_one_instance_is_one_picture(accept, given):
    answer = Web().get(INSTANCE + "/rendered", headers={"Accept": accept} if accept else {})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == given and answer.text == f"1.0 as {given}"


def test_or_one_part_where_that_is_asked_for():
    answer = Web().get(INSTANCE + "/rendered", headers={"Accept": 'multipart/related; type="image/png"'})
    [(headers, content)] = parts_of(answer)
    assert headers["Content-Type"] == "image/png" and content == b"1.0 as image/png"
    assert headers["Content-Location"] == "http://pacs.test/dicom-web/studies/1.2/series/1.3/instances/1.4.1/rendered"


@pytest.mark.parametrize("accept", ["video/mp4", "application/dicom", 'multipart/related; type="video/mp4"'])
@pytest.mark.parametrize("path", ["/rendered", "/frames/1/rendered", "/thumbnail"])
def test_what_cannot_be_given_is_refused_with_what_can(path, accept):
    answer = Web().get(INSTANCE + path, headers={"Accept": accept})
    assert answer.status_code == 406 and "image/jpeg" in answer.json()["acceptable"]


def test_an_instance_without_any_rendering():
    assert web_of(FakeRenderable(1, media_types=())).get(INSTANCE + "/rendered").status_code == 406


def test_what_stands_for_several_pictures_is_given_in_parts():
    web = web_of(FakeRenderable(1, parts=3))
    assert [content for _, content in parts_of(web.get(INSTANCE + "/rendered"))] == [
        f"1.{part} as image/jpeg".encode() for part in range(3)
    ]
    assert web.get(INSTANCE + "/rendered", headers={"Accept": "image/jpeg"}).status_code == 406


@pytest.mark.parametrize("path", [STUDY, SERIES])
def test_a_study_and_a_series_are_parts(path):
    web = web_of(FakeRenderable(1), FakeRenderable(2, media_types=("text/html",)))
    answer = web.get(path + "/rendered")
    assert answer.status_code == 200
    assert [(headers["Content-Type"], content) for headers, content in parts_of(answer)] == [
        ("image/jpeg", b"1.0 as image/jpeg"), ("text/html", b"2.0 as text/html"),
    ]  # fmt: skip


def test_instances_that_cannot_be_given_so_are_left_out_and_the_answer_is_partial():
    web = web_of(FakeRenderable(1), FakeRenderable(2, media_types=("text/html",)), FakeRenderable(3, media_types=()))
    answer = web.get(SERIES + "/rendered", headers={"Accept": 'multipart/related; type="image/png"'})
    assert answer.status_code == 206
    assert [content for _, content in parts_of(answer)] == [b"1.0 as image/png"]


@pytest.mark.parametrize("fault", [Fault.UNSUPPORTED, Fault.MALFORMED])
def test_a_broken_instance_of_a_series_does_not_spoil_the_others(fault):
    web = web_of(FakeRenderable(1, fault=fault), FakeRenderable(2))
    assert [content for _, content in parts_of(web.get(SERIES + "/rendered"))] == [b"2.0 as image/jpeg"]
    assert web_of(FakeRenderable(1, fault=Fault.MALFORMED)).get(SERIES + "/rendered").status_code == 400


def test_frames_in_the_order_asked_for():
    answer = Web().get(INSTANCE + "/frames/3,1/rendered")
    parts = parts_of(answer)
    assert [content for _, content in parts] == [b"frame 3 as image/jpeg", b"frame 1 as image/jpeg"]
    assert parts[0][0]["Content-Location"].endswith("/instances/1.4.1/frames/3/rendered")


def test_one_frame_is_one_picture_and_one_that_is_not_there_is_not_found():
    assert Web().get(INSTANCE + "/frames/2/rendered").text == "frame 2 as image/jpeg"
    assert Web().get(INSTANCE + "/frames/4/rendered").status_code == 404
    assert Web().get(INSTANCE + "/frames/0/rendered").status_code == 400


def test_the_parameters_reach_the_renderer():
    web = Web()
    query = "?viewport=64,32&window=40,400,linear&quality=50&annotation=patient&iccprofile=no&other=1"
    assert web.get(INSTANCE + "/rendered" + query).status_code == 200
    [asked] = web.archive.rendered.found[0].asked
    assert asked.viewport == Viewport(64, 32) and asked.window == Window(40, 400)
    assert (asked.quality, asked.annotation, asked.iccprofile) == (50, ("patient",), "no")


@pytest.mark.parametrize("path", ["/rendered", "/frames/1/rendered", "/thumbnail", "/frames/1/thumbnail"])
@pytest.mark.parametrize(
    "query",
    ["viewport=40000,40000", "viewport=1", "window=1,2", "window=1,0,linear", "quality=0", "annotation=all",
     "iccprofile=maybe", "quality=5&quality=6"],
)  # fmt: skip
def test_illegal_parameters_are_refused(path, query):
    assert Web().get(f"{INSTANCE}{path}?{query}").status_code == 400


def test_a_warning_says_what_is_missing():
    answer = web_of(FakeRenderable(1, warning="no font")).get(INSTANCE + "/rendered")
    assert answer.headers["warning"] == '299 - "no font"'
