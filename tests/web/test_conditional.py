from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.web.fakes import EXPLICIT, JPEG_LS, FakeBulk, FakeFrames, FakeRef, Web

INSTANCE = "/studies/1.2/series/1.3/instances/1.4"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
SINGLE = {"Accept": "application/dicom"}
MULTIPART = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


@pytest.fixture
def web():
    web = Web()
    web.archive.refs = [
        FakeRef("1.2", "1.3", "1.4", EXPLICIT, b"first" * 100),
        FakeRef("1.2", "1.3", "1.5", JPEG_LS, b"second" * 100),
    ]
    return web


def tag(web, path, **headers):
    answer = web.get(path, headers=headers)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "private, no-cache"
    return answer.headers["etag"]


@pytest.mark.parametrize(
    "path",
    ["/studies/1.2/metadata", INSTANCE + "/metadata", INSTANCE, "/studies/1.2", INSTANCE + "/frames/1,2",
     INSTANCE + "/frames/1", INSTANCE + "/bulkdata/00420011"],
)  # fmt: skip
def test_what_has_not_changed_is_not_sent_again(web, path):
    accept = MULTIPART if path == "/studies/1.2" else {}
    known = tag(web, path, **accept)
    for condition in (known, "*", f'"other", {known}'):
        answer = web.get(path, headers={**accept, "If-None-Match": condition})
        assert answer.status_code == 304 and answer.content == b"" and answer.headers["etag"] == known
    assert web.get(path, headers={**accept, "If-None-Match": '"other"'}).status_code == 200


def test_what_no_longer_is_what_the_client_has_is_refused(web):
    known = tag(web, INSTANCE, **SINGLE)
    assert web.get(INSTANCE, headers={**SINGLE, "If-Match": known}).status_code == 200
    refused = web.get(INSTANCE, headers={**SINGLE, "If-Match": '"other"'})
    assert refused.status_code == 412 and refused.headers["content-type"] == "application/problem+json"
    assert web.get("/studies/9.8", headers={"If-Match": "*"}).status_code == 404
    assert web.get("/studies/9.8", headers={"If-None-Match": "*"}).status_code == 404


def test_a_correction_a_rejection_and_a_late_arrival_change_the_tag(web):
    first = tag(web, "/studies/1.2", **MULTIPART)
    refs = list(web.archive.refs)
    web.archive.refs = refs[:1]
    rejected = tag(web, "/studies/1.2", **MULTIPART)
    web.archive.refs = [*refs, FakeRef("1.2", "1.3", "1.6", EXPLICIT, b"")]
    late = tag(web, "/studies/1.2", **MULTIPART)
    overlay = {"00100010": {"vr": "PN"}}
    tags = {first, rejected, late}
    for when in (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)):
        web.archive.refs = [replace(one, overlay=overlay, overlaid_at=when) for one in refs]
        tags.add(tag(web, "/studies/1.2", **MULTIPART))
    assert len(tags) == 5
    web.archive.refs = refs
    assert tag(web, "/studies/1.2", **MULTIPART) == first


def test_metadata_of_another_text_has_another_tag(web):
    first = tag(web, "/studies/1.2/metadata")
    web.archive.texts = (b"[", b'{"00100010":{"vr":"PN","Value":[{"Alphabetic":"A^C"}]}}', b"]")
    assert tag(web, "/studies/1.2/metadata") != first
    web.archive.texts = (b"[{", b'"00100010":{"vr":"PN","Value":[{"Alphabetic":"A^B"}]}}', b"]")
    assert tag(web, "/studies/1.2/metadata") == first        # the same text, cut otherwise


def test_every_representation_has_its_tag(web):
    accepts = ("application/dicom+json", "application/json", 'multipart/related; type="application/dicom+xml"')
    assert len({tag(web, "/studies/1.2/metadata", Accept=accept) for accept in accepts}) == 3
    assert tag(web, INSTANCE, **SINGLE) != tag(web, INSTANCE, **MULTIPART)


def test_what_is_transcoded_has_a_weak_tag_of_its_own(web):
    forms = [SINGLE, *({"Accept": f"application/dicom; transfer-syntax={syntax}"} for syntax in (JPEG_LS, JPEG_2000))]
    tags = [tag(web, INSTANCE, **form) for form in forms]
    assert len(set(tags)) == 3 and [one.startswith("W/") for one in tags] == [False, True, True]
    frames = [{"Accept": kind} for kind in ("application/octet-stream", "image/jls", "image/jp2")]
    of_frames = [tag(web, INSTANCE + "/frames/1", **form) for form in frames]
    assert len(set(of_frames)) == 3 and [one.startswith("W/") for one in of_frames] == [False, True, True]
    assert web.get(INSTANCE, headers={**forms[1], "If-None-Match": tags[1]}).status_code == 304
    assert web.get(INSTANCE + "/frames/1", headers={**frames[1], "If-None-Match": of_frames[1]}).status_code == 304
    assert web.get(INSTANCE + "/frames/1", headers={**frames[2], "If-None-Match": of_frames[1]}).status_code == 200


def test_other_bytes_have_another_tag(web):
    frame, bulk = tag(web, INSTANCE + "/frames/1"), tag(web, INSTANCE + "/bulkdata/00420011")
    web.archive.bulk_value = FakeBulk(b"x", digest=b"of another")
    web.archive.read = lambda *_: FakeFrames(EXPLICIT, iter([(1, iter((b"x",)))]), digest=b"of another")
    assert tag(web, INSTANCE + "/frames/1") != frame
    assert tag(web, INSTANCE + "/bulkdata/00420011") != bulk


def test_multipart_is_never_the_same_byte_for_byte(web):
    weak = tag(web, INSTANCE, **MULTIPART)
    assert weak.startswith('W/"')
    assert web.get(INSTANCE, headers={**MULTIPART, "If-Match": weak}).status_code == 412
