"""create, read, vread, update and delete, over HTTP (http://hl7.org/fhir/R4/http.html)."""

import re

import pytest

from tests.fhir.house import BASE, House, issue, patient


def test_what_is_created_is_read_back_as_it_was_said(house: House) -> None:
    body = (b'{"resourceType":"Observation","status":"final","valueQuantity":{"value":1.10,"unit":"mm"},'
            b'"code":{"text":"\xe9\x95\xbf"}}')  # fmt: skip
    made = house.post("Observation", body, content_type="application/fhir+json")
    assert made.status_code == 201
    where = re.fullmatch(rf"{BASE}/Observation/([A-Za-z0-9\-.]+)/_history/1", made.headers["location"])
    assert where and made.headers["etag"] == 'W/"1"' and "last-modified" in made.headers
    read = house.get(f"Observation/{where[1]}")
    assert read.status_code == 200 and read.content == made.content and read.headers["etag"] == 'W/"1"'
    assert b'"value":1.10' in read.content and "长" in read.text
    told = read.json()
    assert told["id"] == where[1] and told["meta"]["versionId"] == "1" and told["meta"]["lastUpdated"].endswith("Z")


def test_an_id_in_the_body_of_a_create_counts_for_nothing(house: House) -> None:
    assert house.post("Patient", patient(id="mine")).json()["id"] != "mine"
    assert house.get("Patient/mine").status_code == 404


def test_versions_follow_each_other_and_stay(house: House) -> None:
    assert house.put("Patient/p", patient(id="p")).status_code == 201
    second = house.put("Patient/p", patient(id="p", gender="female"))
    assert second.status_code == 200 and second.headers["etag"] == 'W/"2"'
    assert second.headers["location"] == f"{BASE}/Patient/p/_history/2"
    first = house.get("Patient/p/_history/1")
    assert first.status_code == 200 and "gender" not in first.json() and first.headers["etag"] == 'W/"1"'
    assert house.get("Patient/p/_history/2").json() == house.get("Patient/p").json() == second.json()
    for number in ("3", "0", "x", "99999999999999999999"):
        assert issue(house.get(f"Patient/p/_history/{number}")) == (404, "not-found")


def test_an_update_that_says_nothing_new_makes_no_version(house: House) -> None:
    first = house.put("Patient/p", patient(id="p"))
    again = house.put("Patient/p", patient(id="p", meta={"versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z"}))
    assert again.status_code == 200 and again.headers["etag"] == 'W/"1"' and again.content == first.content
    assert house.get("Patient/p/_history").json()["total"] == 1


def test_what_is_deleted_is_gone_and_may_come_back(house: House) -> None:
    house.put("Patient/p", patient(id="p"))
    gone = house.delete("Patient/p")
    assert gone.status_code == 204 and gone.headers["etag"] == 'W/"2"' and not gone.content
    read = house.get("Patient/p")
    assert issue(read) == (410, "deleted") and read.headers["etag"] == 'W/"2"'
    assert issue(house.get("Patient/p/_history/2")) == (410, "deleted")
    assert house.get("Patient/p/_history/1").status_code == 200
    again = house.delete("Patient/p")
    assert again.status_code == 204 and again.headers["etag"] == 'W/"2"'
    back = house.put("Patient/p", patient(id="p"))
    assert back.status_code == 201 and back.headers["etag"] == 'W/"3"'
    assert house.get("Patient/p").status_code == 200
    never = house.delete("Patient/nobody")
    assert never.status_code == 204 and "etag" not in never.headers


def test_a_write_that_names_an_older_version_is_refused(house: House) -> None:
    house.put("Patient/p", patient(id="p"))
    house.put("Patient/p", patient(id="p", gender="male"), if_match='W/"1"')
    stale = house.put("Patient/p", patient(id="p", gender="other"), if_match='W/"1"')
    assert issue(stale) == (412, "conflict") and stale.headers["etag"] == 'W/"2"'
    assert house.delete("Patient/p", if_match='W/"1"').status_code == 412
    assert house.put("Patient/new", patient(id="new"), if_match='W/"1"').status_code == 412
    assert house.put("Patient/p", patient(id="p", gender="other"), if_none_match="*").status_code == 412
    assert house.delete("Patient/p", if_match='W/"2"').status_code == 204


def test_who_knows_the_newest_version_is_told_so(house: House) -> None:
    made = house.put("Patient/p", patient(id="p"))
    for told in (
        {"if_none_match": 'W/"1"'}, {"if_none_match": '"9", W/"1"'},
        {"if_modified_since": made.headers["last-modified"]},
    ):
        known = house.get("Patient/p", **told)
        assert known.status_code == 304 and not known.content and known.headers["etag"] == 'W/"1"'
    assert house.get("Patient/p", if_none_match='W/"2"').status_code == 200
    assert house.get("Patient/p", if_modified_since="Thu, 01 Jan 1998 00:00:00 GMT").status_code == 200
    assert house.get("Patient/p", if_modified_since="yesterday").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("PUT", "Patient/p", patient(id="q"), (400, "invalid")),
        ("PUT", "Patient/p", patient(), (400, "invalid")),
        ("PUT", "Patient/a_b", patient(id="a_b"), (400, "value")),
        ("PUT", "Patient/" + "x" * 65, patient(id="x" * 65), (400, "value")),
        ("POST", "Patient", {"resourceType": "Observation"}, (400, "invalid")),
        ("POST", "Patient", {"active": True}, (400, "invalid")),
        ("POST", "Patient", b"", (400, "required")),
        ("POST", "Patient", b"{", (400, "structure")),
        ("POST", "Patient", b"[]", (400, "structure")),
        ("POST", "Nothing", {"resourceType": "Nothing"}, (404, "not-supported")),
        ("GET", "Nothing/1", None, (404, "not-supported")),
        ("GET", "Patient/1/2/3/4/5/6/7", None, (404, "not-supported")),
        ("PUT", "Patient/p/_history", patient(id="p"), (405, "not-supported")),
        ("GET", "Patient/p/$nothing", None, (404, "not-supported")),
        ("PUT", "Patient/p", patient(id="p", meta=[]), (422, "structure")),
    ],
)
def test_what_cannot_be_is_refused(
    house: House, method: str, path: str, body: object, expected: tuple[int, str]
) -> None:
    assert issue(house.request(method, path, body, content_type="application/fhir+json")) == expected


def test_anothers_resource_is_not_there_and_its_name_is_taken(house: House) -> None:
    house.put("Patient/p", patient(id="p"))
    house.act_as(house.member("west"))
    assert issue(house.get("Patient/p")) == issue(house.get("Patient/q"))
    assert issue(house.get("Patient/p/_history")) == issue(house.get("Patient/p/_history/1")) == (404, "not-found")
    assert house.delete("Patient/p").headers.get("etag") == house.delete("Patient/q").headers.get("etag")
    assert issue(house.put("Patient/p", patient(id="p"))) == (409, "duplicate")
    assert house.get("_history").json().get("entry", []) == []
    house.act_as(house.member("west", "east"))
    assert house.get("Patient/p").status_code == 200
    assert issue(house.put("Patient/p", patient(id="p"))) == issue(house.delete("Patient/p")) == (403, "forbidden")


def test_the_client_says_what_it_wants_back(house: House) -> None:
    minimal = house.post("Patient", patient(), prefer="return=minimal")
    assert minimal.status_code == 201 and not minimal.content and "location" in minimal.headers
    told = house.post("Patient", patient(), prefer='return="OperationOutcome"; handling=strict')
    assert told.status_code == 201 and told.json()["resourceType"] == "OperationOutcome"
    whole = house.post("Patient", patient(), prefer="return=representation")
    assert whole.json()["resourceType"] == "Patient"


def test_conditions_tell_nothing_of_what_is_anothers(house: House) -> None:
    house.put("Patient/p", patient(id="p"))
    house.act_as(house.member("west"))
    patch, kind = b'[{"op": "replace", "path": "/active", "value": false}]', "application/json-patch+json"
    for match in ('W/"1"', 'W/"2"', "*"):
        told = [
            [house.put(f"Patient/{name}", patient(id=name), if_match=match),
             house.delete(f"Patient/{name}", if_match=match),
             house.request("PATCH", f"Patient/{name}", patch, content_type=kind, if_match=match)]
            for name in "pq"
        ]  # fmt: skip
        assert [(issue(one), "etag" in one.headers) for one in told[0]] == [
            (issue(one), "etag" in one.headers) for one in told[1]] == [((412, "conflict"), False)] * 3
