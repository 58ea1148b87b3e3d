"""Passwords, second factors and sessions: what guessing costs, and whom it does not lock out."""

import base64
import copy
import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.index import oauth_sessions, oauth_users
from pacsd.oauth import totp
from pacsd.oauth.desk import open_desk
from tests.oauth.house import PASSWORD, House, Person, forms, hidden, request, settings


def user(house: House, name: str) -> None:
    house.administration.add_user(name, PASSWORD + name[:2], organisation="east", roles=["clinician"])


def tried(house: House, name: str, password: str, address: str, person: Person | None = None) -> Any:
    asking = person or house.browser()
    asking.http.headers["x-test-address"] = address
    return asking.sign_in(name, password)


def test_wrong_name_and_wrong_password_look_the_same(house: House) -> None:
    wrong = [tried(house, name, "wrong password", f"10.1.0.{n}") for n, name in enumerate(("wang", "nobody"))]
    texts = {re.sub(r'value="[^"]*"', "", one.text) for one in wrong}
    assert len(texts) == 1 and [one.status_code for one in wrong] == [403, 403]


def test_guessing_is_slowed_down_and_only_for_who_guesses(house: House) -> None:
    user(house, "guessed")
    answers = [tried(house, "guessed", "wrong", "10.2.0.1").status_code for _ in range(8)]
    assert answers[:5] == [403] * 5 and 429 in answers
    waiting = tried(house, "guessed", PASSWORD + "gu", "10.2.0.1")
    assert waiting.status_code == 429 and int(waiting.headers["retry-after"]) >= 1
    assert tried(house, "guessed", PASSWORD + "gu", "10.2.0.2").status_code == 303


def test_guessing_from_everywhere_locks_nobody_out_of_a_known_device(house: House) -> None:
    user(house, "known")
    device = house.browser()
    assert tried(house, "known", PASSWORD + "kn", "10.3.0.1", device).status_code == 303
    answers = [tried(house, "known", "wrong", f"10.3.1.{n}").status_code for n in range(30)]
    assert 429 in answers
    assert tried(house, "known", PASSWORD + "kn", "10.3.0.9").status_code == 429
    assert tried(house, "known", PASSWORD + "kn", "10.3.0.1", device).status_code == 303


def test_many_people_behind_one_address_sign_in(house: House) -> None:
    assert {tried(house, "wang", PASSWORD, "10.4.0.1").status_code for _ in range(55)} == {303}


def secret_of(page: str) -> bytes:
    """The secret that a page shows."""
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page)
    assert secret is not None
    text = secret[1].replace(" ", "")
    return base64.b32decode(text + "=" * (-len(text) % 8))


def set_up(person: Person, now: float) -> bytes:
    """The secret of an authenticator app that somebody set up."""
    shown = person.http.get("/oauth/set-up")
    found = secret_of(shown.text)
    assert "<svg" in shown.text and "viewBox" in shown.text          # so that all of it is seen, whatever its size
    wrong = person.submit(shown, {"code": "000000"})
    assert wrong.status_code == 403
    done = person.submit(shown, {"code": totp.code(found, int(now // 30))})
    assert done.status_code == 303
    return found


def test_second_factor_is_asked_for_and_its_code_counts_once(house: House) -> None:
    user(house, "careful")
    person = house.browser()
    person.sign_in("careful", PASSWORD + "ca")
    secret = set_up(person, house.now[0])
    other = house.browser()
    signed = other.sign_in("careful", PASSWORD + "ca", request()[0])
    assert signed.headers["location"].startswith("/oauth/second")
    assert other.http.get("/oauth/account").status_code == 303          # half signed in is not signed in
    assert "/oauth/login" in other.http.get(f"/oauth/authorize?{request()[0]}").headers["location"]
    shown = other.http.get(signed.headers["location"])
    before = totp.code(secret, int(house.now[0] // 30))
    assert other.submit(shown, {"code": before}).status_code == 403
    house.now[0] += 30
    code = totp.code(secret, int(house.now[0] // 30))
    done = other.submit(shown, {"code": code})
    assert done.headers["location"].startswith("/oauth/authorize?")
    thief = house.browser()
    second = thief.sign_in("careful", PASSWORD + "ca")
    assert thief.submit(thief.http.get(second.headers["location"]), {"code": code}).status_code == 403     # replayed
    tokens = other.tokens()
    principal = house.desk.tokens.verify(tokens["access_token"])
    assert principal.subject == "careful"
    removing = [n for n, (_, inner) in enumerate(forms(other.http.get("/oauth/account").text))
                if hidden(inner)["action"] == "remove"]  # fmt: skip
    assert other.submit(other.http.get("/oauth/account"), {"code": code}, form=removing[0]).status_code == 403


def test_codes_cannot_be_guessed(house: House) -> None:
    user(house, "target")
    person = house.browser()
    person.sign_in("target", PASSWORD + "ta")
    set_up(person, house.now[0])
    thief = house.browser()
    second = thief.sign_in("target", PASSWORD + "ta")
    shown = thief.http.get(second.headers["location"])
    answers = [thief.submit(shown, {"code": f"{n:06}"}).status_code for n in range(10)]
    assert set(answers[:5]) == {403} and 429 in answers


@pytest.mark.parametrize(("seconds", "code"), [(59, "94287082"), (1111111109, "07081804"), (20000000000, "65353130")])
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert totp.code(b"12345678901234567890", seconds // 30, digits=8) == code       # RFC 6238 Appendix B


def test_second_factor_that_is_required_is_set_up_before_anything(house: House) -> None:
    strict = open_house_again(house, second_factor="required")
    user(strict, "newcomer")
    person = strict.browser()
    signed = person.sign_in("newcomer", PASSWORD + "ne", request()[0])
    assert signed.headers["location"].startswith("/oauth/set-up")
    assert person.http.get("/oauth/account").status_code == 303
    set_up(person, strict.now[0])
    assert person.http.get("/oauth/account").status_code == 200
    patient = strict.browser()
    assert patient.sign_in("li").headers["location"] == "/oauth/account"


def test_a_session_that_ends_while_a_second_factor_is_set_up_is_begun_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = open_house_again(house, second_factor="required")
    user(strict, "late")
    person = strict.browser()
    person.sign_in("late", PASSWORD + "la", request()[0])
    shown = person.http.get("/oauth/set-up")
    monkeypatch.setattr(oauth_sessions, "raise_level", lambda *_told, **_more: False)
    code = totp.code(secret_of(shown.text), int(strict.now[0] // 30))
    done = person.submit(shown, {"code": code})
    assert done.status_code == 303 and done.headers["location"].startswith("/oauth/login")
    assert person.http.get("/oauth/account").status_code == 303


def open_house_again(house: House, **changes: Any) -> House:
    """Another server on the same database."""
    provider = replace(house.provider, settings=settings(**changes).security.oauth)
    other = copy.copy(house)
    other.provider, other.desk, other.app = provider, open_desk(provider), copy.copy(house.app)
    other.app._desk = other.desk
    return other


def test_account_shows_and_ends_sessions_and_permissions(house: House) -> None:
    user(house, "owner")
    here, there = house.browser(), house.browser(**{"user-agent": "Elsewhere/1 <b>"})
    for one in (here, there):
        one.sign_in("owner", PASSWORD + "ow")
    tokens = there.tokens()
    page = here.http.get("/oauth/account").text
    assert "Elsewhere/1 &lt;b&gt;" in page and "Viewer &lt;b&gt;" in page
    found = forms(page)
    revoking = next(n for n, (_, inner) in enumerate(found) if hidden(inner)["action"] == "revoke")
    here.submit(here.http.get("/oauth/account"), {}, form=revoking)
    house.now[0] += 6
    with pytest.raises(PacsdError) as caught:
        house.desk.tokens.verify(tokens["access_token"])
    assert caught.value.fault is Fault.UNAUTHENTICATED
    ending = next(n for n, (_, inner) in enumerate(forms(here.http.get("/oauth/account").text))
                  if hidden(inner)["action"] == "end")  # fmt: skip
    here.submit(here.http.get("/oauth/account"), {}, form=ending)
    assert there.http.get("/oauth/account").status_code == 303
    assert here.http.get("/oauth/account").status_code == 200


def test_nobody_ends_the_session_of_another(house: House, person: Person) -> None:
    user(house, "stranger")
    stranger = house.browser()
    stranger.sign_in("stranger", PASSWORD + "st")
    wang = oauth_users.user(house.pool, "wang")
    assert wang is not None
    for session in oauth_sessions.of_user(house.pool, wang.pk)[:3]:
        shown = stranger.http.get("/oauth/account")
        stranger.submit(shown, {"action": "end", "which": str(session.number)})
    assert person.http.get("/oauth/account").status_code == 200


def test_another_password_ends_everything_else(house: House) -> None:
    user(house, "changing")
    here, there = house.browser(), house.browser()
    for one in (here, there):
        one.sign_in("changing", PASSWORD + "ch")
    tokens = there.tokens(scope="openid offline_access user/*.rs")
    shown = here.http.get("/oauth/account")
    form = next(n for n, (_, inner) in enumerate(forms(shown.text)) if hidden(inner)["action"] == "password")
    assert here.submit(shown, {"old": "wrong", "new": "a new long password"}, form=form).status_code == 403
    for weak in ("short", "1111111111111", "my changing word", "password123"):
        assert here.submit(shown, {"old": PASSWORD + "ch", "new": weak}, form=form).status_code == 403
    assert here.submit(shown, {"old": PASSWORD + "ch", "new": "a new long phrase"}, form=form).status_code == 200
    assert here.http.get("/oauth/account").status_code == 200
    assert there.http.get("/oauth/account").status_code == 303
    with pytest.raises(PacsdError):
        house.desk.tokens.verify(tokens["access_token"])
    assert house.browser().sign_in("changing", PASSWORD + "ch").status_code == 403


def test_signing_out_ends_the_session_and_what_hung_on_it(house: House) -> None:
    user(house, "leaving")
    person = house.browser()
    person.sign_in("leaving", PASSWORD + "le")
    kept = person.tokens(scope="openid offline_access user/*.rs")["access_token"]
    gone = person.tokens()["access_token"]
    shown = person.http.get("/oauth/account")
    form = next(n for n, (_, inner) in enumerate(forms(shown.text)) if hidden(inner)["action"] == "sign-out")
    assert person.submit(shown, {}, form=form).status_code == 200
    assert person.http.get("/oauth/account").status_code == 303
    assert house.desk.tokens.verify(kept).subject == "leaving"
    with pytest.raises(PacsdError):
        house.desk.tokens.verify(gone)


def test_names_are_escaped_wherever_they_are_shown(house: House) -> None:
    house.administration.add_user("odd", PASSWORD, organisation="east", name='"><script>x</script>', roles=["auditor"])
    person = house.browser()
    person.sign_in("odd")
    for path in ("account", f"authorize?{request()[0]}"):
        text = person.http.get(f"/oauth/{path}").text
        assert "<script" not in text and '"><script>x</script>' in unescape(text)


@pytest.mark.parametrize(
    ("roles", "patient"), [(["emperor"], None), ([], None), (["patient"], None), (["patient", "clinician"], ("A", "1")),
                           (["clinician"], ("A", "1"))],
)  # fmt: skip
def test_users_that_cannot_be_are_refused(house: House, roles: list[str], patient: tuple[str, str] | None) -> None:
    with pytest.raises(PacsdError) as caught:
        house.administration.add_user("new", PASSWORD, organisation="east", roles=roles, patient=patient)
    assert caught.value.fault is Fault.INVALID


@pytest.mark.parametrize("uri", ["http://app.example/", "https://a.example/#x", "javascript:alert(1)", "data:,x",
                                 "https://u@a.example/", "https://a.example/\r\nx", "app:/cb", "https://a.example/;x"])
def test_redirect_uris_that_cannot_be_are_refused(house: House, uri: str) -> None:
    with pytest.raises(PacsdError) as caught:
        house.administration.add_client("new", organisation="east", redirect_uris=[uri])
    assert caught.value.fault is Fault.INVALID


@pytest.mark.parametrize(
    ("password", "fits"),
    [("elevenchars", False), ("twelve chars", True), ("x" * 60 + "yz1 ", True), ("密码是一句没人知道的长话", True),
     ("ab c\U0001f511 def ghi", True), ("abc" * 43, False), ("aaaaaaaaaaaaaa", False), ("only small letters", True)],
)  # fmt: skip
def test_passwords_are_as_long_as_they_should_be(house: House, password: str, fits: bool) -> None:
    """Twelve to 128 characters of any kind, none of them cut off."""
    name = f"user{abs(hash(password))}"
    if not fits:
        with pytest.raises(PacsdError):
            house.administration.add_user(name, password, organisation="east", roles=["clinician"])
        return
    house.administration.add_user(name, password, organisation="east", roles=["clinician"])
    assert tried(house, name, password[:-1], "10.9.0.1").status_code == 403
    assert tried(house, name, password, "10.9.0.2").status_code == 303
