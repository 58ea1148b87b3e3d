"""What is tried on people and on apps that people let in, over HTTPS, against the running server."""

import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from pacsd.oauth import totp
from tests.oauth.house import CALLBACK, PASSWORD, VERIFIER, forms, hidden, request
from tests.oauth.test_sign_in import secret_of
from tests.security.house import Guarded

OFFLINE = "openid profile offline_access user/*.rs"


def submit(http: httpx.Client, shown: httpx.Response, data: dict[str, Any], *, form: int = 0, **told: Any) -> Any:
    """A form of a page, with what is hidden in it."""
    action, inner = forms(shown.text)[form]
    return http.post(action, data={**hidden(inner), **data}, **told)


def sign_in(http: httpx.Client, name: str = "wang", password: str = PASSWORD) -> httpx.Response:
    """The log-in form, filled in."""
    answer: httpx.Response = submit(http, http.get("/oauth/login"), {"username": name, "password": password})
    return answer


@contextmanager
def person(house: Guarded, name: str = "wang") -> Iterator[httpx.Client]:
    """Somebody who is signed in."""
    with house.client() as http:
        assert sign_in(http, name).status_code == 303
        yield http


def asked(**changes: str) -> str:
    return request(scope=OFFLINE, **changes)[0]


def allowed(http: httpx.Client, **changes: str) -> dict[str, str]:
    """What the app is told once the person allowed all."""
    shown = http.get(f"/oauth/authorize?{asked(**changes)}")
    assert shown.status_code == 200, shown.headers
    answer = submit(http, shown, {"decision": "allow", "granted": ["user/*.rs"]})
    assert answer.status_code == 303 and answer.headers["location"].startswith(CALLBACK), answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def exchanged(http: httpx.Client, code: str, **changes: str) -> httpx.Response:
    told = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER,
            "client_id": "viewer", **changes}  # fmt: skip
    return http.post("/oauth/token", data=told)


def refreshed(http: httpx.Client, token: str) -> httpx.Response:
    return http.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": token,
                                           "client_id": "viewer"})  # fmt: skip


def reads(house: Guarded, token: str) -> int:
    with house.client(token) as http:
        return http.get("/fhir/Patient?_count=1").status_code


def test_a_code_that_is_replayed_takes_back_what_it_gave(guarded: Guarded) -> None:
    with person(guarded) as http:
        code = allowed(http)["code"]
        first = exchanged(http, code).json()
        assert exchanged(http, code).json()["error"] == "invalid_grant"
        assert reads(guarded, first["access_token"]) == 401
        assert refreshed(http, first["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_that_is_replayed_ends_its_family(guarded: Guarded) -> None:
    with person(guarded) as http:
        first = exchanged(http, allowed(http)["code"]).json()
        second = refreshed(http, first["refresh_token"]).json()
        assert refreshed(http, first["refresh_token"]).json()["error"] == "invalid_grant"
        assert refreshed(http, second["refresh_token"]).json()["error"] == "invalid_grant"
        assert reads(guarded, second["access_token"]) == 401


@pytest.mark.parametrize(
    "changes",
    [{"code_verifier": "w" * 50}, {"code_verifier": ""}, {"redirect_uri": CALLBACK + "/"}, {"client_id": "his"},
     {"client_id": "neighbour"}, {"client_id": "nobody"}, {"code_verifier": VERIFIER[:42]}],
)  # fmt: skip
def test_a_stolen_code_is_of_no_use(guarded: Guarded, changes: dict[str, str]) -> None:
    with person(guarded) as http:
        code = allowed(http)["code"]
        with guarded.client() as thief:
            assert exchanged(thief, code, **changes).status_code in (400, 401)
        assert exchanged(http, code).status_code == 200


@pytest.mark.parametrize("changes", [{"code_challenge": ""}, {"code_challenge_method": "plain"},
                                     {"code_challenge_method": "", "code_challenge": VERIFIER}])
def test_nobody_who_is_signed_in_is_asked_without_pkce(guarded: Guarded, changes: dict[str, str]) -> None:
    with person(guarded) as http:
        answer = http.get(f"/oauth/authorize?{asked(**changes)}")
        told = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        assert told["error"] == "invalid_request" and "code" not in told


@pytest.mark.parametrize("uri", [
    CALLBACK + "@evil.example/", CALLBACK.replace("app.", "evil."), f"{CALLBACK}/../x", f"{CALLBACK}%00.evil.example",
    "https://app.example:443/callback", f"{CALLBACK}#", f"{CALLBACK};x", "https://app.example\\@evil.example/callback",
])  # fmt: skip
def test_nobody_who_is_signed_in_is_sent_elsewhere(guarded: Guarded, uri: str) -> None:
    with person(guarded) as http:
        answer = http.get(f"/oauth/authorize?{asked(redirect_uri=uri)}")
        assert answer.status_code == 400 and "location" not in answer.headers and "evil.example" not in answer.text


def test_consent_and_account_are_changed_by_no_other_page(guarded: Guarded) -> None:
    with person(guarded) as http, person(guarded, "lin") as thief:
        query = asked()
        shown = http.get(f"/oauth/authorize?{query}")
        stolen = hidden(forms(thief.get(f"/oauth/authorize?{query}").text)[0][1])["csrf"]
        told = {"request": query, "decision": "allow", "granted": "user/*.rs"}
        for data in (told, {**told, "csrf": ""}, {**told, "csrf": stolen}, {**told, "csrf": "x" * 80}):
            assert http.post("/oauth/authorize", data=data).status_code == 400
        for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
            assert submit(http, shown, {"decision": "allow"}, headers=headers).status_code == 400
        for action in ("sign-out", "end", "revoke", "remove", "password"):
            assert http.post("/oauth/account", data={"action": action}).status_code == 400
        assert http.get("/oauth/account").status_code == 200
        assert submit(http, shown, {"decision": "allow", "granted": "user/*.rs"}).status_code == 303


def test_nobody_is_signed_in_as_somebody_else_by_another_page(guarded: Guarded) -> None:
    with guarded.client() as http:
        data = {"username": "wang", "password": PASSWORD}
        assert http.post("/oauth/login", data=data).status_code == 400
        shown = http.get("/oauth/login")
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "same-site"}):
            assert submit(http, shown, data, headers=headers).status_code == 400
        assert http.get("/oauth/account").status_code == 303


def test_a_session_that_an_attacker_chose_is_nobodys(guarded: Guarded) -> None:
    """Session fixation: what the cookie was before somebody signed in is worth nothing after."""
    chosen = "f" * 43
    with guarded.client() as http, guarded.client() as thief:
        http.cookies.set("__Host-pacsd-session", chosen, domain="localhost.local", path="/")
        signed = sign_in(http)
        cookie = next(one for one in signed.headers.get_list("set-cookie") if "pacsd-session" in one)
        assert signed.status_code == 303 and chosen not in cookie
        assert cookie.startswith("__Host-") and "Secure" in cookie and "HttpOnly" in cookie and "SameSite" in cookie
        assert thief.get("/oauth/account", headers={"cookie": f"__Host-pacsd-session={chosen}"}).status_code == 303


def test_codes_of_a_second_factor_are_neither_replayed_nor_guessed(guarded: Guarded) -> None:
    with person(guarded, "careful") as http:
        shown = http.get("/oauth/set-up")
        secret, step = secret_of(shown.text), int(time.time() // 30)
        assert submit(http, shown, {"code": totp.code(secret, step - 1)}).status_code == 303
    with guarded.client() as other:
        second = other.get(sign_in(other, "careful").headers["location"])
        half = other.cookies.get("__Host-pacsd-session")
        assert other.get("/oauth/account").status_code == 303            # a password alone opens nothing
        assert submit(other, second, {"code": totp.code(secret, step - 1)}).status_code == 403
        code = totp.code(secret, int(time.time() // 30))
        assert submit(other, second, {"code": code}).status_code == 303
        assert other.cookies.get("__Host-pacsd-session") != half
    with guarded.client() as thief:
        second = thief.get(sign_in(thief, "careful").headers["location"])
        assert submit(thief, second, {"code": code}).status_code == 403
        answers = [submit(thief, second, {"code": f"{number:06}"}).status_code for number in range(25)]
        assert set(answers[:4]) == {403} and 429 in answers


def test_passwords_are_not_guessed(guarded: Guarded) -> None:
    with guarded.client() as thief:
        answers = [sign_in(thief, "chen", f"guess {number}") for number in range(12)]
        assert answers[0].status_code == 403 and 429 in [one.status_code for one in answers]
        assert all(int(one.headers["retry-after"]) >= 1 for one in answers if one.status_code == 429)
    with guarded.client() as http:
        assert sign_in(http, "chen").status_code == 303                  # and nobody is locked out by that


def test_names_of_users_cannot_be_told_by_words_or_by_work(guarded: Guarded) -> None:
    """A name that nobody has costs a password's hash, too: medians of both are of one size."""
    seconds: dict[str, list[float]] = {"lin": [], "nobody-at-all": []}
    texts = set()
    for _ in range(5):
        for name, taken in seconds.items():
            with guarded.client() as http:
                shown = http.get("/oauth/login")
                began = time.monotonic()
                answer = submit(http, shown, {"username": name, "password": "wrong password"})
                taken.append(time.monotonic() - began)
                texts.add((answer.status_code, re.sub(r'value="[^"]*"', "", answer.text)))
    assert len(texts) == 1
    known, unknown = (statistics.median(one) for one in seconds.values())
    assert 0.3 < known / unknown < 3.3


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)",
                                  "x\r\nSet-Cookie: stolen=1", "redirect_uri=https://evil.example/&client_id=viewer"])
def test_signing_in_leads_nowhere_else(guarded: Guarded, path: str) -> None:
    with guarded.client() as http:
        shown = http.get("/oauth/login", params={"continue": path})
        answer = submit(http, shown, {"username": "wang", "password": PASSWORD})
        assert answer.status_code == 303 and answer.headers["location"] == "/oauth/account"
        assert "stolen" not in " ".join(answer.headers.get_list("set-cookie"))


def test_fields_that_nobody_asked_for_change_nothing(guarded: Guarded) -> None:
    more = {"roles": "administrator", "role": "administrator", "organisation": "west", "level": "full", "locked": "0",
            "is_admin": "true", "user_pk": "1", "username[]": "lin"}  # fmt: skip
    with guarded.client() as http:
        shown = http.get("/oauth/login")
        assert submit(http, shown, {"username": "wang", "password": PASSWORD, **more}).status_code == 303
        shown = http.get(f"/oauth/authorize?{asked()}")
        answer = submit(http, shown, {"decision": "allow", "granted": ["user/*.rs", "system/*.cruds"], **more})
        told = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        tokens = exchanged(http, told["code"], **more).json()
        assert set(tokens["scope"].split()) <= set(OFFLINE.split())
        with guarded.client(tokens["access_token"]) as app:
            assert app.get("/fhir/AuditEvent").status_code == 403 and app.get("/metrics").status_code == 403
    found = next(one for one in guarded.administration.users() if one.username == "wang")
    assert (tuple(found.roles), found.organisation) == (("radiologist",), "east")


def test_masses_of_parameters_are_refused_in_time(guarded: Guarded) -> None:
    named = {f"p{number}": "x" for number in range(20_000)}
    many = urlencode(named)
    began = time.monotonic()
    with guarded.client(guarded.token()) as http:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        for path in ("/oauth/token", "/oauth/login", "/oauth/authorize", "/fhir/Patient/_search"):
            assert http.post(path, content=many, headers=kind).status_code in (400, 413), path
        short = urlencode([(f"p{number}", "x") for number in range(2_000)])
        for path in ("/oauth/authorize", "/fhir/Patient"):
            assert http.get(f"{path}?{short}").status_code in (400, 413, 414, 431), path
        assert http.get(f"/dicom-web/studies?{short}").status_code in (200, 204, 400, 413)      # PS3.18 8.3: ignored
    with guarded.client() as http:       # right but for their number
        right = {"grant_type": "client_credentials", "scope": "system/*.rs"}
        for more, statuses in (({}, (200,)), (named, (400, 413))):
            answer = http.post("/oauth/token", data={**right, **more}, auth=("his", guarded.secrets["his"]))
            assert answer.status_code in statuses
        person_ = {"username": "wang", "password": PASSWORD}
        assert submit(http, http.get("/oauth/login"), {**person_, **named}).status_code in (400, 413)
        assert http.get(f"/oauth/authorize?{asked()}&{short}").status_code in (400, 413, 414, 431)
    assert time.monotonic() - began < 20


def test_the_log_holds_no_secret(guarded: Guarded) -> None:
    with person(guarded) as http:
        tokens = exchanged(http, allowed(http)["code"]).json()
        session = http.cookies.get("__Host-pacsd-session")
    log = guarded.log()
    assert '"event"' in log
    for secret in (PASSWORD, tokens["access_token"], tokens["refresh_token"], session, guarded.secrets["his"]):
        assert secret and secret not in log
