import pytest

from tests.web.fakes import EXPLICIT, JPEG_LS, FakePart10, FakeRef, Web, parts_of

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
VIDEO = "1.2.840.10008.1.2.4.102"
ANY = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


@pytest.fixture
def web():
    web = Web()
    web.archive.refs = [
        FakeRef("1.2", "1.3", "1.4", EXPLICIT, b"first" * 100),
        FakeRef("1.2", "1.3", "1.5", JPEG_LS, b"second" * 100),
        FakeRef("1.2", "1.6", "1.7", EXPLICIT, b""),
    ]
    return web


def test_a_study_is_all_its_instances(web):
    answer = web.get("/studies/1.2", headers=ANY)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    parts = parts_of(answer)
    assert [content for _, content in parts] == [b"first" * 100, b"second" * 100, b""]
    assert parts[1][0]["Content-Type"] == f"application/dicom; transfer-syntax={JPEG_LS}"
    assert parts[1][0]["Content-Location"] == "http://pacs.test/dicom-web/studies/1.2/series/1.3/instances/1.5"
    assert parts[1][0]["Content-Length"] == "600"


def test_a_series_and_an_instance(web):
    answer = web.get("/studies/1.2/series/1.3", headers=ANY)
    assert len(parts_of(answer)) == 2 and int(answer.headers["content-length"]) == len(answer.content)
    assert len(parts_of(web.get("/studies/1.2/series/1.3/instances/1.5"))) == 1


def test_one_instance_as_a_single_part(web):
    answer = web.get("/studies/1.2/series/1.3/instances/1.4", headers={"Accept": "application/dicom"})
    assert answer.content == b"first" * 100
    assert answer.headers["content-length"] == "500"
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT}"


def test_an_unknown_study_is_not_found(web):
    answer = web.get("/studies/9.9")
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json"


def accepting(syntax: str, more: str = "") -> dict[str, str]:
    return {"Accept": f'multipart/related; type="application/dicom"; transfer-syntax={syntax}{more}'}


def test_who_names_no_transfer_syntax_gets_explicit_little_endian(web):
    for accept in ({"Accept": 'multipart/related; type="application/dicom"'}, {"Accept": "*/*"}, {"Accept": ""}):
        parts = parts_of(web.get("/studies/1.2", headers=accept))
        assert [content for _, content in parts] == [b"first" * 100, EXPLICIT.encode() + b" of " + b"second" * 100, b""]
        assert parts[1][0]["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"


def test_who_names_no_transfer_syntax_gets_what_lost_something_as_it_is(web):
    web.archive.refs = [FakeRef("1.2", "1.3", "1.4", JPEG_BASELINE, b"lossy")]
    answer = web.get("/studies/1.2/series/1.3/instances/1.4", headers={"Accept": "application/dicom"})
    assert answer.content == b"lossy"
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={JPEG_BASELINE}"
    assert parts_of(web.get("/studies/1.2", headers=accepting(EXPLICIT)))[0][1] == EXPLICIT.encode() + b" of lossy"


def test_all_in_the_wanted_syntax(web):
    answer = web.get("/studies/1.2", headers=accepting(JPEG_LS))
    assert answer.status_code == 200
    contents = [content for _, content in parts_of(answer)]
    assert contents == [JPEG_LS.encode() + b" of " + b"first" * 100, b"second" * 100, JPEG_LS.encode() + b" of "]


def test_the_better_liked_syntax_goes_before_the_stored_one(web):
    liked = accepting("1.2.840.10008.1.2.4.90", f', {accepting(JPEG_LS)["Accept"]};q=0.5')
    [(headers, _)] = parts_of(web.get("/studies/1.2/series/1.3/instances/1.5", headers=liked))
    assert headers["Content-Type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90"


@pytest.mark.parametrize("stored", [IMPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("accept", ["*/*", "multipart/related", *(
    f'multipart/related; type="application/dicom"; transfer-syntax={one}' for one in ("*", EXPLICIT)
)])  # fmt: skip
def test_what_is_not_for_the_web_is_given_in_explicit_little_endian(web, stored, accept):
    web.archive.refs = [FakeRef("1.2", "1.3", "1.4", stored, b"old")]
    [(headers, content)] = parts_of(web.get("/studies/1.2", headers={"Accept": accept}))
    assert content == EXPLICIT.encode() + b" of old"
    assert headers["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"


@pytest.mark.parametrize("stored", [IMPLICIT, BIG_ENDIAN])
def test_what_is_not_for_the_web_is_given_to_those_who_name_it(web, stored):
    web.archive.refs = [FakeRef("1.2", "1.3", "1.4", stored, b"old")]
    rather = f"{accepting(stored)['Accept']}, {ANY['Accept']};q=0.9"
    for accept in (accepting(stored)["Accept"], rather):
        [(headers, content)] = parts_of(web.get("/studies/1.2", headers={"Accept": accept}))
        assert content == b"old" and headers["Content-Type"] == f"application/dicom; transfer-syntax={stored}"
    web.archive.refs = [FakeRef("1.2", "1.3", "1.4", stored, b"broken")]
    answer = web.get("/studies/1.2", headers=accepting(EXPLICIT))
    assert answer.status_code == 406
    assert [one.rpartition("=")[2] for one in answer.json()["acceptable"]] == [stored]


@pytest.mark.parametrize("accept", ["*/*", ANY["Accept"], "application/zip"])
def test_what_is_too_damaged_to_be_rewritten_keeps_no_study_from_being_read(web, accept):
    web.archive.refs[2] = FakeRef("1.2", "1.6", "1.7", IMPLICIT, b"broken")
    answer = web.get("/studies/1.2", headers={"Accept": accept})
    assert answer.status_code == 200 and b"broken" in answer.content and b"first" in answer.content
    if accept != "application/zip":
        assert parts_of(answer)[2][0]["Content-Type"] == f"application/dicom; transfer-syntax={IMPLICIT}"


def test_some_in_the_wanted_syntax_is_partial_content(web):
    web.archive.refs.append(FakeRef("1.2", "1.3", "1.8", VIDEO, b"moving"))
    answer = web.get("/studies/1.2", headers=accepting(JPEG_LS))
    assert answer.status_code == 206
    assert len(parts_of(answer)) == 3


def test_none_in_the_wanted_syntax_lists_what_there_is(web):
    web.archive.impossible = ["1.2.840.10008.1.2.4.90"]
    answer = web.get("/studies/1.2", headers=accepting("1.2.840.10008.1.2.4.90"))
    assert answer.status_code == 406
    acceptable = answer.json()["acceptable"]
    assert acceptable[0] == f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'
    assert f'multipart/related; type="application/dicom"; transfer-syntax={JPEG_LS}' in acceptable
    assert not any("1.2.840.10008.1.2.4.90" in one for one in acceptable)


def test_an_image_that_cannot_be_decoded_goes_as_it_is_to_who_named_no_syntax(web):
    web.archive.refs[1] = FakeRef("1.2", "1.3", "1.5", JPEG_LS, b"broken")
    answer = web.get("/studies/1.2", headers={"Accept": "*/*"})
    assert answer.status_code == 200
    assert [content for _, content in parts_of(answer)] == [b"first" * 100, b"broken", b""]
    assert parts_of(answer)[1][0]["Content-Type"] == f"application/dicom; transfer-syntax={JPEG_LS}"


def test_an_image_that_cannot_be_decoded_is_no_answer_to_who_named_the_syntax(web):
    web.archive.refs = [FakeRef("1.2", "1.3", "1.5", JPEG_LS, b"broken")]
    answer = web.get("/studies/1.2", headers=accepting(EXPLICIT))
    assert answer.status_code == 406
    assert answer.json()["acceptable"] == [accepting(JPEG_LS)["Accept"]]


@pytest.mark.parametrize("uid", ["%2e%2e", "1.2%00", "%E5%BC%A0", "1.2;drop", "x" * 65, "-1"])
def test_what_is_no_uid_is_refused(web, uid):
    assert web.get(f"/studies/1.2/series/{uid}/metadata").status_code in (400, 404)
    assert web.get(f"/studies/{uid}/series").status_code in (400, 404)


def test_an_encoded_slash_makes_no_other_resource(web):
    assert web.get("/studies/1.2%2F..%2F..%2Fmetrics").status_code == 404


def test_files_are_closed_when_the_answer_is_a_head(web):
    opened, closed = [], []

    def chunks():
        try:
            yield b"x"
        finally:
            closed.append(True)

    def part10(ref, transfer_syntax_uid=None):
        opened.append(True)          # as the archive does: the file is open before its first byte is asked for
        return FakePart10(1, chunks())

    web.archive.part10 = part10
    for accept in ("application/dicom", "multipart/related"):
        path = "/dicom-web/studies/1.2/series/1.3/instances/1.4"
        answer = web.request("HEAD", path, headers={"Accept": accept})
        assert answer.status_code == 200 and answer.content == b""
    assert len(opened) == len(closed) == 2
