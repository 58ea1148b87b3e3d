"""patch (http://hl7.org/fhir/R4/http.html#patch)."""

import base64
import json
from typing import Any

from tests.fhir.house import House, issue, patient
from tests.fhir.interaction.test_transaction import bundle, entry, statuses

JSON_PATCH = "application/json-patch+json"


def replaced(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def parameters(path: str, value: str) -> dict[str, Any]:
    parts = [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": path},
             {"name": "value", "valueCode": value}]  # fmt: skip
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


def patched(house: House, path: str, *operations: dict[str, Any], **headers: str) -> Any:
    body = json.dumps(list(operations)).encode()
    return house.request("PATCH", path, body, content_type=JSON_PATCH, **headers)


def test_a_patch_makes_a_version(house: House) -> None:
    house.put("Patient/p", patient(id="p", gender="male"))
    first = patched(house, "Patient/p", replaced("/gender", "female"), if_match='W/"1"')
    assert first.status_code == 200 and first.headers["etag"] == 'W/"2"' and first.json()["gender"] == "female"
    second = house.request("PATCH", "Patient/p", parameters("Patient.gender", "other"))
    assert second.status_code == 200 and second.json()["gender"] == "other"
    assert house.get("Patient/p/_history").json()["entry"][0]["request"]["method"] == "PATCH"
    text = b'<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:Patient/f:gender/@value">unknown</replace></diff>'
    third = house.request("PATCH", "Patient/p", text, content_type="application/xml-patch+xml")
    assert third.status_code == 200 and third.json()["gender"] == "unknown"
    assert patched(house, "Patient/p", replaced("/gender", "unknown")).headers["etag"] == 'W/"4"'


def test_what_a_patch_may_not_do_is_refused(house: House) -> None:
    house.put("Patient/p", patient(id="p", gender="male"))
    house.put("Patient/gone", patient(id="gone"))
    house.delete("Patient/gone")
    change = replaced("/gender", "female")
    assert issue(patched(house, "Patient/p", change, if_match='W/"7"')) == (412, "conflict")
    assert issue(patched(house, "Patient/gone", change)) == (410, "deleted")
    assert issue(patched(house, "Patient/nobody", change)) == (404, "not-found")
    assert issue(patched(house, "Patient/p", replaced("/id", "q"))) == (422, "invalid")
    assert issue(patched(house, "Patient/p", replaced("/gender", "purple")))[0] == 422
    assert issue(patched(house, "Patient/p", replaced("/nothing/here", "x")))[0] == 400
    for kind in ("text/plain", "application/merge-patch+json"):
        refused = house.request("PATCH", "Patient/p", b"{}", content_type=kind)
        assert issue(refused)[0] == 415 and JSON_PATCH in refused.headers["accept-patch"]
    assert house.get("Patient/p").headers["etag"] == 'W/"1"'


def test_a_patch_may_say_by_criteria_whom_it_means(house: House) -> None:
    house.put("Patient/p", patient(id="p", identifier=[{"system": "http://x", "value": "1"}]))
    answer = patched(house, "Patient?identifier=http://x|1", replaced("/active", False))
    assert answer.status_code == 200 and answer.json()["id"] == "p"
    assert issue(patched(house, "Patient?identifier=http://x|2", replaced("/active", False))) == (404, "not-found")


def test_a_transaction_has_patches(house: House) -> None:
    for name in "pq":
        house.put(f"Patient/{name}", patient(id=name, gender="male"))
    text = json.dumps([replaced("/gender", "female")]).encode()
    binary = {"resourceType": "Binary", "contentType": JSON_PATCH, "data": base64.b64encode(text).decode()}
    answer = house.post("", bundle(
        entry("PATCH", "Patient/p", binary), entry("PATCH", "Patient/q", parameters("Patient.gender", "other")),
    ))  # fmt: skip
    assert statuses(answer) == ["200", "200"]
    assert [house.get(f"Patient/{name}").json()["gender"] for name in "pq"] == ["female", "other"]
