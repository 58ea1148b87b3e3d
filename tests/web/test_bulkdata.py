import pytest

from tests.web.fakes import FakeBulk, Web, parts_of

PATH = "/studies/1.2/series/1.3/instances/1.4/bulkdata/00420011"
VALUE = bytes(range(256)) * 40


def test_the_whole_value():
    answer = Web().get(PATH)
    assert answer.content == VALUE
    assert answer.headers["content-length"] == str(len(VALUE)) and answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_as_multipart():
    answer = Web().get(PATH, headers={"Accept": 'multipart/related; type="application/octet-stream"'})
    [(headers, content)] = parts_of(answer)
    assert content == VALUE and headers["Content-Location"].endswith("/bulkdata/00420011")


def test_a_value_with_a_media_type_of_its_own():
    web = Web()
    web.archive.bulk_value = FakeBulk(VALUE, "application/pdf")
    assert web.get(PATH).headers["content-type"] == "application/pdf"
    assert web.get(PATH, headers={"Accept": "application/octet-stream"}).content == VALUE


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=10000-", 10_000, 10_240),
        ("bytes=-5", 10_235, 10_240),
        ("bytes=-99999", 0, 10_240),
        ("bytes=5-99999", 5, 10_240),
    ],
)
def test_a_range(asked, start, end):
    answer = Web().get(PATH, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == VALUE[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/10240"


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=-0", "bytes=99999-100000"])
def test_a_range_outside(asked):
    answer = Web().get(PATH, headers={"Range": asked})
    assert answer.status_code == 416 and answer.headers["content-range"] == "bytes */10240"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=5-2", "nonsense"])
def test_ranges_we_do_not_serve_are_answered_with_the_whole(asked):
    answer = Web().get(PATH, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, VALUE)
