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


OCTETS = {"Accept": 'multipart/related; type="application/octet-stream"'}


def test_a_compressed_frame_is_decoded_for_a_client_that_wants_octets():
    web = Web()
    web.archive.frame_syntax = JPEG_LS
    answer = web.get(PATH + "1", headers=OCTETS)
    [(headers, content)] = parts_of(answer)
    assert content == EXPLICIT.encode() + b" of frame 1"
    assert headers["Content-Type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"


@pytest.mark.parametrize(
    ("accept", "syntax"),
    [
        ("image/jls", JPEG_LS),
        ("image/x-jls; transfer-syntax=1.2.840.10008.1.2.4.80", JPEG_LS),
        ("image/jpeg", "1.2.840.10008.1.2.4.70"),
        ("image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.50"),
        ("image/jp2", "1.2.840.10008.1.2.4.90"),
        ("image/jphc", "1.2.840.10008.1.2.4.201"),
        ("image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.202"),
        ("image/dicom-rle", "1.2.840.10008.1.2.5"),
        ("text/html, image/jp2;q=0.3, image/jls;q=0.7, application/octet-stream;q=0.5", JPEG_LS),
    ],
)
def test_a_native_frame_is_coded_as_the_client_wants_it(accept, syntax):
    answer = Web().get(PATH + "2", headers={"Accept": accept})
    assert answer.content == syntax.encode() + b" of frame 2"
    assert answer.headers["content-type"].endswith(f"; transfer-syntax={syntax}")


def test_what_is_stored_is_given_where_it_is_as_welcome_as_anything():
    answer = Web().get(PATH + "2", headers={"Accept": "image/jls, application/octet-stream"})
    assert answer.content == b"frame 2"


def test_the_next_best_form_where_the_best_cannot_be_made():
    web = Web()
    web.archive.impossible = [JPEG_LS]
    answer = web.get(PATH + "2", headers={"Accept": "image/jls, image/jp2;q=0.5"})
    assert answer.content == b"1.2.840.10008.1.2.4.90 of frame 2"


def test_a_form_that_cannot_be_made_is_refused_with_those_that_can():
    web = Web()
    web.archive.impossible = ["1.2.840.10008.1.2.4.50"]
    answer = web.get(PATH + "1", headers={"Accept": "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50"})
    assert answer.status_code == 406
    acceptable = answer.json()["acceptable"]
    assert f"application/octet-stream; transfer-syntax={EXPLICIT}" in acceptable
    assert f'multipart/related; type="image/jls"; transfer-syntax={JPEG_LS}' in acceptable
    assert not any("1.2.840.10008.1.2.4.50" in one for one in acceptable)


def test_a_frame_that_cannot_be_decoded_is_offered_as_it_is():
    web = Web()
    web.archive.frame_syntax, web.archive.frame_contents = JPEG_LS, [b"broken"]
    answer = web.get(PATH + "1", headers={"Accept": "application/octet-stream"})
    assert answer.status_code == 406
    assert f"image/jls; transfer-syntax={JPEG_LS}" in answer.json()["acceptable"]
    assert f"application/octet-stream; transfer-syntax={EXPLICIT}" not in answer.json()["acceptable"]


def test_video_is_not_transcoded():
    web = Web()
    web.archive.frame_syntax = "1.2.840.10008.1.2.4.102"
    answer = web.get(PATH + "1", headers=OCTETS)
    assert answer.status_code == 406
    [first, *_] = answer.json()["acceptable"]
    assert first == 'multipart/related; type="video/mp4"; transfer-syntax=1.2.840.10008.1.2.4.102'


def test_a_large_frame_is_streamed():
    web = Web()
    web.archive.frame_contents = [bytes(9 << 20)]
    assert web.get(PATH + "1", headers={"Accept": "application/octet-stream"}).content == bytes(9 << 20)


@pytest.mark.parametrize(
    ("numbers", "accept"),
    [("1", "*/*"), ("1", "image/*"), ("1,2", "*/*"), ("1,2", "image/jls"), ("1", "image/jls"), ("1", "text/html")],
)
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
