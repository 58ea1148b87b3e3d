"""Create, retrieve, update, change state and request cancellation, as PS3.18 11.4 to 11.8 have them."""

import asyncio

import orjson
import pytest

from pacsd.index.workitems import delete_finished
from pacsd.web.services import WebLimits
from pacsd.web.worklist.answers import RESERVATION_TEXTS, STATUS
from pacsd.web.xml_model import native_model
from pacsd.workflow.refusals import Reason, Reservation
from tests.web.worklist.conftest import Desk
from tests.workflow.steps import attribute, first, performed, progress, step

JSON, XML = {"Content-Type": "application/dicom+json"}, {"Content-Type": "application/dicom+xml"}
ONE, LOCK = "1.2.826.0.1.3680043.9.1", "1.2.3.4"
SERVICE = "299 http://pacs.test/dicom-web: "


def create(desk: Desk, uid: str = ONE, **changes) -> None:
    answer = desk.post(f"/workitems?{uid}", content=orjson.dumps(step(**changes)), headers=JSON)
    assert answer.status_code == 201, answer.text


def state(desk: Desk, state: str, lock: str | None = LOCK, uid: str = ONE):
    body = {"00741000": attribute("CS", state), **({"00081195": attribute("UI", lock)} if lock else {})}
    return desk.request("PUT", f"/dicom-web/workitems/{uid}/state", content=orjson.dumps(body), headers=JSON)


def update(desk: Desk, changes, query: str = "", uid: str = ONE):
    return desk.post(f"/workitems/{uid}{query}", content=orjson.dumps(changes), headers=JSON)


def test_every_reason_and_reservation_has_its_answer():
    assert set(STATUS) == set(Reason) and set(RESERVATION_TEXTS) == set(Reservation)


@pytest.mark.parametrize("query", [f"?{ONE}", f"?workitem={ONE}"])
def test_a_workitem_is_created_under_the_uid_of_the_query(desk, query):
    answer = desk.post("/workitems" + query, content=orjson.dumps(step()), headers=JSON)
    assert answer.status_code == 201 and answer.headers["location"] == f"http://pacs.test/dicom-web/workitems/{ONE}"
    assert answer.headers["content-location"] == answer.headers["location"] and "warning" not in answer.headers
    again = desk.post("/workitems" + query, content=orjson.dumps(step()), headers=JSON)
    assert again.status_code == 409 and again.json()["dimse_status"] == "0111"


def test_a_uid_comes_from_the_data_set_or_is_made(desk):
    inside = {**step(), "00080018": attribute("UI", ONE)}
    answer = desk.post("/workitems", content=orjson.dumps([inside]), headers=JSON)
    assert answer.headers["location"].endswith("/" + ONE)
    made = desk.post("/workitems", content=orjson.dumps(step()), headers=JSON)
    assert made.status_code == 201 and "/workitems/2.25." in made.headers["location"]
    other = desk.post("/workitems?1.2.3", content=orjson.dumps(inside), headers=JSON)
    assert other.status_code == 400


def test_what_is_filled_in_is_told(desk):
    answer = desk.post(f"/workitems?{ONE}", content=orjson.dumps(step(t00741202=None)), headers=JSON)
    assert answer.status_code == 201
    assert answer.headers["warning"] == SERVICE + "The Workitem was created with modifications."
    assert first(desk.get(f"/workitems/{ONE}").json(), "00741202") == "WORKLIST"


@pytest.mark.parametrize("query", ["?nothing", "?1.2.3&1.2.4", "?workitem=01.2", "?color=red", "?workitem="])
def test_a_query_that_is_no_uid_is_refused(desk, query):
    assert desk.post("/workitems" + query, content=orjson.dumps(step()), headers=JSON).status_code == 400


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"t00741204": None}, "0120"), ({"t00741000": attribute("CS", "COMPLETED")}, "C309"),
     ({"t00741200": attribute("CS", "VERY")}, "0106"), ({"t00741216": attribute("SQ", {})}, "0106")],
)  # fmt: skip
def test_a_workitem_that_lacks_something_is_refused(desk, changes, status):
    answer = desk.post(f"/workitems?{ONE}", content=orjson.dumps(step(**changes)), headers=JSON)
    assert answer.status_code == 400 and answer.json()["dimse_status"] == status
    assert "Zhang" not in answer.text


def test_it_is_retrieved_as_json_and_as_xml_without_its_lock(desk):
    create(desk)
    state(desk, "IN PROGRESS")
    answer = desk.get(f"/workitems/{ONE}")
    assert answer.headers["content-type"] == "application/dicom+json"
    assert first(answer.json(), "00080018") == ONE and first(answer.json(), "00741000") == "IN PROGRESS"
    as_xml = desk.get(f"/workitems/{ONE}", headers={"Accept": "application/dicom+xml"})
    assert as_xml.headers["content-type"] == "application/dicom+xml" and b"IN PROGRESS" in as_xml.content
    assert LOCK not in answer.text and LOCK not in as_xml.text and "00081195" not in as_xml.text
    assert desk.get(f"/workitems/{ONE}", headers={"Accept": "image/png"}).status_code == 406
    assert desk.get("/workitems/1.2.3").status_code == 404


def test_xml_goes_in_as_well_as_json(desk):
    answer = desk.post(f"/workitems?{ONE}", content=native_model(step()), headers=XML)
    assert answer.status_code == 201 and "warning" not in answer.headers
    kept = desk.get(f"/workitems/{ONE}").json()
    assert {tag: kept[tag] for tag in step()} == step()
    claim = native_model({"00741000": attribute("CS", "IN PROGRESS"), "00081195": attribute("UI", LOCK)})
    assert desk.request("PUT", f"/dicom-web/workitems/{ONE}/state", content=claim, headers=XML).status_code == 200


@pytest.mark.parametrize("query", [f"?{LOCK}", f"?transaction-uid={LOCK}", ""])
def test_what_was_claimed_is_updated_with_its_transaction_uid(desk, query):
    create(desk)
    assert state(desk, "IN PROGRESS").status_code == 200
    changes = progress(50) if query else {**progress(50), "00081195": attribute("UI", LOCK)}
    answer = update(desk, changes, query)
    assert answer.status_code == 200 and answer.content == b""
    assert first(desk.get(f"/workitems/{ONE}").json(), "00741002") == progress(50)["00741002"]["Value"][0]


INCONSISTENT = "The submitted request is inconsistent with the current state of the Workitem."
UNCLAIMED = "The target URI did not reference a claimed Workitem."
OF_STATE = "The submitted request is inconsistent with the state of the UPS Instance."


@pytest.mark.parametrize(
    ("claimed", "query", "status", "text"),
    [(False, f"?{LOCK}", 409, UNCLAIMED), (True, "", 400, INCONSISTENT), (True, "?9.9", 400, INCONSISTENT)],
)
def test_updates_that_are_refused(desk, claimed, query, status, text):
    create(desk)
    if claimed:
        state(desk, "IN PROGRESS")
    answer = update(desk, progress(1), query)
    assert (answer.status_code, answer.headers["warning"]) == (status, SERVICE + text)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [(b"{", "application/dicom+json", 400), (b"[]", "application/dicom+json", 400), (b"x", "text/plain", 415),
     (b'{"00741200":{"vr":"CS","Value":["VERY"]}}', "application/dicom+json", 400),
     (b'{"00100020":{"vr":"LO","Value":["P2"]}}', "application/dicom+json", 400)],
)  # fmt: skip
def test_every_failed_update_and_change_of_state_has_a_warning(desk, body, content_type, status):
    create(desk)
    for method, path, text in (("POST", f"/dicom-web/workitems/{ONE}", INCONSISTENT),
                               ("PUT", f"/dicom-web/workitems/{ONE}/state", OF_STATE)):  # fmt: skip
        answer = desk.request(method, path, content=body, headers={"Content-Type": content_type})
        assert (answer.status_code, answer.headers["warning"]) == (status, SERVICE + text)
    assert update(desk, progress(1), uid="1.2.3").headers["warning"] == SERVICE + UNCLAIMED


def test_an_update_of_what_has_ended_and_of_what_may_not_be_set(desk):
    create(desk)
    assert update(desk, {"00100010": attribute("PN", {"Alphabetic": "Li^Si"})}).status_code == 400
    assert update(desk, {"00741000": attribute("CS", "COMPLETED")}).json()["dimse_status"] == "0106"
    assert update(desk, {"00080018": attribute("UI", "1.2.9")}).status_code == 400
    assert update(desk, {"00080018": attribute("UI", ONE), "00741204": attribute("LO", "New")}).status_code == 200
    desk.post(f"/workitems/{ONE}/cancelrequest")
    answer = update(desk, progress(1), f"?{LOCK}")
    assert (answer.status_code, answer.headers["warning"]) == (400, SERVICE + INCONSISTENT)
    assert update(desk, progress(1), uid="1.2.3").status_code == 404


@pytest.mark.parametrize(
    ("before", "asked", "lock", "status", "text"),
    [
        ([], "COMPLETED", LOCK, 409, OF_STATE),
        ([], "CANCELED", LOCK, 409, OF_STATE),
        ([], "IN PROGRESS", None, 400, "The Transaction UID is missing."),
        ([], "SCHEDULED", LOCK, 400, OF_STATE),
        (["IN PROGRESS"], "IN PROGRESS", LOCK, 409, OF_STATE),
        (["IN PROGRESS"], "IN PROGRESS", "9.9", 400, "The Transaction UID is incorrect."),
        (["IN PROGRESS"], "COMPLETED", LOCK, 409, OF_STATE),
        (["IN PROGRESS"], "CANCELED", "9.9", 400, "The Transaction UID is incorrect."),
        (["IN PROGRESS", "CANCELED"], "CANCELED", LOCK, 200, "The UPS is already in the requested state of CANCELED."),
        (["IN PROGRESS", "CANCELED"], "COMPLETED", LOCK, 409, OF_STATE),
        (["IN PROGRESS", "CANCELED"], "IN PROGRESS", LOCK, 409, OF_STATE),
    ],
)
def test_changes_of_state_that_change_nothing(desk, before, asked, lock, status, text):
    create(desk)
    for one in before:
        assert state(desk, one).status_code == 200
    answer = state(desk, asked, lock)
    assert (answer.status_code, answer.headers["warning"]) == (status, SERVICE + text)


def test_a_workitem_is_completed_once(desk):
    create(desk)
    state(desk, "IN PROGRESS")
    update(desk, performed(), f"?{LOCK}")
    assert state(desk, "COMPLETED").status_code == 200
    again = state(desk, "COMPLETED")
    assert again.status_code == 200
    assert again.headers["warning"] == SERVICE + "The UPS is already in the requested state of COMPLETED."
    refused = desk.post(f"/workitems/{ONE}/cancelrequest")
    assert (refused.status_code, refused.headers["warning"]) == (409, SERVICE + "The UPS is already COMPLETED.")


def test_bodies_of_a_change_of_state(desk):
    create(desk)
    started, canceled = ({"00741000": attribute("CS", one)} for one in ("STARTED", "CANCELED"))
    for body in ({}, started, {**progress(1), **canceled}):
        answer = desk.request("PUT", f"/dicom-web/workitems/{ONE}/state", content=orjson.dumps(body), headers=JSON)
        assert answer.status_code == 400
    assert state(desk, "IN PROGRESS", uid="1.2.3").status_code == 404


def test_requests_to_cancel(desk):
    create(desk)
    assert desk.post("/workitems/1.2.3/cancelrequest").status_code == 404
    reason = orjson.dumps({"00741238": attribute("LT", "not needed")})
    assert desk.post(f"/workitems/{ONE}/cancelrequest", content=reason, headers=JSON).status_code == 202
    assert first(desk.get(f"/workitems/{ONE}").json(), "00741000") == "CANCELED"
    again = desk.post(f"/workitems/{ONE}/cancelrequest")
    text = "The UPS is already in the requested state of CANCELED."
    assert (again.status_code, again.headers["warning"]) == (202, SERVICE + text)
    create(desk, "1.2.4")
    state(desk, "IN PROGRESS", uid="1.2.4")
    refused = desk.post("/workitems/1.2.4/cancelrequest")
    assert (refused.status_code, refused.headers["warning"]) == (409, SERVICE + "The performer cannot be contacted.")
    assert desk.post("/workitems/1.2.4/subscribers/AI").status_code == 201
    assert desk.post("/workitems/1.2.4/cancelrequest").status_code == 202


def test_what_was_deleted_is_gone(desk, office):
    create(desk)
    desk.post(f"/workitems/{ONE}/cancelrequest")
    delete_finished(office.index, keep_s=0, grace_s=0)
    assert desk.get(f"/workitems/{ONE}").status_code == 410
    assert state(desk, "IN PROGRESS").status_code == 410
    assert update(desk, progress(1)).status_code == 410


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"[" * 10_000 + b"]" * 10_000, "application/dicom+json", 400),
        (b'{"0040A370":{"vr":"SQ","Value":[' * 200 + b"]}}" * 200, "application/dicom+json", 400),
        (b'{"0040A370":{"vr":"SQ","Value":[' * 300 + b"]}}" * 300, "application/json", 400),
        (b"{}", "application/dicom", 415),
        (b"{}", "", 415),
        (b"", "application/dicom+json", 400),
        (b'{"00741204":{"vr":"LO","Value":["\xff"]}}', "application/dicom+json", 400),
        (b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><NativeDicomModel>&a;</NativeDicomModel>',
         "application/dicom+xml", 400),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><NativeDicomModel/>', "application/dicom+xml", 400),
        (b"<a>" * 10_000 + b"</a>" * 10_000, "application/dicom+xml", 400),
        (b"<NativeDicomModel>", "application/dicom+xml", 400),
        (b"[" + b"0," * (1 << 20) + b"0]", "application/dicom+json", 413),
    ],
)  # fmt: skip
def test_hostile_bodies(desk, content, content_type, status):
    for method, path in (("POST", f"?{ONE}"), ("POST", f"/{ONE}"), ("PUT", f"/{ONE}/state")):
        answer = desk.request(
            method, "/dicom-web/workitems" + path, content=content, headers={"Content-Type": content_type}
        )
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("pause_s", [1.0, 0.01])
def test_a_workitem_that_stalls_or_dribbles_in_is_refused(office, pause_s):
    desk = Desk(office, limits=WebLimits(upload_stall_s=0.05, min_upload_bytes_per_s=10_000))

    async def dribble():
        for byte in orjson.dumps(step()):
            yield bytes([byte])
            await asyncio.sleep(pause_s)

    answer = desk.post(f"/workitems?{ONE}", content=dribble(), headers=JSON)
    assert answer.status_code == 408 and answer.headers["connection"] == "close"
