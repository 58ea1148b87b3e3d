import pytest

from tests.web.fakes import EXPLICIT, JPEG_LS, FakeFrames, Web, parts_of

PATH = "/studies/1.2/series/1.3/instances/1.4/frames/"


def test_frames_in_the_order_asked_for():
    parts = parts_of(Web().get(PATH + "3,1"))
    assert [content for _, content in parts] == [b"frame 3", b"frame 1"]
    assert parts[0][0]["Content-Type"] == "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    assert parts[0][0]["Content-Location"].endswith("/frames/3")


def test_one_frame_is_one_body_with_its_length():
    answer = Web().get(PATH + "2")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert parts_of(answer)[0][1] == b"frame 2"


def test_one_frame_as_a_single_part():
    answer = Web().get(PATH + "2", headers={"Accept": "application/octet-stream"})
    assert answer.content == b"frame 2"


def test_a_compressed_frame_passes_through():
    web = Web()
    web.archive.frame_syntax = JPEG_LS
    answer = web.get(PATH + "1", headers={"Accept": "image/jls"})
    assert answer.content == b"frame 1"
    assert answer.headers["content-type"] == f"image/jls; transfer-syntax={JPEG_LS}"


def test_decoding_is_not_there_yet_and_says_what_is():
    web = Web()
    web.archive.frame_syntax = JPEG_LS
    answer = web.get(PATH + "1", headers={"Accept": 'multipart/related; type="application/octet-stream"'})
    assert answer.status_code == 406
    assert f'multipart/related; type="image/jls"; transfer-syntax={JPEG_LS}' in answer.json()["acceptable"]


def test_a_large_frame_is_streamed():
    web = Web()
    web.archive.frame_contents = [bytes(9 << 20)]
    assert web.get(PATH + "1", headers={"Accept": "application/octet-stream"}).content == bytes(9 << 20)


@pytest.mark.parametrize(("numbers", "accept"), [("1", "*/*"), ("1", "image/*"), ("1,2", "*/*"), ("1", "image/jls")])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_file_is_given_back_whatever_the_answer(numbers, accept, method):
    web, closed = Web(), []

    def frames():
        try:
            for _ in numbers.split(","):
                yield 1, iter((b"x",))
        finally:
            closed.append(True)

    web.archive.read = lambda *_: FakeFrames(EXPLICIT, frames())
    web.request(method, "/dicom-web" + PATH + numbers, headers={"Accept": accept})
    assert closed == [True]


@pytest.mark.parametrize(
    ("numbers", "status"),
    [("0", 400), ("1,,2", 400), ("x", 400), ("-1", 400), ("%C2%B2", 400), ("1e3", 400), ("9", 404)],
)
def test_frame_numbers(numbers, status):
    assert Web().get(PATH + numbers).status_code == status
