import pytest

from pacsd.web.ranges import ByteRange, cut
from tests.web.fakes import EXPLICIT, JPEG_LS, FakePart10, FakeRef, Web

INSTANCE = "/studies/1.2/series/1.3/instances/1.4"
CONTENT = bytes(range(250)) * 40
SINGLE = {"Accept": "application/dicom"}
OCTETS = {"Accept": "application/octet-stream"}


@pytest.fixture
def web():
    web = Web()
    web.archive.refs = [FakeRef("1.2", "1.3", "1.4", EXPLICIT, CONTENT)]
    web.archive.frame_contents = [CONTENT]
    return web


@pytest.mark.parametrize(("path", "accept"), [(INSTANCE, SINGLE), (INSTANCE + "/frames/1", OCTETS)])
@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=4990-5010", 4990, 5011), ("bytes=9000-", 9000, 10000), ("bytes=-10", 9990, 10000),
     ("bytes=0-99999", 0, 10000)],
)  # fmt: skip
def test_a_part_of_an_instance_and_of_a_frame(web, path, accept, asked, start, end):
    answer = web.get(path, headers={**accept, "Range": asked})
    assert answer.status_code == 206 and answer.content == CONTENT[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/10000"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize(("path", "accept"), [(INSTANCE, SINGLE), (INSTANCE + "/frames/1", OCTETS)])
def test_a_range_outside_is_not_satisfiable(web, path, accept):
    answer = web.get(path, headers={**accept, "Range": "bytes=10000-"})
    assert answer.status_code == 416 and answer.headers["content-range"] == "bytes */10000"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=", "bytes=9-1"])
def test_what_is_not_one_range_is_answered_with_the_whole(web, asked):
    answer = web.get(INSTANCE, headers={**SINGLE, "Range": asked})
    assert answer.status_code == 200 and answer.content == CONTENT and answer.headers["accept-ranges"] == "bytes"


def test_a_download_goes_on_only_with_the_same_content(web):
    tag = web.get(INSTANCE, headers=SINGLE).headers["etag"]
    resumed = {**SINGLE, "Range": "bytes=9000-"}
    assert web.get(INSTANCE, headers={**resumed, "If-Range": tag}).status_code == 206
    for other in ('"other"', f"W/{tag}", "Wed, 21 Oct 2026 07:28:00 GMT"):
        assert web.get(INSTANCE, headers={**resumed, "If-Range": other}).status_code == 200


def test_a_corrected_instance_has_no_size_beforehand_and_is_sent_whole(web):
    web.archive.part10 = lambda *_: FakePart10(None, iter((b"ab", b"cd")))
    answer = web.get(INSTANCE, headers={**SINGLE, "Range": "bytes=1-2"})
    assert answer.status_code == 200 and answer.content == b"abcd" and "accept-ranges" not in answer.headers


@pytest.mark.parametrize(
    ("path", "accept"),
    [(INSTANCE, f"application/dicom; transfer-syntax={JPEG_LS}"), (INSTANCE + "/frames/1", "image/jls")],
)
def test_what_is_transcoded_is_sent_whole(web, path, accept):
    answer = web.get(path, headers={"Accept": accept, "Range": "bytes=1-2"})
    assert answer.status_code == 200 and answer.content == JPEG_LS.encode() + b" of " + CONTENT
    assert "accept-ranges" not in answer.headers


def test_multipart_has_no_ranges(web):
    answer = web.get(INSTANCE, headers={"Range": "bytes=0-1"})
    assert answer.status_code == 200 and "accept-ranges" not in answer.headers


def test_nothing_behind_the_range_is_read():
    read = []

    def chunks():
        for number in range(10):
            read.append(number)
            yield bytes([number]) * 10

    assert b"".join(cut(chunks(), ByteRange(15, 10, 100))) == b"\1" * 5 + b"\2" * 5
    assert read == [0, 1, 2]
