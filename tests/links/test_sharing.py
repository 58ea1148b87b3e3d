"""Links over HTTP: made by FHIR, opened with a PIN, looked at by DICOMweb, over when they are; a region of its own."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from pacsd.archive.journal import FactKind
from pacsd.faults import Fault, PacsdError
from pacsd.index.links import appliers
from pacsd.links.link import digest_of, new_token
from pacsd.links.pins import Pins
from pacsd.links.records import REVOKED
from pacsd.links.visit import FREE_TRIES, MOST_TRIES, Outcome
from tests.access.region import BASE, STUDIES, UNRELEASED, Region, filled, link_to
from tests.access.test_grants import parameters, study
from tests.conftest import Postgres
from tests.oauth.house import QUICK

WEST = STUDIES["west"]
SERIES = f"/dicom-web/studies/{WEST.study_instance_uid}/series/{WEST.series_instance_uid(1)}"
INSTANCE = f"{SERIES}/instances/{WEST.sop_instance_uid(1, 1)}"
LOOKED_AT = (f"/dicom-web/studies?StudyInstanceUID={WEST.study_instance_uid}",
             f"/dicom-web/studies/{WEST.study_instance_uid}/series", f"{SERIES}/metadata", f"{INSTANCE}/frames/1",
             f"{INSTANCE}/rendered", f"{SERIES}/thumbnail")  # fmt: skip
TAKEN = (f"/dicom-web/studies/{WEST.study_instance_uid}", SERIES, INSTANCE)
MAKER, PATIENT, ADMINISTRATOR = "radiologist@west", "patient@west", "administrator@west"


@pytest.fixture(scope="module")
def whole(postgres: Postgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    with filled(postgres, migrated_template, tmp_path_factory.mktemp("links")) as made:
        yield made


@pytest.fixture
def region(whole: Region) -> Region:
    whole.noted.messages.clear()
    return whole


def made(region: Region, maker: str = MAKER, **values: Any) -> dict[str, Any]:
    """What $make-link tells, by name; the study of `west` where nothing else is said."""
    given = {"study": study(), **values}
    answer = region.fhir("POST", "$make-link", maker, parameters(**{k: v for k, v in given.items() if v is not None}))
    assert answer.status_code == 200, answer.content
    return {one["name"]: next(value for key, value in one.items() if key.startswith("value"))
            for one in answer.json()["parameter"]}  # fmt: skip


def path_of(link: Mapping[str, Any]) -> str:
    url = str(link["url"])
    assert url.startswith(f"{BASE}/l/")
    return url.removeprefix(BASE)


def entered(region: Region, link: Mapping[str, Any], pin: str | None = None, **headers: str) -> httpx.Response:
    """The form of a link's page, sent."""
    content = urlencode({"pin": link.get("pin", "") if pin is None else pin})
    form = {"content-type": "application/x-www-form-urlencoded", **headers}
    return region.request("POST", path_of(link), content=content, headers=form)


def cookie_of(answer: httpx.Response) -> str:
    """The session's cookie, as a browser sends it back."""
    assert answer.status_code == 303, answer.content
    return answer.headers["set-cookie"].partition(";")[0]


def looks(region: Region, cookie: str, path: str) -> int:
    return region.request("GET", path, headers={"cookie": cookie, "accept": "*/*"}).status_code


def test_a_link_leads_by_its_pin_to_one_study_and_nothing_else(region: Region) -> None:
    link = made(region)
    asked = region.request("GET", path_of(link))
    assert (asked.status_code, 'name="pin"' in asked.text) == (200, True)
    assert asked.headers["cache-control"] == "no-store" and "script-src" not in asked.headers["content-security-policy"]
    for word in ("W1", "WANG", WEST.study_instance_uid):                   # who it is about, nobody learns before
        assert word not in asked.text
    entry = entered(region, link)
    assert entry.headers["location"] == f"/film/{WEST.study_instance_uid}"
    told = entry.headers["set-cookie"].lower()
    assert told.startswith("__host-pacsd-link=") and {"httponly", "secure", "samesite=strict", "path=/"} <= {
        one.strip() for one in told.split(";")}  # fmt: skip
    cookie = cookie_of(entry)
    assert [looks(region, cookie, path) for path in LOOKED_AT] == [200] * len(LOOKED_AT)
    assert [looks(region, cookie, path) for path in TAKEN] == [403] * len(TAKEN)
    other = STUDIES["east"].study_instance_uid
    for uid in (other, UNRELEASED.study_instance_uid, "1.2.3"):
        assert looks(region, cookie, f"/dicom-web/studies/{uid}/metadata") == 404
    everything = region.request("GET", "/dicom-web/studies", headers={"cookie": cookie})
    assert [one["0020000D"]["Value"] for one in everything.json()] == [[WEST.study_instance_uid]]
    page = region.request("GET", f"/film/{WEST.study_instance_uid}", headers={"cookie": cookie})
    assert 'data-link="true" data-download="false"' in page.text and page.headers["cache-control"] == "no-store"
    for method, path in (("GET", "/fhir/Patient"), ("GET", "/fhir/ImagingStudy"), ("POST", "/fhir/$make-link"),
                         ("POST", "/dicom-web/studies"), ("GET", "/dicom-web/workitems"), ("GET", "/metrics"),
                         ("POST", "/fhir"), ("GET", "/wado?requestType=WADO")):  # fmt: skip
        answer = region.request(method, path, headers={"cookie": cookie, "content-type": "application/fhir+json"})
        assert answer.status_code == 403, (method, path, answer.status_code)


def test_a_link_may_let_the_study_be_taken_away(region: Region) -> None:
    link = made(region, download=("Boolean", True), protect=("Boolean", False))
    assert "pin" not in link and 'name="pin"' not in region.request("GET", path_of(link)).text
    cookie = cookie_of(entered(region, link))
    assert [looks(region, cookie, path) for path in (*LOOKED_AT, *TAKEN)] == [200] * (len(LOOKED_AT) + len(TAKEN))
    page = region.request("GET", f"/film/{WEST.study_instance_uid}", headers={"cookie": cookie})
    assert 'data-download="true"' in page.text
    zipped = region.request("GET", f"{TAKEN[0]}?accept=application/zip", headers={"cookie": cookie})
    assert zipped.status_code == 200 and zipped.content.startswith(b"PK")


def test_looking_at_the_page_counts_nothing_and_other_sites_cannot_send_its_form(region: Region) -> None:
    link = made(region, views=("Integer", 1))
    for method in ("GET", "HEAD", "GET"):
        assert region.request(method, path_of(link)).status_code == 200
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert entered(region, link, **headers).status_code == 403
    cookie = cookie_of(entered(region, link, origin=BASE))
    assert looks(region, cookie, LOOKED_AT[0]) == 200
    assert entered(region, link).status_code == region.request("GET", path_of(link)).status_code == 404
    assert looks(region, cookie, LOOKED_AT[0]) == 200                      # whoever is in stays in


def test_views_are_counted_however_many_come_at_once(region: Region) -> None:
    link = made(region, views=("Integer", 3), protect=("Boolean", False))
    token = path_of(link).removeprefix("/l/")
    with ThreadPoolExecutor(8) as many:
        outcomes = list(many.map(lambda _: region.visits.open(token, "", address="10.0.0.1").outcome, range(16)))
    assert sorted(one.name for one in outcomes) == ["GONE"] * 13 + ["OPENED"] * 3
    assert region.rows("select views from link where name = %s", link["name"]) == [(3,)]


def test_a_link_that_is_over_is_like_one_that_never_was(region: Region) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=region.clock[0] + 30)).isoformat()
    expiring, revoked = made(region, end=("DateTime", soon)), made(region)
    cookies = [cookie_of(entered(region, one)) for one in (expiring, revoked)]
    assert [looks(region, one, f"{SERIES}/metadata") for one in cookies] == [200, 200]
    told = parameters(name=revoked["name"], reason="a wrong number")
    assert region.fhir("POST", "$revoke-link", MAKER, told).status_code == 200
    assert region.fhir("POST", "$revoke-link", MAKER, told).status_code == 404
    region.later()
    assert [looks(region, one, f"{SERIES}/metadata") for one in cookies] == [401, 401]
    page = region.request("GET", f"/film/{WEST.study_instance_uid}", headers={"cookie": cookies[0]})
    assert page.status_code == 403 and "链接无效或已过期" in page.text
    unknown = region.request("GET", f"/l/{new_token()}")
    for one in (expiring, revoked):
        for answer in (region.request("GET", path_of(one)), entered(region, one)):
            assert (answer.status_code, answer.text) == (404, unknown.text)


def test_a_revocation_ends_running_sessions_within_five_seconds(region: Region) -> None:
    link = made(region)
    cookie = cookie_of(entered(region, link))
    assert looks(region, cookie, f"{SERIES}/metadata") == 200
    assert region.fhir("POST", "$revoke-link", MAKER, parameters(name=link["name"], reason="lost")).status_code == 200
    region.clock[0] += 4.9
    assert looks(region, cookie, f"{SERIES}/metadata") == 401


def test_a_session_lasts_no_longer_than_it_should(region: Region) -> None:
    cookie = cookie_of(entered(region, made(region)))
    region.clock[0] += 590.0
    assert looks(region, cookie, f"{SERIES}/metadata") == 200
    region.clock[0] += 20.0
    assert looks(region, cookie, f"{SERIES}/metadata") == 401


@pytest.mark.parametrize("forge", [
    lambda name, ends, mac: f"{name}.{int(ends) + 9}.{mac}",                # lasts longer
    lambda name, ends, mac: f"{name}.{ends}.{'A' * 43}",
    lambda name, ends, mac: f"{name}.{ends}.{mac[:-1]}",
    lambda name, ends, mac: f"{name}.{ends}",
    lambda name, ends, mac: f"00000000-0000-0000-0000-000000000000.{ends}.{mac}",
    lambda name, ends, mac: "", lambda name, ends, mac: "x" * 5_000, lambda name, ends, mac: "%00.9.\x01",
])  # fmt: skip
def test_forged_cookies_prove_nothing(region: Region, forge: Any) -> None:
    name, _, value = cookie_of(entered(region, made(region))).partition("=")
    assert looks(region, f"{name}={forge(*value.split('.'))}", f"{SERIES}/metadata") == 401


def test_a_cookie_is_of_its_own_link_alone(region: Region) -> None:
    values = [cookie_of(entered(region, made(region))).partition("=")[2].split(".") for _ in range(2)]
    mixed = f"__Host-pacsd-link={values[0][0]}.{values[0][1]}.{values[1][2]}"
    assert looks(region, mixed, f"{SERIES}/metadata") == 401


def test_a_token_goes_before_a_cookie(region: Region) -> None:
    cookie = cookie_of(entered(region, made(region)))
    told = {"cookie": cookie, "accept": "*/*"}
    assert region.request("GET", f"{SERIES}/metadata", "radiologist@east", headers=told).status_code == 404
    assert region.request("GET", f"{SERIES}/metadata", "nobody", headers=told).status_code == 401


def test_wrong_pins_are_slowed_down_and_then_end_the_link(region: Region) -> None:
    link = made(region)
    wrong = "7" + "3" * 4 + ("1" if link["pin"] != "733331" else "2")
    for _ in range(FREE_TRIES):
        assert entered(region, link, wrong).status_code == 403
    slowed = entered(region, link)                                         # the right one has to wait, too
    assert slowed.status_code == 429 and int(slowed.headers["retry-after"]) >= 1 and "秒后重试" in slowed.text
    for _ in range(MOST_TRIES - FREE_TRIES):
        region.clock[0] += 61.0
        assert entered(region, link, wrong).status_code == 403
    region.clock[0] += 61.0
    assert entered(region, link).status_code == 404
    reasons = [one.reason for one in region.noted.messages if one.reason]
    assert reasons.count(Outcome.WRONG_PIN.value) == MOST_TRIES and Outcome.WAIT.value in reasons
    assert [one.reason for one in region.noted.messages if REVOKED in one.types] == [Outcome.WAIT.value]


def test_a_right_pin_forgets_the_wrong_ones(region: Region) -> None:
    link = made(region, pin="271828")
    assert "pin" not in link                                               # who gave it knows it
    for _ in range(2):
        assert entered(region, link, "271829").status_code == 403
    cookie_of(entered(region, link, " ２７１８２８ "))
    assert region.rows("select tries, views from link where name = %s", link["name"]) == [(0, 1)]


def test_many_pins_at_once_are_no_more_than_one_after_the_other(region: Region) -> None:
    token = new_token()
    link = replace(link_to(WEST, region.key("west"), "guessed"), digest=digest_of(token) or b"",
                   pin=Pins(QUICK).hash("271828"))  # fmt: skip
    region.links.add(link)
    with ThreadPoolExecutor(8) as many:
        tried = many.map(lambda number: region.visits.open(token, f"{900_000 + number}", address=""), range(40))
        outcomes = [one.outcome for one in tried]
    assert outcomes.count(Outcome.WRONG_PIN) == FREE_TRIES
    assert outcomes.count(Outcome.WAIT) == 40 - FREE_TRIES


def test_every_use_and_refusal_is_on_record_and_the_token_is_not(region: Region) -> None:
    link = made(region)
    entered(region, link, "000001")
    entered(region, link)
    region.request("GET", f"/l/{new_token()}")
    kinds = [(one.types[0].code, one.outcome.name) for one in region.noted.messages]
    assert kinds == [("link-refused", "MINOR_FAILURE"), ("link-opened", "SUCCESS"), ("link-refused", "MINOR_FAILURE")]
    opened_one = region.noted.messages[1]
    assert opened_one.studies() == (WEST.study_instance_uid,) and opened_one.agents[0].user_id == f"link {link['name']}"
    written = repr(region.noted.messages)
    assert path_of(link).removeprefix("/l/") not in written and link["pin"] not in written
    kept = repr(region.rows("select * from link where name = %s", link["name"]))
    assert path_of(link).removeprefix("/l/") not in kept and link["pin"] not in kept


def test_a_history_follows_the_person_within_the_hospital(region: Region) -> None:
    link = made(region, study=None, patient=("Identifier", {"system": "urn:oid:1.2.3.2", "value": "W1"}))
    entry = entered(region, link)
    assert entry.headers["location"] == "/film"
    cookie = cookie_of(entry)
    listed = region.request("GET", "/dicom-web/studies", headers={"cookie": cookie}).json()
    assert {one["0020000D"]["Value"][0] for one in listed} == {WEST.study_instance_uid, UNRELEASED.study_instance_uid}
    page = region.request("GET", "/film", headers={"cookie": cookie})
    assert page.status_code == 200 and "history.js" in page.text
    assert region.request("GET", "/film").status_code == 404
    assert looks(region, cookie, f"/dicom-web/studies/{STUDIES['east'].study_instance_uid}/metadata") == 404


def test_a_person_passes_on_what_is_released_to_them(region: Region) -> None:
    cookie = cookie_of(entered(region, made(region, PATIENT, study=None,
                                            patient=("Identifier", {"system": "urn:oid:1.2.3.2", "value": "W1"}))))
    listed = region.request("GET", "/dicom-web/studies", headers={"cookie": cookie}).json()
    assert [one["0020000D"]["Value"] for one in listed] == [[WEST.study_instance_uid]]
    for values in ({"study": ("Uri", UNRELEASED.study_instance_uid)}, {"study": study("east")},
                   {"study": study("south")},
                   {"patient": ("Identifier", {"system": "urn:oid:1.2.3.1", "value": "E1"})}):  # fmt: skip
        answer = region.fhir("POST", "$make-link", PATIENT, parameters(**values))
        assert answer.status_code == 404, values


@pytest.mark.parametrize("values", [
    {"study": study("east")}, {"study": ("Uri", "1.2.3")},
    {"patient": ("Identifier", {"system": "urn:oid:1.2.3.2", "value": "nobody"})},
    {"patient": ("Identifier", {"system": "urn:oid:1.2.3.1", "value": "E1"})},
])  # fmt: skip
def test_what_its_maker_does_not_have_is_not_there(region: Region, values: Mapping[str, Any]) -> None:
    answer = region.fhir("POST", "$make-link", MAKER, parameters(**values))
    assert answer.status_code == 404 and "no such study or patient" in answer.text
    # what was only shared with a hospital is not that hospital's to pass on
    assert region.fhir("POST", "$make-link", "radiologist@south", parameters(study=study())).status_code == 404


@pytest.mark.parametrize(("values", "status"), [
    ({}, 422), ({"study": study(), "pin": "1111"}, 422), ({"study": study(), "views": ("Integer", 0)}, 422),
    ({"study": study(), "end": ("DateTime", "2001-01-01T00:00:00Z")}, 422),
    ({"study": study(), "end": ("DateTime", "2999-01-01T00:00:00Z")}, 422),
    ({"study": study(), "channel": "sms"}, 422), ({"study": study(), "channel": "sms", "recipient": "1"}, 422),
    ({"study": study(), "colour": "red"}, 400),
])  # fmt: skip
def test_links_that_make_no_sense_are_refused(region: Region, values: Mapping[str, Any], status: int) -> None:
    before = region.rows("select count(*) from link")
    assert region.fhir("POST", "$make-link", MAKER, parameters(**values)).status_code == status
    assert region.rows("select count(*) from link") == before


def test_a_pin_in_an_address_is_none_because_addresses_are_recorded(region: Region) -> None:
    refused = region.fhir("POST", "$make-link?pin=271828", MAKER, parameters(study=study()))
    assert refused.status_code == 422 and b"in the body" in refused.content


def names(answer: httpx.Response) -> set[str]:
    return {part["valueString"] for one in answer.json().get("parameter", ()) for part in one["part"]
            if part["name"] == "name"}  # fmt: skip


def test_makers_see_and_end_their_own_links_administrators_all_of_the_hospital(region: Region) -> None:
    one, other = made(region), made(region, "clinician@west")
    assert one["name"] in names(region.fhir("GET", "$links", MAKER))
    assert other["name"] not in names(region.fhir("GET", "$links", MAKER))
    assert {one["name"], other["name"]} <= names(region.fhir("GET", "$links", ADMINISTRATOR))
    assert not {one["name"], other["name"]} & names(region.fhir("GET", "$links", "administrator@east"))
    told = parameters(name=other["name"], reason="over")
    for who, status in ((MAKER, 404), ("administrator@east", 404), (ADMINISTRATOR, 200)):
        assert region.fhir("POST", "$revoke-link", who, told).status_code == status
    told = region.fhir("GET", "$links", MAKER).text
    assert path_of(one).removeprefix("/l/") not in told and one["pin"] not in told


def test_a_closed_film_is_shown_by_no_link_until_it_is_reopened(region: Region) -> None:
    link = made(region)
    cookie = cookie_of(entered(region, link))
    told = parameters(study=study(), reason="printed, not paid")
    assert region.fhir("POST", "$close-film", "administrator@east", told).status_code == 404
    assert region.fhir("POST", "$close-film", "system@west", told).status_code == 200
    assert region.fhir("POST", "$close-film", "system@west", told).status_code == 404
    region.later()
    assert looks(region, cookie, f"{SERIES}/metadata") == 404
    refused = entered(region, link)
    assert refused.status_code == 403 and "在线查看已关闭" in refused.text
    assert {entered(region, link).status_code for _ in range(MOST_TRIES)} == {403}     # never for a wrong PIN
    assert region.request("GET", f"{SERIES}/metadata", MAKER).status_code == 200       # staff go on
    assert region.fhir("POST", "$reopen-film", ADMINISTRATOR, told).status_code == 200
    region.later()
    assert looks(region, cookie, f"{SERIES}/metadata") == 200
    cookie_of(entered(region, link))


def test_a_denial_wins_over_a_link(region: Region) -> None:
    cookie = cookie_of(entered(region, made(region)))
    region.rows("""insert into access_grant (organisation, permits, valid_from, name, kind, grantee_subject, roles,
        purposes, study_instance_uid, assigning_authority, patient_id, said_by, reason)
        values (%s, false, now(), 'no', 'consent', '', '{}', '{}', %s, '', '', 'her', 'no') returning pk""",
                region.key("west"), WEST.study_instance_uid)  # fmt: skip
    try:
        region.later()
        assert looks(region, cookie, f"{SERIES}/metadata") == 404
    finally:
        region.rows("delete from access_grant where name = 'no' returning pk")
        region.later()


def test_the_journal_brings_links_back_and_their_counts(region: Region) -> None:
    link, over = made(region, views=("Integer", 2)), made(region)
    entered(region, link)
    region.fhir("POST", "$revoke-link", MAKER, parameters(name=over["name"], reason="over"))
    columns = """name, organisation, views, max_views, download, released, made_at, expires_at, revoked_at, digest, pin,
        made_by, studies, assigning_authority, patient_id"""
    statement = f"select {columns} from link where made_by <> 'a test' order by name"
    before = region.rows(statement)
    films = region.rows("select organisation, study_instance_uid, closed from film_closure order by 2")
    region.rows("delete from link returning pk")
    region.rows("delete from film_closure returning closed")
    apply = {FactKind(word): one for word, one in appliers(region.archive.pool, region.archive.directory.keys).items()}
    for _ in range(2):                                                     # a fact that is told again changes nothing
        for fact in region.archive.journal.replay():
            if fact.kind in apply:
                apply[fact.kind](fact)
        assert region.rows(statement) == before
        assert region.rows("select organisation, study_instance_uid, closed from film_closure order by 2") == films
    cookie_of(entered(region, link))                                       # its second view
    assert entered(region, link).status_code == 404 and entered(region, over).status_code == 404


def test_a_link_whose_fact_or_record_is_not_kept_opens_nothing(region: Region) -> None:
    link = made(region, views=("Integer", 5))
    token = path_of(link).removeprefix("/l/")

    def full(_facts: Any) -> None:
        raise PacsdError(Fault.FULL, "no room left")

    broken = replace(region.links, say=full)
    with pytest.raises(PacsdError):
        broken.view(link["name"], at=datetime.now(UTC))
    with pytest.raises(PacsdError):
        broken.add(link_to(WEST, region.key("west"), "never"))
    assert region.rows("select views from link where name = %s", link["name"]) == [(0,)]
    assert region.rows("select from link where name = 'never'") == []
    assert region.visits.open(token, link["pin"], address="").outcome is Outcome.OPENED


def test_forms_that_are_none_are_refused(region: Region) -> None:
    link = made(region)
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert region.request("POST", path_of(link), content=b"pin=" + b"1" * 5_000, headers=form).status_code == 413
    for content in (b"", b"\xff\xfe", b"pin", b"a=1&b=2&c=3&d=4&e=5&pin=1", orjson.dumps({"pin": link["pin"]})):
        assert region.request("POST", path_of(link), content=content, headers=form).status_code in (403, 429)


def test_pages_speak_the_language_of_the_phone(region: Region) -> None:
    link = made(region)
    assert 'lang="zh-CN"' in region.request("GET", path_of(link)).text
    assert 'lang="en"' in region.request("GET", path_of(link), headers={"accept-language": "en-GB,zh"}).text


def test_a_link_of_a_patient_names_its_patient_on_record(region: Region) -> None:
    link = made(region, PATIENT)
    entered(region, link)
    objects = region.noted.messages[-1].objects
    assert (objects[0].authority, objects[0].id) == ("WEST", "W1")
