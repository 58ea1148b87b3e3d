import pytest

from tests.web.fakes import EXPLICIT, JPEG_LS, FakeBulk, FakeRef, Web, parts_of

INSTANCE = "/studies/1.2/series/1.3/instances/1.4"
PATH = f"{INSTANCE}/bulkdata/00420011"
PIXELS = f"{INSTANCE}/bulkdata/7FE00010"
VALUE = bytes(range(256)) * 40
OCTETS = {"Accept": 'multipart/related; type="application/octet-stream"'}
DECODED = EXPLICIT.encode() + b" of "


def holding(content: bytes = b"", syntax: str = EXPLICIT) -> Web:
    """An archive of one instance; what is compressed has a frame between every two bars."""
    web = Web()
    web.archive.refs = [FakeRef("1.2", "1.3", "1.4", syntax, content)]
    return web


def test_the_whole_value():
    answer = holding().get(PATH)
    assert answer.content == VALUE
    assert answer.headers["content-length"] == str(len(VALUE)) and answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_as_multipart():
    answer = holding().get(PATH, headers={"Accept": 'multipart/related; type="application/octet-stream"'})
    [(headers, content)] = parts_of(answer)
    assert content == VALUE and headers["Content-Location"].endswith("/bulkdata/00420011")


def test_a_value_with_a_media_type_of_its_own():
    web = holding()
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
    answer = holding().get(PATH, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == VALUE[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/10240"


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=-0", "bytes=99999-100000"])
def test_a_range_outside(asked):
    answer = holding().get(PATH, headers={"Range": asked})
    assert answer.status_code == 416 and answer.headers["content-range"] == "bytes */10240"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=5-2", "nonsense"])
def test_ranges_we_do_not_serve_are_answered_with_the_whole(asked):
    answer = holding().get(PATH, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, VALUE)


def test_compressed_pixel_data_is_decoded_into_one_value_unless_its_transfer_syntax_will_do():
    web = holding(b"one|two", JPEG_LS)
    [(headers, content)] = parts_of(web.get(PIXELS, headers=OCTETS))
    assert content == DECODED + b"one" + DECODED + b"two" and headers["Content-Length"] == str(len(content))
    assert headers["Content-Type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    alone = web.get(PIXELS, headers={"Accept": "application/octet-stream"})
    assert alone.content == content and alone.headers["content-type"] == headers["Content-Type"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ('multipart/related; type="image/jls"', "image/jls"),
        ('multipart/related; type="application/octet-stream"; transfer-syntax=*', "application/octet-stream"),
        ("*/*", "image/jls"),
    ],
)
def test_compressed_frames_are_a_part_each_under_the_uri_of_the_value(accept, kind):
    parts = parts_of(holding(b"one|two", JPEG_LS).get(PIXELS, headers={"Accept": accept}))
    assert [content for _, content in parts] == [b"one", b"two"]
    assert {headers["Content-Location"] for headers, _ in parts} == {f"http://pacs.test/dicom-web{PIXELS}"}
    assert {headers["Content-Type"] for headers, _ in parts} == {f"{kind}; transfer-syntax={JPEG_LS}"}


def test_one_compressed_frame_is_a_single_part_with_ranges():
    web = holding(b"the only one", JPEG_LS)
    answer = web.get(PIXELS, headers={"Accept": "image/jls", "Range": "bytes=4-7"})
    assert (answer.status_code, answer.content) == (206, b"only")
    assert answer.headers["content-range"] == "bytes 4-7/12"
    again = web.get(PIXELS, headers={"Accept": "image/jls", "If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_several_compressed_frames_are_no_single_part():
    answer = holding(b"one|two", JPEG_LS).get(PIXELS, headers={"Accept": "image/jls"})
    assert answer.status_code == 406
    assert 'multipart/related; type="image/jls"; transfer-syntax=1.2.840.10008.1.2.4.80' in answer.json()["acceptable"]


@pytest.mark.parametrize("joined", [True, False])
def test_what_cannot_be_decoded_comes_as_it_is_stored_to_who_named_no_transfer_syntax(joined):
    web = holding(b"broken|two" if joined else b"bits|more", JPEG_LS)
    web.archive.joined = joined
    parts = parts_of(web.get(PIXELS, headers=OCTETS))
    assert {headers["Content-Type"] for headers, _ in parts} == {f"application/octet-stream; transfer-syntax={JPEG_LS}"}
    assert len(parts) == 2 and parts[0][1] in (b"broken", b"bits")
    named = {"Accept": f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}'}
    assert web.get(PIXELS, headers=named).status_code == 406


def test_pixel_data_without_frames_to_tell_apart_comes_as_it_is_stored():
    answer = holding(b"damaged", JPEG_LS).get(PIXELS)
    assert (answer.status_code, answer.content) == (200, VALUE)


METADATA = """[
    {"00080018": {"vr": "UI", "Value": ["1.4"]}, "7FE00010": {"vr": "OB", "BulkDataURI": "/x/bulkdata/7FE00010"},
     "00880200": {"vr": "SQ", "Value": [{"7FE00010": {"vr": "OB", "BulkDataURI": "/x/bulkdata/00880200/1/7FE00010"}}]}},
    {"00080018": {"vr": "UI", "Value": ["1.5"]}, "7FE00010": {"vr": "OW", "InlineBinary": "AAA="},
     "00420011": {"vr": "OB", "BulkDataURI": "/x/bulkdata/00420011"}},
    {"00080018": {"vr": "UI", "Value": ["1.6"]}, "00080060": {"vr": "CS"}}
]"""


def of_a_study() -> Web:
    """One compressed image with an icon, one native image with a document in it, and a third without any bulk data."""
    web = Web()
    web.archive.texts = (METADATA.encode(),)
    web.archive.refs = [
        FakeRef("1.2", "1.3", "1.4", JPEG_LS, b"one|two"),
        FakeRef("1.2", "1.3", "1.5", EXPLICIT, b"native"),
        FakeRef("1.2", "1.3", "1.6", EXPLICIT, b"report"),
    ]
    return web


def places(answer) -> list[str]:
    return [headers["Content-Location"].partition("/instances/")[2] for headers, _ in parts_of(answer)]


@pytest.mark.parametrize("level", ["/studies/1.2", "/studies/1.2/series/1.3"])
@pytest.mark.parametrize("resource", ["/bulkdata", ""])
def test_all_bulk_data_of_a_study_or_series(level, resource):
    answer = of_a_study().get(level + resource, headers=OCTETS)
    assert answer.status_code == 200
    assert places(answer) == ["1.4/bulkdata/7FE00010", "1.4/bulkdata/00880200/1/7FE00010", "1.5/bulkdata/00420011"]
    pixels, icon, document = [content for _, content in parts_of(answer)]
    assert pixels == DECODED + b"one" + DECODED + b"two" and icon == document == VALUE


def test_all_pixel_data_is_that_of_the_top_level():
    web = of_a_study()
    answer = web.get("/studies/1.2/pixeldata", headers=OCTETS)
    assert places(answer) == ["1.4/bulkdata/7FE00010", "1.5/bulkdata/7FE00010"]
    stored = web.get("/studies/1.2/pixeldata", headers={"Accept": OCTETS["Accept"] + "; transfer-syntax=*"})
    assert [content for _, content in parts_of(stored)] == [b"one", b"two", VALUE]


def test_an_object_without_frames_to_tell_apart_spoils_no_study():
    web = of_a_study()
    web.archive.refs[0] = FakeRef("1.2", "1.3", "1.4", JPEG_LS, b"damaged")
    assert [content for _, content in parts_of(web.get("/studies/1.2/pixeldata", headers=OCTETS))] == [VALUE, VALUE]


def test_values_in_no_acceptable_form_are_left_out():
    web = of_a_study()
    answer = web.get("/studies/1.2/pixeldata", headers={"Accept": 'multipart/related; type="image/jls"'})
    assert (answer.status_code, places(answer)) == (206, ["1.4/bulkdata/7FE00010"] * 2)
    refused = web.get("/studies/1.2/bulkdata", headers={"Accept": "application/octet-stream"})
    assert refused.status_code == 406 and len(refused.json()["acceptable"]) == 4


def test_the_bulk_data_of_one_instance_and_of_one_that_has_none():
    web = holding(b"native")
    assert web.get(f"{INSTANCE}/bulkdata").status_code == web.get(f"{INSTANCE}/pixeldata").status_code == 404
    assert web.get("/studies/9.9/bulkdata").status_code == 404


def test_all_bulk_data_answers_conditions():
    web = of_a_study()
    tag = web.get("/studies/1.2/bulkdata", headers=OCTETS).headers["etag"]
    assert web.get("/studies/1.2/bulkdata", headers={**OCTETS, "If-None-Match": tag}).status_code == 304
    web.archive.refs = web.archive.refs[:1]
    assert web.get("/studies/1.2/bulkdata", headers={**OCTETS, "If-None-Match": tag}).status_code == 200
