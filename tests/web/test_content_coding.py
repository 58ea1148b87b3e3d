import gzip

import orjson
import pytest

from tests.web.fakes import FakeMatch, Web, parts_of

GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}
XML = {"Accept": 'multipart/related; type="application/dicom+xml"'}


@pytest.fixture
def web():
    web = Web()
    web.archive.matches = [FakeMatch(number) for number in range(500)]
    dataset = orjson.dumps({f"{tag:08X}": {"vr": "LO", "Value": ["value"]} for tag in range(0x00100020, 0x00100080)})
    web.archive.texts = (b"[", b",".join([dataset] * 50), b"]")
    return web


@pytest.mark.parametrize("path", ["/studies/1.2/metadata", "/studies?limit=500", "/studies"])
@pytest.mark.parametrize("accept", [{}, XML])
def test_text_is_compressed_for_who_accepts_it(web, path, accept):
    plain = web.get(path, headers={**PLAIN, **accept})
    coded = web.get(path, headers={**GZIP, **accept})
    assert "content-encoding" not in plain.headers and coded.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in coded.headers["vary"] and "Accept-Encoding" in plain.headers["vary"]
    if accept:
        assert [part for _, part in parts_of(coded)] == [part for _, part in parts_of(plain)]
    else:
        assert coded.content == plain.content


def test_what_is_sent_is_one_gzip_stream_of_the_length_it_says(web):
    answer = web.raw("GET", "/dicom-web/studies/1.2/metadata", headers=GZIP)
    assert gzip.decompress(answer.content) == b"".join(web.archive.texts)
    assert answer.headers["content-length"] == str(len(answer.content))


def test_long_metadata_is_compressed_as_it_goes(web):
    web.archive.texts = [b"[", *[b'{"a":"' + b"x" * (3 << 20) + b'"},'] * 4, b"{}]"]
    assert web.get("/studies/1.2/metadata", headers=GZIP).content == b"".join(web.archive.texts)


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0", "br", "*;q=0", "gzip ; q = 0.0, br"])
def test_others_get_it_plain(web, accepted):
    answer = web.get("/studies/1.2/metadata", headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers


def test_the_coded_answer_has_a_tag_of_its_own_and_both_are_known(web):
    plain, coded = (web.get("/studies/1.2/metadata", headers=h).headers["etag"] for h in (PLAIN, GZIP))
    assert plain != coded
    for known in (plain, coded):
        for headers in (PLAIN, GZIP):
            answer = web.get("/studies/1.2/metadata", headers={**headers, "If-None-Match": known})
            assert answer.status_code == 304


def test_images_and_small_texts_are_not_compressed(web):
    for path in ("/studies/1.2/series/1.3/instances/1.4/frames/1", "/studies?limit=1"):
        assert "content-encoding" not in web.get(path, headers=GZIP).headers
