"""Security keys as a second factor: what counts, and what attackers show instead."""

from __future__ import annotations

import copy
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import unescape
from typing import Any
from uuid import uuid4

import pytest

from pacsd.audit.codes import Event
from pacsd.index import oauth_authenticators, oauth_sessions, oauth_users
from pacsd.oauth import sealing, totp
from pacsd.oauth.app import OAuthApp
from pacsd.oauth.desk import open_desk
from pacsd.oauth.recording import USER_SECURITY, Recording
from pacsd.oauth.security_keys import SCRIPT
from pacsd.oauth.webauthn import rp_id
from tests.oauth.authenticator import PRESENT, VERIFIED, Key, text
from tests.oauth.house import PASSWORD, House, Person, forms, hidden, request, settings
from tests.oauth.test_sign_in import set_up
from tests.web.test_recording import Kept

ISSUER = "http://localhost:8080"


def keyed(house: House, *, issuer: str = ISSUER, kept: Kept | None = None, **changes: Any) -> House:
    """The server under a host name, for keys belong to one."""
    recording = Recording(kept) if kept is not None else house.provider.recording
    provider = replace(house.provider, issuer=issuer, settings=settings(**changes).security.oauth, recording=recording)
    other = copy.copy(house)
    other.provider, other.desk = provider, open_desk(provider)
    other.app = OAuthApp(other.desk, run=house.app._run, address=house.app._address)
    return other


@pytest.fixture
def named(house: House) -> House:
    return keyed(house)


def user(house: House, name: str) -> Person:
    """Somebody new, signed in."""
    house.administration.add_user(name, PASSWORD, organisation="east", roles=["clinician"])
    person = house.browser()
    assert person.sign_in(name).status_code == 303
    return person


def asked(page: Any) -> tuple[int, dict[str, Any]]:
    """Which form of a page asks a key, and what."""
    for number, (_, inner) in enumerate(forms(page.text)):
        if "challenge" in hidden(inner):
            found = re.search(r'data-options="([^"]*)"', page.text)
            assert found is not None
            return number, json.loads(unescape(found[1]))
    raise AssertionError("the page asks for no key")


def submitted(person: Person, page: Any, answer: Any, **fields: str) -> Any:
    """Send what a key answered."""
    action, inner = forms(page.text)[asked(page)[0]]
    told = answer if isinstance(answer, str) else json.dumps(answer)
    return person.http.post(action, data={**hidden(inner), "answer": told, **fields})


def stamped(page: Any) -> dict[str, str]:
    """The challenge of a page, to be put into another."""
    fields = hidden(forms(page.text)[asked(page)[0]][1])
    return {name: fields[name] for name in ("challenge", "stamp")}


def added(person: Person, key: Key, *, proof: str = PASSWORD, name: str = "My key") -> Any:
    """Register a key on the account page."""
    page = person.http.get("/oauth/key")
    return submitted(person, page, key.create(asked(page)[1]), proof=proof, name=name)


def half(house: House, name: str, query: str = "") -> tuple[Person, Any]:
    """Somebody who gave their password, and the page of the second step."""
    person = house.browser()
    on = person.sign_in(name, query=query).headers["location"]
    assert on.startswith("/oauth/second")
    return person, person.http.get(on)


def is_in(person: Person) -> bool:
    return bool(person.http.get("/oauth/account").status_code == 200)


def test_a_key_is_added_asked_for_and_lets_its_owner_in(named: House) -> None:
    owner, key = user(named, "keyed"), Key()
    assert added(owner, key).headers["location"] == "/oauth/account"
    assert "My key" in owner.http.get("/oauth/account").text
    person, page = half(named, "keyed", request()[0])
    assert not is_in(person) and page.status_code == 200 and 'name="code"' not in page.text
    options = asked(page)[1]
    assert (options["rpId"], options["userVerification"]) == ("localhost", "preferred")
    assert [one["id"] for one in options["allowCredentials"]] == [text(key.id)]
    done = submitted(person, page, key.get(options))
    assert done.status_code == 303 and done.headers["location"].startswith("/oauth/authorize?") and is_in(person)
    claims = named.desk.tokens.claims(person.tokens()["access_token"])
    assert claims["sub"] == "keyed"
    found = oauth_users.user(named.pool, "keyed")
    assert found is not None
    session = oauth_sessions.of_user(named.pool, found.pk)[0]
    assert session.methods == ("pwd", "pop", "mfa")


def test_what_a_person_is_asked_tells_nobody_who_they_are(named: House) -> None:
    person = user(named, "private")
    options = asked(person.http.get("/oauth/key"))[1]
    assert options["rp"]["id"] == "localhost" and options["attestation"] == "none"
    assert {one["alg"] for one in options["pubKeyCredParams"]} >= {-7, -257, -8}
    other = asked(user(named, "private2").http.get("/oauth/key"))[1]
    assert options["user"]["id"] != other["user"]["id"] and len(options["challenge"]) >= 43
    assert options["challenge"] != other["challenge"]


def test_an_answer_counts_once(named: House) -> None:
    owner, key = user(named, "replayed"), Key()
    page = owner.http.get("/oauth/key")
    answer = key.create(asked(page)[1])
    assert submitted(owner, page, answer, proof=PASSWORD, name="a").status_code == 303
    assert submitted(owner, page, answer, proof=PASSWORD, name="a").status_code == 403
    person, page = half(named, "replayed")
    answer = key.get(asked(page)[1])
    assert submitted(person, page, answer).status_code == 303
    thief, _ = half(named, "replayed")
    thief.http.cookies.update({"pacsd-visit": person.http.cookies["pacsd-visit"]})
    assert submitted(thief, page, answer).status_code in (400, 403) and not is_in(thief)
    thief, theirs = half(named, "replayed")
    assert submitted(thief, theirs, answer, **stamped(page)).status_code == 403 and not is_in(thief)


def test_a_challenge_lasts_minutes_and_is_one_sessions(named: House, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, key = user(named, "slow"), Key()
    added(owner, key)
    person, page = half(named, "slow")
    late = key.get(asked(page)[1])
    other, theirs = half(named, "slow")
    foreign = key.get(asked(page)[1])
    assert submitted(other, theirs, foreign, **stamped(page)).status_code == 403
    begun = time.time()
    monkeypatch.setattr(sealing.time, "time", lambda: begun + 400)
    assert submitted(person, page, late).status_code == 403 and not is_in(person)


@pytest.mark.parametrize("wrong", [
    {"origin": "https://localhost:8080"}, {"origin": "http://localhost:8081"}, {"origin": "http://evil.localhost:8080"},
    {"origin": ""}, {"crossOrigin": True}, {"type": "webauthn.create"}, {"challenge": text(b"x" * 32)},
    {"challenge": ""}, {"type": None}, {"origin": ["http://localhost:8080"]},
])  # fmt: skip
def test_what_the_browser_says_of_another_place_or_purpose_is_refused(named: House, wrong: dict[str, Any]) -> None:
    name = f"placed{abs(hash(str(wrong))) % 10**9}"
    owner, key = user(named, name), Key()
    added(owner, key)
    person, page = half(named, name)
    assert submitted(person, page, key.get(asked(page)[1], **wrong)).status_code == 403 and not is_in(person)
    if wrong.get("type") != "webauthn.create":
        page = owner.http.get("/oauth/key")
        refused = submitted(owner, page, Key().create(asked(page)[1], **wrong), proof=PASSWORD, name="b")
        assert refused.status_code == 403


@pytest.mark.parametrize("wrong", [{"rp": "evil.example"}, {"flags": 0}, {"flags": VERIFIED}, {"id": b"unknown"}])
def test_what_the_key_says_of_another_site_or_of_nobody_is_refused(named: House, wrong: dict[str, Any]) -> None:
    name = f"sited{abs(hash(str(wrong))) % 10**9}"
    owner, key = user(named, name), Key()
    added(owner, key)
    person, page = half(named, name)
    other = replace(key, **wrong)
    assert submitted(person, page, other.get(asked(page)[1])).status_code == 403 and not is_in(person)


def test_a_signature_of_another_key_or_over_something_else_is_refused(named: House) -> None:
    owner, key = user(named, "signed"), Key()
    added(owner, key)
    person, page = half(named, "signed")
    assert submitted(person, page, replace(Key(), id=key.id, counter=9).get(asked(page)[1])).status_code == 403
    person, page = half(named, "signed")
    answer = key.get(asked(page)[1])
    answer["response"]["authenticatorData"] = answer["response"]["authenticatorData"][:-2] + "zz"
    assert submitted(person, page, answer).status_code == 403
    person, page = half(named, "signed")
    assert submitted(person, page, key.get(asked(page)[1], handle=b"somebody else")).status_code == 403
    person, page = half(named, "signed")
    assert submitted(person, page, key.get(asked(page)[1])).status_code == 303


def test_user_verification_is_asked_for_where_it_is_required(house: House) -> None:
    strict = keyed(house, user_verification="required")
    owner = user(strict, "verified")
    page = owner.http.get("/oauth/key")
    assert asked(page)[1]["authenticatorSelection"]["userVerification"] == "required"
    unverified = Key(flags=PRESENT)
    answer = unverified.create(asked(page)[1])
    assert submitted(owner, page, answer, proof=PASSWORD, name="x").status_code == 403
    key = Key()
    assert added(owner, key).status_code == 303
    person, page = half(strict, "verified")
    key.flags = PRESENT
    assert submitted(person, page, key.get(asked(page)[1])).status_code == 403
    person, page = half(strict, "verified")
    key.flags = PRESENT | VERIFIED
    assert submitted(person, page, key.get(asked(page)[1])).status_code == 303
    lax = keyed(house, user_verification="discouraged")
    person, page = half(lax, "verified")
    key.flags = PRESENT
    assert submitted(person, page, key.get(asked(page)[1])).status_code == 303


def test_a_copied_key_is_found_out_and_stopped(named: House) -> None:
    owner, key = user(named, "cloned"), Key()
    added(owner, key)
    clone = replace(key)
    person, page = half(named, "cloned")
    assert submitted(person, page, key.get(asked(page)[1])).status_code == 303
    thief, page = half(named, "cloned")
    assert submitted(thief, page, clone.get(asked(page)[1])).status_code == 403 and not is_in(thief)
    person, page = half(named, "cloned")     # which of them is the copy nobody can tell: neither is asked for
    assert "data-webauthn" not in page.text and "安全密钥均已停用" in page.text
    assert "可能已被复制" in owner.http.get("/oauth/account").text
    named.administration.forget_second_factor("cloned")
    assert named.browser().sign_in("cloned").headers["location"] == "/oauth/account"


def test_a_key_that_does_not_count_shows_zero_each_time(named: House) -> None:
    owner, key = user(named, "passkey"), Key(step=0)
    added(owner, key)
    for _ in range(2):
        person, page = half(named, "passkey")
        assert submitted(person, page, key.get(asked(page)[1])).status_code == 303
    key.step, key.counter = 0, 5
    person, page = half(named, "passkey")
    assert submitted(person, page, key.get(asked(page)[1])).status_code == 303
    key.counter = 0                          # it did count: zero is a step back
    person, page = half(named, "passkey")
    assert submitted(person, page, key.get(asked(page)[1])).status_code == 403


def test_of_two_answers_with_one_counter_one_counts(named: House) -> None:
    owner = user(named, "raced")
    found = oauth_users.user(named.pool, "raced")
    assert owner and found is not None
    assert oauth_authenticators.add(named.pool, found.pk, b"raced", uuid4(), name="x", credential=b"", sign_count=1)
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: oauth_authenticators.used(named.pool, found.pk, b"raced", 2), range(4)))
    assert sum(done) == 1


def test_several_keys_serve_beside_an_app_and_are_taken_away_one_by_one(named: House) -> None:
    owner, one, two = user(named, "several"), Key(), Key()
    secret = set_up(owner, named.now[0])
    assert added(owner, one, name="one <b>").status_code == 303
    page = owner.http.get("/oauth/key")
    assert [it["id"] for it in asked(page)[1]["excludeCredentials"]] == [text(one.id)]
    assert submitted(owner, page, two.create(asked(page)[1]), proof=PASSWORD, name="two").status_code == 303
    for key in (one, two):
        person, page = half(named, "several")
        assert 'name="code"' in page.text
        assert submitted(person, page, key.get(asked(page)[1])).status_code == 303
    named.now[0] += 30
    person, page = half(named, "several")
    code = totp.code(secret, int(named.now[0] // 30))
    assert person.submit(page, {"code": code}, form=len(forms(page.text)) - 1).status_code == 303
    account = owner.http.get("/oauth/account")
    assert "one &lt;b&gt;" in account.text
    number = re.search(r'name="which" value="([0-9a-f-]{36})" class=plain>移除“one', account.text)
    assert number is not None
    form = next(n for n, (_, inner) in enumerate(forms(account.text)) if hidden(inner).get("action") == "remove-key")
    assert owner.submit(account, {"which": number[1], "proof": "wrong"}, form=form).status_code == 403
    assert owner.submit(account, {"which": number[1], "proof": PASSWORD}, form=form).status_code == 303
    assert owner.submit(account, {"which": "no uuid", "proof": PASSWORD}, form=form).status_code == 303
    _, page = half(named, "several")
    assert [it["id"] for it in asked(page)[1]["allowCredentials"]] == [text(two.id)]


def test_nobody_takes_anothers_key_away_or_has_it_too(named: House) -> None:
    owner, other, key = user(named, "mine"), user(named, "thine"), Key()
    added(owner, key)
    found = oauth_users.user(named.pool, "mine")
    assert found is not None
    (kept,) = oauth_authenticators.of_user(named.pool, found.pk)
    added(other, Key())
    account = other.http.get("/oauth/account")
    form = next(n for n, (_, inner) in enumerate(forms(account.text)) if hidden(inner).get("action") == "remove-key")
    other.submit(account, {"which": str(kept.number), "proof": PASSWORD}, form=form)
    assert len(oauth_authenticators.of_user(named.pool, found.pk)) == 1
    page = other.http.get("/oauth/key")
    assert submitted(other, page, key.create(asked(page)[1]), proof=PASSWORD, name="x").status_code == 403
    person, page = half(named, "thine")
    assert submitted(person, page, key.get(asked(page)[1])).status_code == 403


def test_a_person_has_so_many_keys_and_no_more(named: House) -> None:
    owner = user(named, "hoarder")
    for _ in range(oauth_authenticators.MOST):
        assert added(owner, Key()).status_code == 303
    assert added(owner, Key()).status_code == 403


def test_an_unattended_browser_adds_no_key(named: House) -> None:
    owner = user(named, "away")
    for proof in ("", "wrong"):
        assert added(owner, Key(), proof=proof).status_code == 403
    found = oauth_users.user(named.pool, "away")
    assert found is not None and not found.has_keys


def test_a_key_is_enough_where_a_second_factor_is_required(house: House) -> None:
    strict = keyed(house, second_factor="required")
    strict.administration.add_user("enrols", PASSWORD, organisation="east", roles=["clinician"])
    person = strict.browser()
    on = person.sign_in("enrols", query=request()[0]).headers["location"]
    assert "/oauth/key?" in unescape(person.http.get(on).text)
    page = person.http.get("/oauth/key", params={"continue": request()[0]})
    assert 'name="proof"' not in page.text and not is_in(person)
    done = submitted(person, page, Key().create(asked(page)[1]), name="k")
    assert done.headers["location"].startswith("/oauth/authorize?") and is_in(person)


def test_who_has_set_one_up_elsewhere_shows_it_and_adds_none(house: House) -> None:
    strict = keyed(house, second_factor="required")
    strict.administration.add_user("twice", PASSWORD, organisation="east", roles=["clinician"])
    one, other = strict.browser(), strict.browser()
    for person in (one, other):
        assert "/oauth/set-up" in person.sign_in("twice").headers["location"]
    theirs = other.http.get("/oauth/key")
    page = one.http.get("/oauth/key")
    assert submitted(one, page, Key().create(asked(page)[1]), name="k").status_code == 303 and is_in(one)
    assert submitted(other, theirs, Key().create(asked(theirs)[1]), name="k").headers["location"] == "/oauth/account"
    assert not is_in(other) and other.http.get("/oauth/set-up").headers["location"].startswith("/oauth/login")


def test_who_has_not_shown_a_second_factor_adds_none(named: House) -> None:
    owner, key = user(named, "waiting"), Key()
    added(owner, key)
    person, _ = half(named, "waiting")
    assert person.http.get("/oauth/key").headers["location"].startswith("/oauth/login")


def test_tries_are_counted_as_those_of_codes_are(named: House) -> None:
    owner, key = user(named, "tried"), Key()
    added(owner, key)
    answers = []
    for _ in range(8):
        person, page = half(named, "tried")
        answers.append(submitted(person, page, replace(Key(), id=key.id).get(asked(page)[1])).status_code)
    assert answers[:5] == [403] * 5 and answers[-1] == 429


HOSTILE = ["", "null", "[]", "1", "{}", '{"id": 1}', "[" * 15_000, '{"a":' * 3_000, "x" * 60_000, "{",
           json.dumps({"rawId": "AA", "response": {"clientDataJSON": "e30", "authenticatorData": "AA",
                                                   "signature": "AA"}}),
           json.dumps({"rawId": "AA", "response": {"clientDataJSON": "e30", "attestationObject": "gYGBgYGB" * 900}})]


def test_answers_that_are_none_are_refused(named: House) -> None:
    for number, answer in enumerate(HOSTILE):
        owner, key = user(named, f"hostile{number}"), Key()
        page = owner.http.get("/oauth/key")
        refused = (400, 403)             # 400: what is too long for a form
        assert submitted(owner, page, answer, proof=PASSWORD, name="x").status_code in refused, answer[:80]
        added(owner, key)
        person, page = half(named, f"hostile{number}")
        assert submitted(person, page, answer).status_code in refused and not is_in(person), answer[:80]


def test_answers_cut_anywhere_and_kinds_of_keys_unknown_are_refused(named: House) -> None:
    owner = user(named, "cut")
    whole = Key().create({"challenge": text(b"x")})["response"]["attestationObject"]
    for end in range(0, len(whole), 9):
        page = owner.http.get("/oauth/key")
        answer = Key().create(asked(page)[1])
        answer["response"]["attestationObject"] = answer["response"]["attestationObject"][:end]
        assert submitted(owner, page, answer, proof=PASSWORD, name="x").status_code == 403
    for cose in (b"\xa1\x03\x38\x63", b"\xa0", b"\xa2\x01\x02\x03\x26\xff"):
        page = owner.http.get("/oauth/key")
        answer = Key().create(asked(page)[1], cose=cose)
        assert submitted(owner, page, answer, proof=PASSWORD, name="x").status_code == 403


def test_the_one_script_that_may_run_is_named_and_nothing_runs_inside_the_page(named: House) -> None:
    owner = user(named, "scripted")
    page = owner.http.get("/oauth/key")
    policy = page.headers["content-security-policy"]
    assert f"script-src {ISSUER}{SCRIPT};" in policy and "unsafe" not in policy
    assert re.findall(r"<script[^>]*>", page.text) == [f'<script src="{ISSUER}{SCRIPT}" defer>']
    script = owner.http.get(SCRIPT)
    assert script.headers["content-type"].startswith("text/javascript") and b"navigator.credentials" in script.content
    assert script.headers["x-content-type-options"] == "nosniff"
    assert "script-src" not in owner.http.get("/oauth/account").headers["content-security-policy"]


@pytest.mark.parametrize(("issuer", "host"), [
    ("https://pacs.example", "pacs.example"), ("https://pacs.example:8443", "pacs.example"),
    ("http://localhost:8080", "localhost"), ("http://127.0.0.1:8080", ""), ("https://[::1]:8443", ""),
    ("https://10.0.0.5", ""), ("http://pacs.example", ""),
])  # fmt: skip
def test_keys_belong_to_a_host_name_that_browsers_take(house: House, issuer: str, host: str) -> None:
    assert rp_id(replace(house.provider, issuer=issuer)) == host


def test_where_there_is_no_host_name_no_key_is_offered(house: House) -> None:
    person = user(house, "bare")
    assert "/oauth/key" not in person.http.get("/oauth/account").text
    assert person.http.get("/oauth/key").headers["location"] == "/oauth/account"


def test_what_is_added_and_taken_away_is_on_record_first(house: House) -> None:
    kept = Kept()
    named = keyed(house, kept=kept)
    owner = user(named, "recorded")
    kept.messages.clear()
    assert added(owner, Key()).status_code == 303
    account = owner.http.get("/oauth/account")
    form = next(n for n, (_, inner) in enumerate(forms(account.text)) if hidden(inner).get("action") == "remove-key")
    number = re.search(r'name="which" value="([0-9a-f-]{36})"', account.text)
    assert number is not None
    owner.submit(account, {"which": number[1], "proof": PASSWORD}, form=form)
    assert [(one.event, one.types, one.reason) for one in kept.messages] == [
        (Event.SECURITY_ALERT, (USER_SECURITY,), "a security key was added"),
        (Event.SECURITY_ALERT, (USER_SECURITY,), "a security key was removed"),
    ]  # fmt: skip
