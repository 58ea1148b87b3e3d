"""Who signs in and out, and who does not get in, is on record."""

from dataclasses import replace

import pytest

from pacsd.audit.codes import LOGIN, LOGOUT, Event, Outcome
from pacsd.index import oauth_users
from pacsd.oauth import totp
from pacsd.oauth.app import OAuthApp
from pacsd.oauth.desk import open_desk
from pacsd.oauth.recording import Recording
from pacsd.oauth.sign_in import TOTP_PURPOSE
from tests.oauth.house import PASSWORD, House
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
