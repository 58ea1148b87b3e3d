"""$meta, $meta-add and $meta-delete (http://hl7.org/fhir/R4/resource-operations.html)."""

from typing import Any

from tests.fhir.house import House, issue, patient

TAGS = [{"system": "http://x", "code": "a"}, {"system": "http://x", "code": "b", "display": "B"}]


def asked(**meta: Any) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}


def told(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    meta: dict[str, Any] = answer.json()["parameter"][0]["valueMeta"]
    return meta


def test_tags_come_and_go_and_are_searched_by(house: House) -> None:
    house.put("Patient/p", patient(id="p"))
    assert told(house.get("Patient/p/$meta"))["versionId"] == "1"
    assert told(house.post("Patient/p/$meta-add", asked(tag=TAGS[:1])))["tag"] == TAGS[:1]
    both = told(house.post("Patient/p/$meta-add", asked(tag=TAGS)))
    assert both["tag"] == TAGS and both["versionId"] == "3"
    assert told(house.post("Patient/p/$meta-add", asked(tag=TAGS)))["versionId"] == "3"
    assert house.get("Patient?_tag=http://x|b").json()["total"] == 1
    left = told(house.post("Patient/p/$meta-delete", asked(tag=TAGS)))
    assert "tag" not in left and house.get("Patient?_tag=http://x|b").json()["total"] == 0
    assert house.get("Patient/p").json()["active"] is True


def test_what_is_no_meta_is_refused(house: House) -> None:
    house.put("Patient/p", patient(id="p"))
    empty = {"resourceType": "Parameters"}
    for body, code in ((patient(), "structure"), (asked(tag="x"), "required"), (empty, "required"),
                       ({**empty, "parameter": 1}, "structure")):  # fmt: skip
        assert issue(house.post("Patient/p/$meta-add", body)) == (400, code)
    unknown = asked(tag=TAGS)
    unknown["parameter"].append({"name": "foo", "valueString": "x"})
    assert issue(house.post("Patient/p/$meta-add", unknown)) == (400, "not-supported")
    assert issue(house.post("Patient/p/$meta-add?foo=1", asked(tag=TAGS))) == (400, "not-supported")
    assert issue(house.get("Patient/p/$meta?foo=1")) == (400, "not-supported")
    assert house.get("Patient/p/$meta-add").status_code == 405
    assert issue(house.post("Patient/nobody/$meta-add", asked(tag=TAGS))) == (404, "not-found")
    assert issue(house.get("Patient/nobody/$meta")) == (404, "not-found")
    assert issue(house.get("$meta")) == (404, "not-supported")
    for tag in ({"code": 1}, {"system": [], "code": {}}):
        assert house.post("Patient/p/$meta-add", asked(tag=[tag])).status_code == 422
