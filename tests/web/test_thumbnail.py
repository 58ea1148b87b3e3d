import pytest

from pacsd.codec.render.parameters import Viewport
from pacsd.faults import Fault
from pacsd.web.thumbnail import DEFAULT_SIDE
from tests.web.fakes import FakeRenderable, Web

STUDY = "/studies/1.2"
INSTANCE = STUDY + "/series/1.3/instances/1.4"
PATHS = (STUDY, STUDY + "/series/1.3", INSTANCE)


@pytest.mark.parametrize("path", PATHS)
def test_a_thumbnail_is_one_small_picture(path):
    web = Web()
    answer = web.get(path + "/thumbnail")
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"
    assert web.archive.rendered.found[0].asked[0].viewport == Viewport(DEFAULT_SIDE, DEFAULT_SIDE)


def test_of_one_frame():
    assert Web().get(INSTANCE + "/frames/2/thumbnail").text == "frame 2 as image/jpeg"
    assert Web().get(INSTANCE + "/frames/1,2/thumbnail").status_code == 400
    assert Web().get(INSTANCE + "/frames/9/thumbnail").status_code == 404


def test_the_viewport_has_two_values_and_a_limit():
    web = Web()
    assert web.get(INSTANCE + "/thumbnail?viewport=64,48").status_code == 200
    assert web.archive.rendered.found[0].asked[0].viewport == Viewport(64, 48)
    assert web.get(INSTANCE + "/thumbnail?viewport=64,48,1,1,1,1").status_code == 400
    assert web.get(INSTANCE + "/thumbnail?viewport=2000,2000").status_code == 400


def test_it_may_be_kept_and_asked_for_again():
    web = Web()
    first = web.get(INSTANCE + "/thumbnail")
    assert first.headers["cache-control"] == "private, no-cache"         # whoever uses the browser next is asked for
    again = web.get(INSTANCE + "/thumbnail", headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == first.headers["etag"]
    assert web.get(INSTANCE + "/thumbnail", headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_next_best_stands_in_for_what_cannot_be_drawn():
    web = Web()
    web.archive.rendered.found = [FakeRenderable(1, fault=Fault.UNSUPPORTED), FakeRenderable(2)]
    assert web.get(STUDY + "/thumbnail").text == "2.0 as image/jpeg"
    web.archive.rendered.found = [FakeRenderable(1, fault=Fault.NOT_FOUND)]
    assert web.get(STUDY + "/thumbnail").status_code == 404
