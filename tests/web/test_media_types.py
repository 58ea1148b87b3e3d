import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from pacsd.web import frames, metadata
from pacsd.web.media_types import DICOM, Representation, accepted, choose, first_choice, media_type, parse_accept
from pacsd.web.problem import HttpError
from tests.web.fakes import EXPLICIT, JPEG_LS, Web

FRAME = frames.offers(JPEG_LS, single=True)
NATIVE_FRAME = frames.offers(EXPLICIT, single=True)


def chosen(accept, offers):
    request = Request({"type": "http", "headers": [(b"accept", accept.encode())], "query_string": b""})
    found = first_choice(accepted(request), offers)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/dicom+json"),
        ("*/*", "application/dicom+json"),
        ("application/*", "application/dicom+json"),
        ("application/json", "application/json"),
        ("application/json, application/dicom+json;q=0.5", "application/json"),
        ("application/dicom+json;q=0.2, application/json;q=0.5", "application/json"),
        ('multipart/related; type="application/dicom+xml"', 'multipart/related; type="application/dicom+xml"'),
        ("multipart/related; type=application/dicom+xml", 'multipart/related; type="application/dicom+xml"'),
        ("MULTIPART/Related;TYPE=\"Application/DICOM+xml\"", 'multipart/related; type="application/dicom+xml"'),
        ("multipart/related", 'multipart/related; type="application/dicom+xml"'),
        ("text/html, */*;q=0.1", "application/dicom+json"),
        ("*/*, application/dicom+json;q=0", 'multipart/related; type="application/dicom+xml"'),
        ("text/html", None),
        ("application/dicom+json;q=0", None),
        ("nonsense", None),
        ("nonsense, application/dicom+json", "application/dicom+json"),
        ("*", "application/dicom+json"),
        (" ", "application/dicom+json"),
        ("application/dicom+json;q=nonsense", None),
    ],
)
def test_metadata_negotiation(accept, expected):
    assert chosen(accept, metadata.OFFERS) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", f'multipart/related; type="image/jls"; transfer-syntax={JPEG_LS}'),
        ('multipart/related; type="image/jls"', f'multipart/related; type="image/jls"; transfer-syntax={JPEG_LS}'),
        ('multipart/related; type="image/*"', f'multipart/related; type="image/jls"; transfer-syntax={JPEG_LS}'),
        ("image/jls", f"image/jls; transfer-syntax={JPEG_LS}"),
        (f"image/jls; transfer-syntax={JPEG_LS}", f"image/jls; transfer-syntax={JPEG_LS}"),
        (
            'multipart/related; type="application/octet-stream"; transfer-syntax=*',
            f'multipart/related; type="application/octet-stream"; transfer-syntax={JPEG_LS}',
        ),
        (
            'multipart/related; type="application/octet-stream"',
            f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}',
        ),
        (
            f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}',
            f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}',
        ),
        ("image/jpeg", "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.70"),
        ("image/gif", None),
    ],
)
def test_compressed_frame_negotiation(accept, expected):
    assert chosen(accept, FRAME) == expected


def test_native_frames_are_octets_in_explicit_little_endian():
    assert chosen("application/octet-stream", NATIVE_FRAME) == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    assert chosen("image/png", NATIVE_FRAME) is None


def test_parameters_keep_quoted_separators():
    essence, parameters = media_type('multipart/related; boundary="a;b,\\"c"; type="application/dicom"')
    assert essence == "multipart/related"
    assert parameters == {"boundary": 'a;b,"c', "type": "application/dicom"}


def test_the_query_parameter_goes_before_the_header():
    web = Web()
    both = {"headers": {"Accept": "application/dicom+json"}}
    answer = web.get('/studies/1.2/metadata?accept=multipart/related;type="application/dicom%2Bxml"', **both)
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom+xml"')


def test_a_query_parameter_with_a_plain_plus_is_understood():
    answer = Web().get("/studies/1.2/metadata?accept=application/dicom+json", headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "application/dicom+json"


def test_the_header_counts_where_the_query_parameter_asks_too_much():
    answer = Web().get("/studies/1.2/metadata?accept=image/png", headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"


def test_not_acceptable_lists_what_is_possible():
    answer = Web().get("/studies/1.2/metadata", headers={"Accept": "image/png"})
    assert answer.status_code == 406
    assert answer.json()["acceptable"] == [
        "application/dicom+json",
        'multipart/related; type="application/dicom+xml"',
        "application/json",
    ]


@settings(max_examples=200, derandomize=True)
@given(st.text(alphabet='ab/*;,="\\ q.0159+', max_size=60))
def test_any_accept_text_is_read_without_error(text):
    choose(parse_accept(text), (Representation(DICOM, multipart=True),))


def test_a_flood_of_media_ranges_is_refused_and_not_remembered():
    with pytest.raises(HttpError) as refused:
        parse_accept("a/b," * 15_000)
    assert refused.value.status == 400
    tracemalloc.start()
    try:
        for number in range(100):
            assert parse_accept(f"x/{number}," + "a/b," * 4_000)[0].essence == f"x/{number}"
        assert tracemalloc.get_traced_memory()[0] < 5 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_a_flood_of_media_ranges_is_a_bad_request(method):
    answer = Web().request(method, "/dicom-web/studies", headers={"Accept": "a/b," * 15_000})
    assert answer.status_code == 400
