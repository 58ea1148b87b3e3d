import asyncio
import logging

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.web.services import WebLimits
from pacsd.web.store_response import FAILURE_REASON, Outcome, failed, response_dataset
from tests.web.fakes import Web

HEADERS = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=xyz'}


def body(*contents, content_type=b"application/dicom"):
    parts = b"".join(b"--xyz\r\nContent-Type: %s\r\n\r\n%s\r\n" % (content_type, one) for one in contents)
    return parts + b"--xyz--"


def post(web, content, path="/studies", **headers):
    return web.post(path, content=content, headers={**HEADERS, **headers})


def reasons(answer, tag):
    return [item["00081197"]["Value"][0] for item in answer.json().get(tag, {"Value": []})["Value"]]


def test_all_stored_is_200():
    web = Web()
    answer = post(web, body(b"one", b"two"))
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/dicom+json"
    assert sorted(web.archive.kept) == [b"one", b"two"]
    result = answer.json()
    assert set(result) == {"00081190", "00081199"}
    assert result["00081190"]["Value"] == ["http://pacs.test/dicom-web/studies/1.1"]
    item = result["00081199"]["Value"][0]
    assert item["00081150"] == {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]}
    assert item["00081190"]["Value"][0].startswith("http://pacs.test/dicom-web/studies/1.1/series/1.1.1/instances/1.2.")


def test_some_stored_is_202():
    answer = post(Web(), body(b"one", b"mismatch", b"malformed"))
    assert answer.status_code == 202
    assert reasons(answer, "00081198") == [0xA900]
    assert answer.json()["00081198"]["Value"][0]["00081155"]["Value"] == ["1.2.3"]
    assert reasons(answer, "0008119A") == [0xC000]
    assert len(answer.json()["00081199"]["Value"]) == 1
    assert "299 http://pacs.test/dicom-web: because it is mismatch" in answer.headers["warning"]


def test_what_a_failed_object_took_is_let_go_of_before_the_answer():
    try:
        raise PacsdError(Fault.MALFORMED, "why") from ValueError("what")
    except PacsdError as error:
        kept = failed(error).failure
    assert (kept.fault, kept.message) == (Fault.MALFORMED, "why")
    assert kept.__traceback__ is kept.__cause__ is kept.__context__ is None


def test_the_retrieve_url_is_empty_where_not_one_study_was_stored_in():
    assert post(Web(), body(b"malformed")).json()["00081190"] == {"vr": "UR"}
    outcomes = [Outcome("1.1", f"1.2.{n}", f"1.3.{n}", "1.4") for n in (1, 2)]
    assert response_dataset(outcomes, "http://pacs.test/dicom-web")["00081190"] == {"vr": "UR"}


def test_outcomes_are_not_compared_with_each_other(monkeypatch):
    monkeypatch.setattr(Outcome, "__eq__", lambda one, other: pytest.fail("so many times as outcomes by outcomes"))
    unnamed = [failed(PacsdError(Fault.MALFORMED, "why"))] * 3
    dataset = response_dataset([*unnamed, failed(PacsdError(Fault.MISMATCH, "why"), "1.1", "1.2")], "http://pacs.test")
    assert (len(dataset["0008119A"]["Value"]), len(dataset["00081198"]["Value"])) == (3, 1)


def test_what_was_refused_is_one_line_of_the_log(caplog):
    caplog.set_level(logging.INFO, logger="pacsd.web")
    post(Web(), body(b"one"))
    assert not [one for one in caplog.records if one.name == "pacsd.web"]
    post(Web(), body(b"one", b"mismatch", b"malformed", b"malformed"))
    (line,) = (one for one in caplog.records if one.name == "pacsd.web")
    assert (line.message, line.refused) == ("objects refused", 3)
    assert line.reasons == ["because it is mismatch", "because it is malformed"]


@pytest.mark.parametrize("fault", Fault)
def test_none_stored(fault):
    answer = post(Web(), body(fault.value.encode()))
    expected = {Fault.FULL: 507, Fault.UNAVAILABLE: 503}.get(fault, 409)
    assert answer.status_code == expected
    tag = "0008119A" if fault is Fault.MALFORMED else "00081198"
    assert reasons(answer, tag) == [FAILURE_REASON[fault]]


def test_a_defect_is_a_processing_failure_of_its_object_only():
    answer = post(Web(), body(b"one", b"defect"))
    assert answer.status_code == 202 and reasons(answer, "0008119A") == [0x0110]


def test_the_response_as_xml():
    answer = post(Web(), body(b"one"), Accept="application/dicom+xml")
    assert answer.headers["content-type"] == "application/dicom+xml"
    assert b'<DicomAttribute tag="00081199" vr="SQ" keyword="ReferencedSOPSequence"><Item number="1">' in answer.content


def test_a_response_nobody_accepts_stores_nothing():
    web = Web()
    assert post(web, body(b"one"), Accept="image/png").status_code == 406
    assert web.archive.kept == []


def test_a_single_part_body():
    web = Web()
    answer = web.post("/studies", content=b"single", headers={"Content-Type": "application/dicom"})
    assert answer.status_code == 200 and web.archive.kept == [b"single"]


def test_the_study_of_the_path_is_expected():
    web = Web()
    answer = post(web, body(b"one"), "/studies/1.77")
    assert web.archive.receptions[0].study == "1.77"
    assert answer.json()["00081190"]["Value"] == ["http://pacs.test/dicom-web/studies/1.77"]


def test_a_part_of_another_kind_fails_alone():
    web = Web()
    content = body(b"one")[:-7] + body(b"<x/>", content_type=b"text/xml")
    answer = post(web, content)
    assert answer.status_code == 202 and web.archive.kept == [b"one"]
    assert reasons(answer, "0008119A") == [0xC000]


def test_a_truncated_body_keeps_what_was_whole_and_forgets_the_rest():
    web = Web()
    answer = post(web, body(b"one", b"two and more")[:-15])
    assert answer.status_code == 202
    assert web.archive.kept == [b"one"] and web.archive.receptions[1].aborted
    assert reasons(answer, "0008119A") == [0xC000]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", HEADERS["Content-Type"], 400),
        (b"--xyz--", HEADERS["Content-Type"], 400),
        (b"--abc\r\n\r\nx\r\n--abc--", HEADERS["Content-Type"], 400),
        (b"--xyz\r\n\r\ntruncated", HEADERS["Content-Type"], 400),
        (b"x", 'multipart/related; type="application/dicom"', 400),
        (b"", "application/dicom", 400),
        (b"x", "application/dicom+json", 400),
        (b"[]", "application/dicom+json", 400),
        (b"x", 'multipart/related; type="application/dicom+json"; boundary=xyz', 400),
        (b"{}", "application/json", 415),
        (b"x", "multipart/form-data; boundary=xyz", 415),
        (b"x", "", 415),
    ],
)
def test_requests_that_hold_nothing_to_store(content, content_type, status):
    web = Web()
    answer = web.post("/studies", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert web.archive.kept == [] and all(one.aborted for one in web.archive.receptions)


def test_an_upload_above_the_limit_is_refused():
    web = Web(limits=WebLimits(max_upload_bytes=100))
    assert post(web, body(bytes(200))).status_code == 413
    assert post(web, _pieces(body(bytes(200)))).status_code == 413
    assert web.archive.kept == []


async def _pieces(content):
    for at in range(0, len(content), 10):
        yield content[at : at + 10]


def test_many_objects_keep_their_order_in_the_response():
    web = Web(limits=WebLimits(commits_in_flight=3))
    contents = [b"%d" % number if number % 3 else b"mismatch" for number in range(500)]
    answer = post(web, body(*contents))
    assert answer.status_code == 202
    assert len(answer.json()["00081199"]["Value"]) == sum(1 for number in range(500) if number % 3)
    assert len(answer.json()["00081198"]["Value"]) == sum(1 for number in range(500) if not number % 3)


def test_a_large_object_is_written_as_it_arrives():
    web = Web()
    content = bytes(range(256)) * 20_000
    assert post(web, _pieces_of(body(content), 50_000)).status_code == 200
    assert web.archive.kept == [content]


async def _pieces_of(content, size):
    for at in range(0, len(content), size):
        yield content[at : at + size]


@pytest.mark.parametrize("pause_s", [1.0, 0.01])
def test_an_upload_that_stalls_or_dribbles_is_ended(pause_s):
    web = Web(limits=WebLimits(upload_stall_s=0.05, min_upload_bytes_per_s=10_000))

    async def dribble():
        for byte in body(b"one", b"two"):
            yield bytes([byte])
            await asyncio.sleep(pause_s)

    answer = post(web, dribble())
    assert answer.status_code == 408 and answer.headers["connection"] == "close"
    assert all(one.aborted for one in web.archive.receptions)


def test_objects_without_a_patient_are_of_a_class_that_is_not_kept():
    outcome = failed(PacsdError(Fault.MALFORMED, "(0020,000D) is missing"), "1.2.840.10008.5.1.4.39.1", "1.2.3")
    item = response_dataset([outcome], "")["00081198"]["Value"][0]
    assert item["00081197"]["Value"] == [0x0122]
