"""Opening a study or patient, closing it, masked stubs and the broken glass: over HTTP, on a region of its own."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pacsd.access.principal import PatientKey, Role
from pacsd.archive.journal import FactKind
from pacsd.index.access_grants import appliers
from pacsd.index.care_encounters import appliers as care_appliers
from tests.access.region import STUDIES, Region, admission, ask, filled, link, somebody, store
from tests.conftest import Postgres
from tests.synthetic import study as study_of

WEST, EAST_READER = STUDIES["west"].study_instance_uid, "radiologist@east"
ADMINISTRATOR = "administrator@west"


@pytest.fixture(scope="module")
def whole(postgres: Postgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    with filled(postgres, migrated_template, tmp_path_factory.mktemp("grants")) as made:
        yield made


@pytest.fixture
def region(whole: Region) -> Region:
    """With nothing granted."""
    whole.rows("update access_grant set revoked_at = now() where revoked_at is null returning pk")
    whole.later()
    return whole


def parameters(**values: Any) -> dict[str, Any]:
    """`reason="x"`: a string; a pair: the type and the value."""
    rows = []
    for name, value in values.items():
        kind, one = value if isinstance(value, tuple) else ("String", value)
        rows.append({"name": name, f"value{kind}": one})
    return {"resourceType": "Parameters", "parameter": rows}


def study(code: str = "west") -> tuple[str, str]:
    return "Uri", f"urn:oid:{STUDIES[code].study_instance_uid}"


def name_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    return next(str(one["valueString"]) for one in answer.json()["parameter"] if one["name"] == "name")


def sees(region: Region, token: str, uid: str = WEST) -> bool:
    """DICOMweb and FHIR say the same."""
    region.later()
    status = {region.request("GET", f"/dicom-web/studies/{uid}{rest}", token).status_code for rest in ("/metadata", "")}
    found = region.fhir("GET", f"ImagingStudy?identifier=urn:oid:{uid}&_summary=count", token).json()["total"]
    assert status in ({200}, {404}) and (found == 1) == (status == {200})
    return status == {200}


def share(region: Region, **values: Any) -> Any:
    given = {"study": study(), "organisation": "east", "reason": "a second opinion", **values}
    return region.fhir("POST", "$share", ADMINISTRATOR, parameters(**{k: v for k, v in given.items() if v is not None}))


def test_a_study_is_shared_with_an_organisation_and_closed_again(region: Region) -> None:
    assert not sees(region, EAST_READER)
    name = name_of(share(region))
    assert sees(region, EAST_READER) and sees(region, "system@east") and not sees(region, "radiologist@south")
    assert not sees(region, "technologist@east")                 # whose own organisation's images are all they need
    listed = region.fhir("GET", "$shares", ADMINISTRATOR).json()["parameter"]
    assert [part["valueString"] for part in listed[0]["part"] if part["name"] == "name"] == [name]
    closed = region.fhir("POST", "$unshare", ADMINISTRATOR, parameters(name=name, reason="over"))
    assert closed.status_code == 200 and not sees(region, EAST_READER)
    again = region.fhir("POST", "$unshare", ADMINISTRATOR, parameters(name=name, reason="over"))
    assert again.status_code == 404


def test_a_study_is_shared_with_one_user(region: Region) -> None:
    name_of(share(region, subject="radiologist@east"))
    assert sees(region, EAST_READER) and not sees(region, "clinician@east")


def test_a_grant_has_its_time(region: Region) -> None:
    name_of(share(region, start=("DateTime", "2099-01-01T00:00:00Z")))
    name_of(share(region, start=("DateTime", "2001-01-01T00:00:00Z"), end=("DateTime", "2002-01-01T00:00:00Z")))
    assert not sees(region, EAST_READER)


def test_a_patient_is_shared_with_all_that_is_about_them(region: Region) -> None:
    system = "urn:oid:1.2.3.2"                                   # of WEST, as the settings have it
    name_of(share(region, study=None, patient=("Identifier", {"system": system, "value": "W1"})))
    assert sees(region, EAST_READER)
    found = region.fhir("GET", "DiagnosticReport?_total=accurate", EAST_READER).json()
    assert found["total"] == 2                                   # both reports of the patient


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"study": study("east")}, 404), ({"study": ("Uri", "urn:oid:1.2.3")}, 404), ({"study": None}, 422),
        ({"organisation": "nowhere"}, 422), ({"organisation": "west"}, 422), ({"reason": "  "}, 422),
        ({"reason": "a\nb"}, 422), ({"end": ("DateTime", "2001-01-01T00:00:00Z")}, 422), ({"organisation": None}, 400),
        ({"patient": ("Identifier", {"system": "urn:oid:1.2.3.2", "value": "W1"})}, 422),
        ({"study": None, "patient": ("Identifier", {"system": "urn:oid:1.2.3.1", "value": "E1"})}, 404),
        ({"study": None, "patient": ("Identifier", {"system": "http://other", "value": "E1"})}, 422),
    ],
)  # fmt: skip
def test_what_cannot_be_shared_is_refused(region: Region, changes: dict[str, Any], status: int) -> None:
    assert share(region, **changes).status_code == status
    assert region.rows("select from access_grant where revoked_at is null") == []


def test_only_an_administrator_of_the_owner_shares(region: Region) -> None:
    for token in ("radiologist@west", "system@west", "patient@west"):
        answer = region.fhir("POST", "$share", token, parameters(study=study(), organisation="east", reason="x"))
        assert answer.status_code == 403
    other = region.fhir("POST", "$share", "administrator@east",
                        parameters(study=study(), organisation="south", reason="x"))  # fmt: skip
    assert other.status_code == 404
    name = name_of(share(region))
    stolen = region.fhir("POST", "$unshare", "administrator@east", parameters(name=name, reason="x"))
    assert stolen.status_code == 404


def test_a_care_relation_shows_a_masked_stub_and_nothing_else(region: Region) -> None:
    answer = region.fhir("GET", "$masked-studies?patient=urn:oid:1.2.3.1|E1", EAST_READER).json()
    assert answer["total"] == 2
    one = next(entry["resource"] for entry in answer["entry"]
               if entry["resource"]["identifier"][0]["value"] == f"urn:oid:{WEST}")  # fmt: skip
    assert set(one) <= {"resourceType", "meta", "identifier", "status", "subject", "modality", "started", "location"}
    assert one["subject"] == {"display": "masked"} and one["location"] == {"display": "Hospital west"}
    assert "W1" not in answer.__repr__() and STUDIES["west"].accession_number not in answer.__repr__()
    for token, patient in (("radiologist@south", "urn:oid:1.2.3.3|S1"), ("radiologist@south", "urn:oid:1.2.3.2|W1")):
        assert region.fhir("GET", f"$masked-studies?patient={patient}", token).json()["total"] == 0


def break_glass(region: Region, token: str, code: str = "west", reason: str = "unconscious") -> Any:
    return region.fhir("POST", "$break-glass", token, parameters(study=study(code), reason=reason))


def test_the_glass_is_broken_by_one_user_for_one_study_for_some_hours(region: Region) -> None:
    answer = break_glass(region, EAST_READER)
    assert answer.status_code == 200
    assert sees(region, EAST_READER) and not sees(region, "clinician@east") and not sees(region, "system@east")
    ((kind, subject, reason, hours),) = region.rows(
        """select kind, grantee_subject, reason, extract(epoch from valid_until - valid_from) / 3600 from access_grant
        where revoked_at is null"""
    )
    assert (kind, subject, reason, int(hours)) == ("break-glass", EAST_READER, "unconscious", 12)
    region.rows("update access_grant set valid_until = now() where revoked_at is null returning pk")
    assert not sees(region, EAST_READER)


def test_without_a_care_relation_there_is_no_glass(region: Region) -> None:
    hidden, absent = break_glass(region, "radiologist@south"), region.fhir(
        "POST", "$break-glass", "radiologist@south",
        parameters(study=("Uri", "urn:oid:1.2.3.4.5"), reason="unconscious"))  # fmt: skip
    assert hidden.status_code == absent.status_code == 404 and hidden.json() == absent.json()


@pytest.mark.parametrize("role", ["system", "researcher", "technologist", "administrator", "auditor", "patient"])
def test_a_device_breaks_no_glass(region: Region, role: str) -> None:
    assert break_glass(region, f"{role}@east").status_code == 403


def test_a_reason_is_needed(region: Region) -> None:
    assert break_glass(region, EAST_READER, reason=" ").status_code == 422


def test_what_was_granted_and_revoked_takes_effect_again_from_the_journal(region: Region) -> None:
    kept, gone = name_of(share(region)), name_of(share(region, organisation="south"))
    region.fhir("POST", "$unshare", ADMINISTRATOR, parameters(name=gone, reason="over"))
    before = region.rows("select * from access_grant where name = any(%s)", [kept, gone])
    columns = "name, organisation, grantee, kind, study_instance_uid, valid_from, valid_until, said_by, reason"
    asked = f"select {columns}, revoked_at is null from access_grant where name = any(%s) order by name"
    found = region.rows(asked, [kept, gone])
    region.rows("delete from access_grant returning pk")
    keys = {code: region.key(code) for code in ("east", "west", "south")}
    apply = {FactKind(word): one for word, one in appliers(region.archive.pool, keys).items()}
    for _ in range(2):
        for fact in region.archive.journal.replay():
            if fact.kind in apply:
                apply[fact.kind](fact)
    assert region.rows(asked, [kept, gone]) == found and len(before) == 2


def test_what_is_revoked_is_closed_within_seconds(region: Region) -> None:
    name = name_of(share(region))
    assert sees(region, EAST_READER)
    region.fhir("POST", "$unshare", ADMINISTRATOR, parameters(name=name, reason="over"))
    path = f"/dicom-web/studies/{WEST}/metadata"
    region.clock[0] += 4.0
    assert region.request("GET", path, EAST_READER).status_code == 200      # what was resolved serves a little longer
    region.clock[0] += 1.5
    assert region.request("GET", path, EAST_READER).status_code == 404


def test_denied_wins_over_granted(region: Region) -> None:
    name_of(share(region))
    region.rows(
        """insert into access_grant (organisation, grantee, permits, valid_from, name, kind, grantee_subject, roles,
            purposes, study_instance_uid, assigning_authority, patient_id, said_by, reason)
        values (%s, %s, false, now(), 'no', 'consent', '', '{radiologist}', '{}', '', 'WEST', 'W1', 'x', 'x')
        returning pk""", region.key("west"), region.key("east"))  # fmt: skip
    assert not sees(region, EAST_READER) and sees(region, "clinician@east")
    assert region.fhir("GET", "$masked-studies?patient=urn:oid:1.2.3.1|E1", EAST_READER).json()["total"] == 0
    assert break_glass(region, EAST_READER).status_code == 404


def test_many_grants_are_refused_when_they_are_made(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacsd.access.grants.MOST_GRANTS", 1)
    name_of(share(region))
    assert share(region).status_code == 413


def test_a_patient_without_a_patient_sees_nothing(region: Region) -> None:
    lost = replace(somebody(Role.PATIENT, "west"), patient=None)
    scope = region.resolution.access(lost).scope
    assert scope.organisations == () and scope.opened is not None and scope.opened.studies == ()


def test_a_launch_for_one_patient_shows_that_patient(region: Region) -> None:
    launched = replace(somebody(Role.CLINICIAN, "west"), context=PatientKey("WEST", "W1"),
                       permissions=("patient/*.rs",))  # fmt: skip
    scope = region.resolution.access(launched).scope
    assert scope.organisations == () and scope.opened is not None
    assert scope.opened.patients == ((region.key("west"), scope.opened.patients[0][1]),)
    other = region.resolution.access(replace(launched, context=PatientKey("EAST", "nobody"))).scope
    assert other.opened is not None and other.opened.patients == ()


@pytest.fixture(scope="module")
def seen_elsewhere(whole: Region) -> str:
    """A study of somebody whom the south knows too, and has no order for."""
    of = study_of(61, 20, patient_id="W2", accession_number="Aw2", modality="CT")
    store(whole.archive, "west", of)
    for application, patient in (("WRIS", "W2"), ("SRIS", "S2")):
        assert ask(whole.exchange, admission(application, patient))[0] == "AA"
    link(whole.archive, ("SOUTH", "S2"), ("WEST", "W2"))
    return of.study_instance_uid


def visit(ident: str = "v1", *, patient: str = "S2", authority: int = 3, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Encounter", "id": ident, "status": "in-progress",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"identifier": {"system": f"urn:oid:1.2.3.{authority}", "value": patient}}, **changes,
    }  # fmt: skip
    return {name: value for name, value in made.items() if value is not None}


def cared_for(region: Region, uid: str, token: str = "radiologist@south") -> bool:
    """Whether the south may know of a study, and break the glass for it."""
    told = region.fhir("GET", "$masked-studies?patient=urn:oid:1.2.3.3|S2", token).json()
    known = [one["resource"]["identifier"][0]["value"] for one in told.get("entry", ())] == [f"urn:oid:{uid}"]
    broken = region.fhir("POST", "$break-glass", token, parameters(study=("Uri", f"urn:oid:{uid}"), reason="fell"))
    region.rows("update access_grant set revoked_at = now() where kind = 'break-glass' returning pk")
    assert broken.status_code == (200 if known else 404)
    return known


AGO = "2001-01-01T00:00:00Z"
LATELY = (datetime.now(UTC) - timedelta(days=30)).date().isoformat()         # a day: processes that share tests agree


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, True), ({"status": "arrived"}, True), ({"status": "onleave"}, True), ({"period": {"start": "2025"}}, True),
    ({"period": {"start": "2025", "end": "9999-12-31"}}, True),
    ({"status": "finished", "period": {"start": AGO, "end": LATELY}}, True), ({"status": "finished"}, True),
    ({"status": "finished", "period": {"start": AGO, "end": AGO}}, False), ({"status": "planned"}, False),
    ({"status": "cancelled"}, False), ({"status": "entered-in-error"}, False), ({"status": "unknown"}, False),
    ({"period": {"start": "2099-01-01"}}, False), ({"patient": "W2", "authority": 2}, False),
    ({"patient": "S1"}, False), ({"subject": None}, False),
], ids=str)  # fmt: skip
def test_an_encounter_is_a_care_relation(
    region: Region, seen_elsewhere: str, changes: dict[str, Any], expected: bool
) -> None:
    assert not cared_for(region, seen_elsewhere)
    assert region.fhir("PUT", "Encounter/v1", "clinician@south", visit(**changes)).status_code in (200, 201)
    assert cared_for(region, seen_elsewhere) is expected
    assert not cared_for(region, seen_elsewhere, "radiologist@east")
    assert region.fhir("DELETE", "Encounter/v1", "clinician@south").status_code in (200, 204)
    assert not cared_for(region, seen_elsewhere)


def test_an_encounter_that_changes_is_what_it_says_last(region: Region, seen_elsewhere: str) -> None:
    for changes, expected in (({"status": "planned"}, False), ({}, True), ({"patient": "S1"}, False), ({}, True),
                              ({"status": "cancelled"}, False)):  # fmt: skip
        assert region.fhir("PUT", "Encounter/v2", "clinician@south", visit("v2", **changes)).status_code in (200, 201)
        assert cared_for(region, seen_elsewhere) is expected
    bad = visit("v3", period={"start": "yesterday"})
    assert region.fhir("PUT", "Encounter/v3", "clinician@south", bad).status_code in (400, 422)


def test_an_identifier_that_no_patient_can_have_is_kept_and_means_nobody(region: Region) -> None:
    endless = "".join(f"{number * 7919:x}" for number in range(1_000))
    assert region.fhir("PUT", "Encounter/v7", "clinician@south", visit("v7", patient=endless)).status_code == 201
    assert not region.rows("select from care_encounter where name = 'Encounter/v7'")
    region.fhir("DELETE", "Encounter/v7", "clinician@south")


def test_an_encounter_of_a_record_that_was_merged_is_one_of_its_survivor(region: Region, seen_elsewhere: str) -> None:
    assert ask(region.exchange, admission("SRIS", "S9"))[0] == "AA"
    assert region.fhir("PUT", "Encounter/v4", "clinician@south", visit("v4", patient="S9")).status_code == 201
    assert not cared_for(region, seen_elsewhere)
    merged = admission("SRIS", "S2").replace("ADT^A08^ADT_A01", "ADT^A40^ADT_A39").replace("|aS2|", "|mS2|")
    assert ask(region.exchange, merged.partition("PV1")[0] + "MRG|S9\r")[0] == "AA"
    assert cared_for(region, seen_elsewhere)
    region.fhir("DELETE", "Encounter/v4", "clinician@south")


def test_encounters_take_effect_again_from_the_journal(region: Region, seen_elsewhere: str) -> None:
    assert region.fhir("PUT", "Encounter/v5", "clinician@south", visit("v5")).status_code == 201
    assert region.fhir("PUT", "Encounter/v6", "clinician@south", visit("v6")).status_code == 201
    assert region.fhir("DELETE", "Encounter/v6", "clinician@south").status_code in (200, 204)
    asked = "select * from care_encounter order by organisation, name"
    found = region.rows(asked)
    region.rows("delete from care_encounter returning name")
    assert not cared_for(region, seen_elsewhere)
    (apply,) = care_appliers(region.archive.pool, {one: region.key(one) for one in ("east", "west", "south")}).values()
    said = [fact for fact in region.archive.journal.replay() if fact.kind is FactKind.CARE_ENCOUNTER]
    for fact in (*said, *reversed(said)):    # in any order, and again
        apply(fact)
    assert region.rows(asked) == found and cared_for(region, seen_elsewhere)
    region.fhir("DELETE", "Encounter/v5", "clinician@south")


def test_what_was_granted_to_all_of_a_hospital_is_in_its_exports_until_it_is_revoked(region: Region) -> None:
    mine = region.exported("ImagingStudy,Patient", "system@east")
    given = share(region, study=None, patient=("Identifier", {"system": "urn:oid:1.2.3.2", "value": "W1"}))
    user = share(region, study=study("south"), organisation="east", subject="radiologist@east")
    assert user.status_code in (200, 404)
    region.later()
    seen = {one["resource"]["id"] for kind in ("ImagingStudy", "Patient")
            for one in region.fhir("GET", kind, "system@east").json()["entry"]}  # fmt: skip
    assert set(region.exported("ImagingStudy,Patient", "system@east")) == seen > set(mine)
    region.fhir("POST", "$unshare", ADMINISTRATOR, parameters(name=name_of(given), reason="over"))
    region.later()
    assert region.exported("ImagingStudy,Patient", "system@east") == mine


def test_a_subscription_tells_of_what_was_granted_until_it_is_revoked(region: Region) -> None:
    channel = {"type": "websocket"}
    body = {"resourceType": "Subscription", "status": "requested", "reason": "a test", "criteria": "ImagingStudy",
            "channel": channel}  # fmt: skip
    assert region.fhir("POST", "Subscription", "technologist@east", body).status_code == 403
    ident = region.fhir("POST", "Subscription", "radiologist@east", body).json()["id"]
    assert region.told(ident) == 0

    def another(number: int, patient: str) -> None:
        store(region.archive, "west", study_of(61, number, patient_id=patient, accession_number=f"A{number}"))
        region.project()

    another(30, "W1")
    assert region.told(ident) == 0
    given = share(region, study=None, patient=("Identifier", {"system": "urn:oid:1.2.3.2", "value": "W1"}))
    region.later()
    another(31, "W1")
    another(32, "W3")
    assert region.told(ident) == 1
    region.fhir("POST", "$unshare", ADMINISTRATOR, parameters(name=name_of(given), reason="over"))
    region.later()
    another(33, "W1")
    assert region.told(ident) == 1
    region.fhir("DELETE", f"Subscription/{ident}", "radiologist@east")


TODAY = f"{datetime.now(UTC):%Y%m%d}"


def adt(event: str, number: str, *, patient: str = "S2", more: str = "") -> str:
    """A message of the south about a visit."""
    text = admission("SRIS", patient).replace("ADT^A08^ADT_A01", f"ADT^{event}").replace("|20260101\r", f"|{TODAY}\r")
    text = text.replace(f"|a{patient}|", f"|{uuid.uuid4().hex[:16]}|")
    return text.replace("PV1|1|O", f"PV1|1|I{'|' * 17}{number}{more}")


@pytest.mark.parametrize(("events", "expected"), [
    (("A01",), True), (("A04",), True), (("A01", "A02", "A13"), True), (("A08",), False), (("A05",), False),
    (("A01", "A03"), True), (("A01", "A11"), False), (("A03",), True), (("A11",), False), (("A01", "A11", "A01"), True),
], ids=str)  # fmt: skip
def test_a_visit_is_a_care_relation(
    region: Region, seen_elsewhere: str, events: tuple[str, ...], expected: bool
) -> None:
    assert not cared_for(region, seen_elsewhere)
    number = "V" + "".join(events) + str(expected)
    for event in events:
        assert ask(region.exchange, adt(event, number))[0] == "AA"
    assert cared_for(region, seen_elsewhere) is expected
    region.rows("delete from care_encounter where name like 'visit %%' returning name")


def test_a_visit_that_ended_long_ago_has_no_number_or_is_of_somebody_elses_patient_is_no_care(
    region: Region, seen_elsewhere: str
) -> None:
    dates = "|" * 25 + "20010101"
    for message in (
        adt("A03", "V80", more=f"{dates}|20010102"), adt("A01", "V81", more=f"{dates}|20010102"),
        adt("A01", '""'), adt("A01", ""), adt("A01", "V82").replace("PV1|1|I", "PV1|1|P"),
        adt("A03", "V83", patient="W2^^^WEST"), adt("A01", "V" * 300), adt("A01", "V\\X00\\84"),
        adt("A11", "V\\X00\\84"),
    ):  # fmt: skip
        assert ask(region.exchange, message)[0] == "AA", message
    assert not cared_for(region, seen_elsewhere)
    region.rows("delete from care_encounter where name like 'visit %%' returning name")


def test_visits_take_effect_again_from_the_journal(region: Region, seen_elsewhere: str) -> None:
    assert ask(region.exchange, adt("A01", "V90"))[0] == "AA"
    asked = "select * from care_encounter order by organisation, name"
    found = region.rows(asked)
    region.rows("delete from care_encounter returning name")
    (apply,) = care_appliers(region.archive.pool, {one: region.key(one) for one in ("east", "west", "south")}).values()
    for fact in region.archive.journal.replay():
        if fact.kind is FactKind.CARE_ENCOUNTER and fact.body["name"] == "visit V90":
            apply(fact)
    assert [row for row in found if row[1] == "visit V90"] == region.rows(asked) and cared_for(region, seen_elsewhere)
