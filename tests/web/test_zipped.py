import io
import zipfile

import pytest

from pacsd.web import zipped
from tests.web.fakes import EXPLICIT, JPEG_LS, FakePart10, FakeRef, Web

ZIP = {"Accept": "application/zip"}
ZIP_OF_JPEG_LS = {"Accept": f"application/zip; transfer-syntax={JPEG_LS}"}


@pytest.fixture
def web():
    web = Web()
    web.archive.refs = [
        FakeRef("1.2", "1.3", "1.4", EXPLICIT, b"first" * 100),
        FakeRef("1.2", "1.6", "1.7", EXPLICIT, b"third"),
        FakeRef("1.2", "1.3", "1.5", JPEG_LS, b"second" * 100),
    ]
    return web


def members(answer):
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None and {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_STORED}
    assert not any(one.flag_bits & 0x08 for one in archive.infolist())       # no sizes behind the members
    return {one: archive.read(one) for one in archive.namelist()}


def test_a_study_and_a_series_as_a_zip(web):
    answer = web.get("/studies/1.2", headers=ZIP)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="1.2.zip"'
    assert members(answer) == {
        "DICOM/S0000001/I0000001": b"first" * 100,
        "DICOM/S0000002/I0000001": b"third",
        "DICOM/S0000001/I0000002": b"second" * 100,
    }
    assert len(members(web.get("/studies/1.2/series/1.3?accept=application/zip"))) == 2
    assert web.get("/studies/9.9", headers=ZIP).status_code == 404


@pytest.mark.parametrize("size", [None, 9])
def test_a_member_too_large_to_be_held_is_read_twice(web, monkeypatch, size):
    monkeypatch.setattr(zipped, "_HELD_BYTES", 8)
    opened = []

    def part10(ref, transfer_syntax_uid=None):
        opened.append(ref)
        return FakePart10(size, iter((b"abcd", b"efghi")))

    web.archive.part10 = part10
    assert set(members(web.get("/studies/1.2", headers=ZIP)).values()) == {b"abcdefghi"}
    assert len(opened) == 6


def test_the_same_content_is_the_same_zip(web):
    first, again = (web.get("/studies/1.2", headers=ZIP) for _ in range(2))
    assert first.content == again.content and first.headers["etag"] == again.headers["etag"]
    assert web.get("/studies/1.2", headers={**ZIP, "If-None-Match": first.headers["etag"]}).status_code == 304


def test_all_in_the_transfer_syntax_that_is_named(web):
    answer = web.get("/studies/1.2", headers=ZIP_OF_JPEG_LS)
    made = JPEG_LS.encode() + b" of "
    assert answer.status_code == 200
    assert list(members(answer).values()) == [made + b"first" * 100, made + b"third", b"second" * 100]


def test_what_is_not_for_the_web_is_explicit_little_endian_in_a_zip_too(web):
    web.archive.refs.append(FakeRef("1.2", "1.3", "1.8", "1.2.840.10008.1.2", b"implicit"))
    contents = list(members(web.get("/studies/1.2", headers=ZIP)).values())
    assert contents == [b"first" * 100, b"third", b"second" * 100, EXPLICIT.encode() + b" of implicit"]


def test_tags_tell_transfer_syntaxes_apart(web):
    tags = [web.get("/studies/1.2", headers=accept).headers["etag"] for accept in (ZIP, ZIP_OF_JPEG_LS)]
    assert tags[0] != tags[1] and tags[1].startswith("W/")
    assert web.get("/studies/1.2", headers={**ZIP_OF_JPEG_LS, "If-None-Match": tags[1]}).status_code == 304


def test_some_in_the_transfer_syntax_that_is_named(web):
    web.archive.impossible = [JPEG_LS]
    answer = web.get("/studies/1.2", headers=ZIP_OF_JPEG_LS)
    assert answer.status_code == 206 and list(members(answer).values()) == [b"second" * 100]
    answer = web.get("/studies/1.2", headers={"Accept": "application/zip; transfer-syntax=1.2.3"})
    assert answer.status_code == 406 and f"application/zip; transfer-syntax={JPEG_LS}" in answer.json()["acceptable"]


@pytest.mark.parametrize(
    "accept", ['multipart/related; type="application/dicom"; transfer-syntax=*, application/zip;q=0.5', "*/*"]
)
def test_who_likes_something_else_better_gets_that(web, accept):
    answer = web.get("/studies/1.2", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith("multipart/related")


def test_frames_are_no_zip(web):
    assert web.get("/studies/1.2/series/1.3/instances/1.4/frames/1", headers=ZIP).status_code == 406
