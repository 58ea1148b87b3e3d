"""Who signs in and out, and who does not get in, is on record."""

from dataclasses import replace

import pytest

from pacsd.audit.codes import LOGIN, LOGOUT, Event, Kind, Outcome
from pacsd.audit.message import AuditMessage
from pacsd.index import oauth_users
from pacsd.oauth import totp
from pacsd.oauth.app import OAuthApp
from pacsd.oauth.client_authentication import ASSERTION_TYPE
from pacsd.oauth.desk import open_desk
from pacsd.oauth.recording import LAUNCH, PICKER, Recording
from pacsd.oauth.sign_in import TOTP_PURPOSE
from tests.oauth.house import ORIGIN, PASSWORD, House, request
from tests.web.test_recording import Kept


@pytest.fixture
def recorded(house: House) -> tuple[House, Kept]:
    kept = Kept()
    provider = replace(house.provider, recording=Recording(kept, "ARCHIVE"))
    desk = open_desk(provider)
    app = OAuthApp(desk, run=house.app._run, address=house.app._address)
    return replace(house, provider=provider, desk=desk, app=app), kept


def told(kept: Kept) -> list[tuple[str, str, Outcome, str]]:
    assert all(one.event is Event.USER_AUTHENTICATION for one in kept.messages)
    return [(one.types[0].code, one.agents[0].user_id, one.outcome, one.agents[0].organisation)
            for one in kept.messages]  # fmt: skip


def test_in_out_and_wrong_passwords(recorded: tuple[House, Kept]) -> None:
    house, kept = recorded
    person = house.browser(**{"x-test-address": "10.77.0.1"})
    assert person.sign_in("nobody77", "wrong").status_code == 403
    assert person.sign_in("wang", "wrong password").status_code == 403
    assert person.sign_in().status_code == 303
    assert person.submit(person.http.get("/oauth/account"), {"action": "sign-out"}).status_code == 200
    assert told(kept) == [
        (LOGIN.code, "nobody77", Outcome.MINOR_FAILURE, ""), (LOGIN.code, "wang", Outcome.MINOR_FAILURE, "east"),
        (LOGIN.code, "wang", Outcome.SUCCESS, "east"), (LOGOUT.code, "wang", Outcome.SUCCESS, "east"),
    ]  # fmt: skip
    assert {one.agents[0].address for one in kept.messages} == {"10.77.0.1"}
    assert "wrong password" not in str(kept.messages[0])


def test_a_password_alone_is_no_sign_in_where_a_code_is_asked_for(recorded: tuple[House, Kept]) -> None:
    house, kept = recorded
    house.administration.add_user("coded77", PASSWORD + "co", organisation="east", roles=["clinician"])
    user = oauth_users.user(house.pool, "coded77")
    assert user is not None
    secret = totp.new_secret()
    sealed = house.provider.sealer.seal(TOTP_PURPOSE, secret)
    oauth_users.set_totp(house.pool, user.pk, sealed)
    assert oauth_users.take_totp(house.pool, user.pk, 1, sealed=sealed)
    person = house.browser(**{"x-test-address": "10.77.0.2"})
    shown = person.http.get(person.sign_in("coded77", PASSWORD + "co").headers["location"])
    assert kept.messages == []
    assert person.submit(shown, {"code": "000000"}).status_code == 403
    assert told(kept) == [(LOGIN.code, "coded77", Outcome.MINOR_FAILURE, "east")]
    assert kept.messages[0].reason == "wrong code"


def test_clients_that_act_for_themselves_and_those_that_prove_nothing(recorded: tuple[House, Kept]) -> None:
    house, kept = recorded
    given = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    assert house.post("token", {**given, "client_id": "viewer", "client_secret": "x"}).status_code == 401
    assert house.post("token", given, auth=house.basic("gateway")).status_code == 200
    assert told(kept) == [(LOGIN.code, "viewer", Outcome.MINOR_FAILURE, ""),
                          (LOGIN.code, "gateway", Outcome.SUCCESS, "east")]  # fmt: skip


@pytest.mark.parametrize("name", ["token", "revoke", "introspect", "launch"])
def test_a_client_that_proves_nothing_is_on_record_by_the_name_it_gave(recorded: tuple[House, Kept], name: str) -> None:
    house, kept = recorded
    given = {"grant_type": "client_credentials", "token": "x"}
    assert house.post(name, given, auth=("his", "wrong")).status_code == 401
    assertion = house.mint.signed({"sub": "gateway"})
    told_by = {"client_assertion": assertion, "client_assertion_type": ASSERTION_TYPE}
    assert house.post(name, {**given, **told_by}).status_code == 401
    assert house.post(name, {**given, "client_id": "nobody\n<b>", "client_secret": "x"}).status_code == 401
    assert house.post(name, {**given, **told_by, "client_assertion": "no.t.oken"}).status_code == 401
    assert told(kept) == [(LOGIN.code, one, Outcome.MINOR_FAILURE, "")
                          for one in ("his", "gateway", "nobody<b>", "anonymous")]  # fmt: skip


@pytest.mark.parametrize(("name", "client"), [("token", "viewer"), ("introspect", "his"), ("launch", "gateway")])
def test_a_client_that_asks_for_what_it_may_not_do_is_on_record(
    recorded: tuple[House, Kept], name: str, client: str
) -> None:
    house, kept = recorded
    proof = {"auth": house.basic(client)} if client in house.secrets else {}
    given = {"grant_type": "client_credentials", "token": "x", "client_id": client}
    assert house.post(name, given, **proof).status_code in (400, 401)
    assert told(kept) == [(LOGIN.code, client, Outcome.MINOR_FAILURE, "")]
    assert "may not" in kept.messages[0].reason


def about(one: AuditMessage) -> list[tuple[Kind, str, str]]:
    return [(it.kind, it.authority, it.id or it.query.decode()) for it in one.objects]


def test_patients_who_are_looked_for_are_on_record_with_whom_was_shown(recorded: tuple[House, Kept]) -> None:
    house, kept = recorded
    person = house.browser(**{"x-test-address": "10.77.0.4"})
    person.sign_in()
    kept.messages.clear()
    query = request(scope="launch/patient patient/*.rs", aud=f"{ORIGIN}/fhir")[0]
    page = person.http.get("/oauth/patient", params={"continue": query})
    assert page.status_code == 200 and kept.messages == []           # nobody was looked for yet
    shown = person.http.get("/oauth/patient", params={"continue": query, "q": "李"})
    assert "李 雷" in shown.text
    (one,) = kept.messages
    assert (one.event, one.types, one.outcome) == (Event.QUERY, (PICKER,), Outcome.SUCCESS)
    assert about(one) == [(Kind.QUERY, "", "李"), (Kind.PATIENT, "EAST-HIS", "000123")]
    assert (one.agents[0].user_id, one.agents[0].address, one.agents[1].user_id) == ("wang", "10.77.0.4", "ARCHIVE")


def test_launches_are_on_record_with_their_patient(recorded: tuple[House, Kept]) -> None:
    house, kept = recorded
    his = house.basic("his")
    asked = {"patient_identifier": "EAST-HIS|000123", "encounter": "e1"}
    assert house.post("launch", asked, auth=his).status_code == 200
    assert house.post("launch", {"patient": "Patient/nobody"}, auth=his).status_code == 400
    assert house.post("launch", {}, auth=his).status_code == 200
    given, missed, bare = kept.messages
    assert about(given) == [(Kind.PATIENT, "EAST-HIS", "000123"), (Kind.RESOURCE, "", "Encounter/e1")]
    assert (given.event, given.types, given.agents[0].user_id) == (Event.PATIENT_RECORD, (LAUNCH,), "his")
    assert missed.outcome is Outcome.MINOR_FAILURE and about(missed) == [(Kind.QUERY, "", "Patient/nobody")]
    assert bare.outcome is Outcome.SUCCESS and about(bare) == []


def test_nobody_gets_in_unrecorded(house: House) -> None:
    class Full(Kept):
        def write(self, *messages: object) -> tuple[str, int]:
            from pacsd.faults import Fault, PacsdError

            raise PacsdError(Fault.UNAVAILABLE, "the access cannot be recorded")

    provider = replace(house.provider, recording=Recording(Full(), "ARCHIVE"))
    app = OAuthApp(open_desk(provider), run=house.app._run, address=house.app._address)
    person = replace(house, provider=provider, app=app).browser(**{"x-test-address": "10.77.0.3"})
    answer = person.sign_in()
    assert answer.status_code == 503 and "pacsd-session" not in answer.headers.get("set-cookie", "")
    other = house.browser()
    other.sign_in()
    person.http.cookies.update(other.http.cookies)
    query = request(scope="launch/patient patient/*.rs", aud=f"{ORIGIN}/fhir")[0]
    shown = person.http.get("/oauth/patient", params={"continue": query, "q": "李"})
    assert shown.status_code == 503 and "李 雷" not in shown.text
    full = replace(house, provider=provider, app=app)
    assert full.post("launch", {"patient": "p-li"}, auth=house.basic("his")).status_code == 503
