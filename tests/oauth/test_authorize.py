"""Log-in, consent, code: what a person and a client see, and what attackers try on the way."""

import re
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from pacsd.oauth.app import WELL_KNOWN
from pacsd.oauth.words import WORDS, scope_words
from tests.oauth.house import CALLBACK, HAN, ORIGIN, PASSWORD, VERIFIER, House, Person, request, told

LAUNCHED = "openid launch/patient patient/Observation.rs"
FHIR = f"{ORIGIN}/fhir"


def test_person_signs_in_consents_and_the_client_gets_a_code(house: House) -> None:
    person = house.browser()
    query, verifier = request()
    sent = person.http.get(f"/oauth/authorize?{query}")
    assert sent.status_code == 303 and sent.headers["location"].startswith("/oauth/login?continue=")
    signed = person.submit(person.http.get(sent.headers["location"]), {"username": " WANG ", "password": PASSWORD})
    assert signed.headers["location"].startswith("/oauth/authorize?")
    asked = person.http.get(signed.headers["location"])
    assert asked.status_code == 200 and "Viewer &lt;b&gt;" in asked.text and "<b>" not in asked.text
    answer = told(person.submit(asked, {"decision": "allow", "granted": "user/*.rs"}))
    assert (answer["state"], answer["iss"]) == ("abc", ORIGIN)
    tokens = person.exchange(answer["code"], verifier).json()
    assert tokens["scope"] == "openid user/*.rs" and tokens["token_type"] == "Bearer"
    principal = house.desk.tokens.verify(tokens["access_token"])
    assert (principal.subject, principal.organisation, principal.client) == ("wang", "east", "viewer")


def test_person_may_say_no_and_take_permissions_out(person: Person) -> None:
    query, verifier = request(scope="openid user/Patient.rs user/Observation.rs")
    shown = person.http.get(f"/oauth/authorize?{query}")
    denied = told(person.submit(shown, {"decision": "deny"}))
    assert (denied["error"], denied["state"], denied["iss"]) == ("access_denied", "abc", ORIGIN)
    some = told(person.submit(shown, {"decision": "allow", "granted": "user/Patient.rs"}))
    assert person.exchange(some["code"], verifier).json()["scope"] == "openid user/Patient.rs"
    more = told(person.submit(shown, {"decision": "allow", "granted": ["user/Patient.rs", "user/*.cruds"]}))
    assert person.exchange(more["code"], verifier).json()["scope"] == "openid user/Patient.rs"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"state": ""}, "invalid_request"),
        ({"state": "x" * 3000}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "https://evil.example/"}, "request_uri_not_supported"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": "system/*.rs"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"aud": "https://evil.example/fhir"}, "invalid_target"),
        ({"resource": "https://evil.example/fhir"}, "invalid_target"),
        ({"scope": "launch openid", "aud": FHIR}, "invalid_request"),
        ({"launch": "x"}, "invalid_scope"),
        ({"scope": LAUNCHED}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"prompt": "none"}, "consent_required"),
    ],
)  # fmt: skip
def test_client_is_told_what_is_wrong(person: Person, changes: dict[str, str], error: str) -> None:
    query, _ = request(**changes)
    answer = told(person.http.get(f"/oauth/authorize?{query}"))
    assert answer["error"] == error and "code" not in answer


@pytest.mark.parametrize(
    "uri",
    [
        "", CALLBACK + "/", CALLBACK + "?x=1", CALLBACK + "#x", CALLBACK.upper(), "https://app.example.evil/callback",
        "https://app.example@evil.example/callback", "https://evil.example/?https://app.example/callback",
        "//app.example/callback", "javascript:alert(1)", CALLBACK + "\r\nSet-Cookie: a=b", CALLBACK + "/../evil",
        CALLBACK.replace("https", "http"), "http://127.0.0.1:1/callback",
    ],
)  # fmt: skip
def test_nobody_is_redirected_to_what_is_not_registered(person: Person, uri: str) -> None:
    query, _ = request(redirect_uri=uri)
    answer = person.http.get(f"/oauth/authorize?{query}")
    assert answer.status_code == 400 and "location" not in answer.headers and "set-cookie" not in answer.headers


def test_loopback_clients_may_come_back_to_any_port(house: House, person: Person) -> None:
    house.administration.add_client(
        "native", organisation="east", redirect_uris=["http://127.0.0.1/cb", "org.example.app:/cb"], scopes=["openid"]
    )
    for uri, status in (
        ("http://127.0.0.1:49152/cb", 200), ("http://127.0.0.1/cb", 200), ("org.example.app:/cb", 200),
        ("http://127.0.0.1:49152/other", 400), ("http://127.0.0.1:49152@evil.example/cb", 400),
        ("http://127.0.0.1:99999/cb", 400), ("http://localhost:49152/cb", 400),
    ):  # fmt: skip
        query, _ = request("native", redirect_uri=uri, scope="openid")
        assert person.http.get(f"/oauth/authorize?{query}").status_code == status, uri


def test_parameter_that_comes_twice_is_refused(person: Person) -> None:
    query, _ = request()
    answer = person.http.get(f"/oauth/authorize?{query}&state=other")
    assert answer.status_code == 400 and "location" not in answer.headers


def test_consent_cannot_be_forged(house: House, person: Person) -> None:
    query, _ = request()
    shown = person.http.get(f"/oauth/authorize?{query}")
    assert person.http.post("/oauth/authorize", data={"request": query, "decision": "allow"}).status_code == 400
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert person.submit(shown, {"decision": "allow"}, headers=headers).status_code == 400
    other = house.browser()
    other.sign_in("li")
    theirs = other.http.get(f"/oauth/authorize?{request(scope='openid')[0]}")
    csrf = re.search(r'name="csrf" value="([^"]*)"', theirs.text)
    assert csrf is not None
    assert person.submit(shown, {"decision": "allow", "csrf": csrf[1]}).status_code == 400
    assert person.submit(shown, {"decision": "allow", "granted": "user/*.rs"}).status_code == 303


def test_log_in_cannot_be_forged(house: House) -> None:
    person = house.browser()
    assert person.http.post("/oauth/login", data={"username": "wang", "password": PASSWORD}).status_code == 400
    person.http.get("/oauth/login")
    assert person.http.post("/oauth/login", data={"username": "wang", "password": PASSWORD}).status_code == 400


def test_log_in_leads_to_nowhere_else(house: House) -> None:
    for query in ("https://evil.example/", "//evil.example", "client_id=viewer&redirect_uri=https://evil.example/"):
        signed = house.browser().sign_in(query=query)
        assert signed.status_code == 303 and signed.headers["location"] == "/oauth/account"


def test_no_header_is_made_of_what_comes_in(house: House) -> None:
    good, _ = request()
    for query in (f"{good}\r\nSet-Cookie: a=b", f"{good}&nonce=%0d%0aSet-Cookie: a=b\n", f"{good}&ui=张"):
        signed = house.browser().sign_in(query=query)
        location = signed.headers["location"]
        assert signed.status_code == 303 and location.isascii() and location.isprintable() and " " not in location


def test_forms_that_are_none_are_refused(house: House) -> None:
    http = house.browser().http
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for content, headers in (
        (b"grant_type=" + b"x" * 70_000, kind), (b"&".join([b"a=b"] * 200), kind), (b"grant_type=a&grant_type=b", kind),
        (b"{}", {"content-type": "application/json"}), (b"\xff%ff%", kind),
    ):  # fmt: skip
        answer = http.post("/oauth/token", content=content, headers=headers)
        assert answer.status_code == 400 and answer.json()["error"] in ("invalid_request", "unsupported_grant_type")
    assert http.get(f"/oauth/authorize?state={'x' * 20_000}").status_code == 400
    assert http.get("/oauth/token").status_code == 405 and http.get("/oauth/nothing").status_code == 404


def test_metadata_tells_what_is_there_and_the_same_everywhere(house: House) -> None:
    http = house.browser().http
    told = [http.get(path).json() for path in WELL_KNOWN]
    assert told[0] == told[1] == {name: value for name, value in told[2].items() if name != "capabilities"}
    for name in ("authorization_endpoint", "userinfo_endpoint", "jwks_uri", "management_endpoint"):
        path = told[0][name].removeprefix(ORIGIN)
        assert http.get(path).status_code not in (404, 405), name
    for name in ("token_endpoint", "revocation_endpoint", "introspection_endpoint"):
        assert http.post(told[0][name].removeprefix(ORIGIN), data={}).status_code in (400, 401), name
    assert told[0]["code_challenge_methods_supported"] == ["S256"] and told[0]["issuer"] == ORIGIN
    assert "sso-openid-connect" in told[2]["capabilities"] and len(http.get("/oauth/jwks").json()["keys"]) == 1


def test_session_is_another_after_log_in(house: House) -> None:
    person = house.browser()
    person.http.cookies.set("pacsd-session", "f" * 43, domain="127.0.0.1")
    person.sign_in()
    values = [one.value for one in person.http.cookies.jar if one.name == "pacsd-session"]
    assert "f" * 43 not in values[-1:]
    assert person.http.get("/oauth/account").status_code == 200


@pytest.mark.parametrize("path", ["login", "account", "authorize"])
def test_pages_are_framed_by_nobody_and_run_nothing(person: Person, path: str) -> None:
    answer = person.http.get(f"/oauth/{path}?{request()[0] if path == 'authorize' else ''}")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script-src" not in policy
    assert "'unsafe-inline'" not in policy and answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text and " style=" not in answer.text and answer.headers["x-frame-options"] == "DENY"


def test_cookies_are_kept_from_scripts_and_other_sites(house: House) -> None:
    cookies = house.browser().sign_in().headers.get_list("set-cookie")
    assert len(cookies) == 2
    for one in cookies:
        assert "HttpOnly" in one and "SameSite=lax" in one and "Path=/" in one


def test_pages_speak_chinese_first_and_english_where_wanted(house: House) -> None:
    person = house.browser()
    chinese = person.http.get("/oauth/login")
    assert 'lang="zh-CN"' in chinese.text and "登录" in chinese.text
    assert "Sign in" in person.http.get("/oauth/login", headers={"accept-language": "en-GB,zh;q=0.5"}).text
    assert "Sign in" in person.http.get("/oauth/login?lang=en").text
    assert "Sign in" in person.http.get("/oauth/login").text       # it stays
    assert 'lang="zh-CN"' in person.http.get("/oauth/login?lang=<script>", headers={"cookie": ""}).text


def test_trusted_client_asks_nothing_and_can_be_silent(house: House, person: Person) -> None:
    query, verifier = request("portal", prompt="none")
    answer = told(person.http.get(f"/oauth/authorize?{query}"))
    assert person.exchange(answer["code"], verifier, "portal").status_code == 200
    assert told(house.browser().http.get(f"/oauth/authorize?{query}"))["error"] == "login_required"


def test_old_sign_in_is_not_enough_where_a_client_says_so(house: House, person: Person) -> None:
    query, _ = request(max_age="60")
    assert person.http.get(f"/oauth/authorize?{query}").status_code == 200
    house.now[0] += 120
    assert "/oauth/login" in person.http.get(f"/oauth/authorize?{query}").headers["location"]
    again = person.http.get(f"/oauth/authorize?{request(prompt='login')[0]}").headers["location"]
    kept = dict(parse_qsl(parse_qs(urlsplit(again).query)["continue"][0]))
    assert "prompt" not in kept and kept["state"] == "abc"


def test_standalone_launch_lets_the_person_choose_a_patient(house: House, person: Person) -> None:
    query, verifier = request(scope=LAUNCHED, aud=FHIR)
    sent = person.http.get(f"/oauth/authorize?{query}")
    assert sent.headers["location"].startswith("/oauth/patient?")
    picker = sent.headers["location"]
    assert "没有找到" in person.http.get(f"{picker}&q=王").text
    shown = person.http.get(f"{picker}&q=韩")
    chosen = re.search(r'href="(/oauth/authorize[^"]*)"', shown.text)
    assert chosen is not None and HAN.name in shown.text
    asked = person.http.get(chosen[1].replace("&amp;", "&"))
    assert HAN.name in asked.text
    answer = told(person.submit(asked, {"decision": "allow", "granted": "patient/Observation.rs"}))
    tokens = person.exchange(answer["code"], verifier).json()
    assert (tokens["patient"], tokens["need_patient_banner"]) == (HAN.id, True)
    principal = house.desk.tokens.verify(tokens["access_token"])
    assert (principal.context, principal.patient) == (HAN.key, None)


def test_patient_cannot_be_chosen_by_the_client(person: Person) -> None:
    for chosen in (HAN.id, f"{HAN.id}~", f"{HAN.id}~99999999999.x"):
        query, _ = request(scope=LAUNCHED, aud=FHIR, chosen=chosen)
        assert "/oauth/patient" in person.http.get(f"/oauth/authorize?{query}").headers["location"]


def test_patient_grants_what_is_about_themselves(house: House) -> None:
    person = house.browser()
    person.sign_in("li")
    tokens = person.tokens(scope="openid fhirUser launch/patient patient/*.rs user/*.rs", aud=FHIR)
    assert tokens["scope"] == "openid fhirUser launch/patient patient/*.rs" and tokens["patient"] == "p-li"
    principal = house.desk.tokens.verify(tokens["access_token"])
    assert principal.patient == principal.context and principal.purpose == "PATRQT"


def launched(house: House, **context: str) -> dict[str, Any]:
    answer = house.post("launch", context, auth=house.basic("his"))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_ehr_launch_brings_its_patient_and_works_once(house: House, person: Person) -> None:
    launch = launched(house, patient=HAN.id, encounter="e1", user="wang")
    assert launch["iss"] == FHIR
    changes = {"scope": "openid launch patient/*.rs", "aud": FHIR, "launch": launch["launch"]}
    tokens = person.tokens(**changes)
    assert (tokens["patient"], tokens["encounter"]) == (HAN.id, "e1")
    assert person.http.get(f"/oauth/authorize?{request(**changes)[0]}").status_code == 400
    other = launched(house, patient_identifier="EAST-HIS|000124", user="zhao")["launch"]
    assert person.http.get(f"/oauth/authorize?{request(**{**changes, 'launch': other})[0]}").status_code == 400


def test_launch_is_for_clients_that_may(house: House) -> None:
    assert house.post("launch", {"patient": HAN.id}, auth=house.basic("gateway")).json()["error"] == (
        "unauthorized_client")  # fmt: skip
    assert house.post("launch", {"patient": HAN.id, "client_id": "viewer"}).status_code == 401
    for wrong in ({"patient": "p-nobody"}, {"patient_identifier": "x"}, {"encounter": "a b"}):
        assert house.post("launch", wrong, auth=house.basic("his")).json()["error"] == "invalid_request"


def test_code_of_another_browser_is_of_no_use_without_the_verifier(person: Person) -> None:
    code = person.allowed()["code"]
    assert person.exchange(code, "w" * 50).json()["error"] == "invalid_grant"
    assert person.exchange(code, VERIFIER, redirect_uri=CALLBACK + "2").json()["error"] == "invalid_grant"
    assert person.exchange(code, VERIFIER).status_code == 200


def test_request_may_come_as_a_form(person: Person) -> None:
    query, _ = request()
    assert person.http.post("/oauth/authorize", data=dict(parse_qsl(query))).status_code == 200
    assert urlencode(dict(parse_qsl(query))) == query


def test_both_languages_have_the_same_words() -> None:
    assert set(WORDS["zh"]) == set(WORDS["en"])
    assert scope_words("patient/Observation.rs?category=lab", WORDS["en"]) == (
        "the patient: read, search Observation (only category=lab)")  # fmt: skip
