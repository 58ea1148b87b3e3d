"""The token end point: who may have a token, what it says, and what becomes of the one that is used again."""

import base64
import hashlib
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from pacsd.access.principal import Proof, Role
from pacsd.access.tokens import thumbprint
from pacsd.faults import Fault, PacsdError
from pacsd.oauth.client_authentication import ASSERTION_TYPE
from tests.oauth.house import ORIGIN, VERIFIER, House, Person

OFFLINE = "openid profile fhirUser offline_access user/*.rs"


def fault(house: House, token: str, **options: Any) -> Fault | None:
    """Why a token does not count; None where it does."""
    try:
        house.desk.tokens.verify(token, **options)
    except PacsdError as error:
        return error.fault
    return None


def refreshed(house: House, token: str, client: str = "viewer", **changes: str) -> Any:
    auth = house.basic(client) if client in house.secrets else None
    return house.post("token", {"grant_type": "refresh_token", "refresh_token": token, "client_id": client, **changes},
                      auth=auth)  # fmt: skip


def test_tokens_say_who_for_whom_and_how(house: House, person: Person) -> None:
    answer = person.tokens(scope=OFFLINE, nonce="n-1", aud=f"{ORIGIN}/fhir")
    keys = KeySet.import_key_set(house.provider.keys.document())  # type: ignore[arg-type]
    access = jwt.decode(answer["access_token"], keys, algorithms=["RS256"])
    assert access.header["typ"] == "at+jwt" and access.claims["aud"] == f"{ORIGIN}/fhir"
    told = access.claims["extensions"]["ihe_iua"]
    assert told["subject_name"] == "王医生" and told["subject_organization_id"] == "east"
    assert told["subject_role"] == [{"system": "urn:pacsd:role", "code": "radiologist"}]
    identity = jwt.decode(answer["id_token"], keys, algorithms=["RS256"]).claims
    assert (identity["aud"], identity["nonce"], identity["amr"]) == ("viewer", "n-1", ["pwd"])
    assert identity["fhirUser"] == f"{ORIGIN}/fhir/Practitioner/7" and identity["name"] == "王医生"
    assert answer["expires_in"] == 600 and "patient" not in answer
    assert fault(house, answer["id_token"]) is Fault.UNAUTHENTICATED       # an id token opens nothing


def test_answers_are_kept_by_nobody(house: House) -> None:
    answer = house.post("token", {"grant_type": "password"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
    assert answer.headers["cache-control"] == "no-store"


def test_code_used_again_takes_its_tokens_back(house: House, person: Person) -> None:
    code = person.allowed(scope=OFFLINE)["code"]
    tokens = person.exchange(code, VERIFIER).json()
    assert fault(house, tokens["access_token"]) is None
    assert person.exchange(code, VERIFIER).json()["error"] == "invalid_grant"
    house.now[0] += 6                                   # what was looked up counts for five seconds
    assert fault(house, tokens["access_token"]) is Fault.UNAUTHENTICATED
    assert refreshed(house, tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_of_two_uses_of_a_code_at_once_one_wins(person: Person) -> None:
    code = person.allowed()["code"]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: person.exchange(code, VERIFIER).status_code, range(8)))
    assert sorted(answers) == [200, *[400] * 7]


def test_code_is_for_its_own_client(house: House, person: Person) -> None:
    code = person.allowed()["code"]
    assert person.exchange(code, VERIFIER, "portal").json()["error"] == "invalid_grant"
    assert person.exchange(code, VERIFIER).status_code == 200


def test_refresh_rotates_and_a_token_used_again_ends_the_family(house: House, person: Person) -> None:
    first = person.tokens(scope=OFFLINE)
    second = refreshed(house, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"] and second["scope"] == OFFLINE
    assert refreshed(house, first["refresh_token"]).json()["error"] == "invalid_grant"
    assert refreshed(house, second["refresh_token"]).json()["error"] == "invalid_grant"
    assert fault(house, second["access_token"]) is Fault.UNAUTHENTICATED


def test_of_two_refreshes_at_once_one_wins(house: House, person: Person) -> None:
    token = person.tokens(scope=OFFLINE)["refresh_token"]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: refreshed(house, token).status_code, range(8)))
    assert sorted(answers) == [200, *[400] * 7]


def test_refresh_may_narrow_and_not_widen(house: House, person: Person) -> None:
    token = person.tokens(scope=OFFLINE)["refresh_token"]
    assert refreshed(house, token, scope="user/*.cruds").json()["error"] == "invalid_scope"
    narrow = refreshed(house, token, scope="user/Patient.r").json()
    assert narrow["scope"] == "user/Patient.r"
    assert house.desk.tokens.verify(narrow["access_token"]).permissions == ("user/Patient.r",)


def test_refresh_token_is_for_its_own_client_and_who_asked_for_one(house: House, person: Person) -> None:
    token = person.tokens(scope=OFFLINE)["refresh_token"]
    assert refreshed(house, token, "portal").json()["error"] == "invalid_grant"
    assert refreshed(house, token).status_code == 200
    assert "refresh_token" not in person.tokens()


def test_client_acts_for_itself(house: House) -> None:
    answer = house.post("token", {"grant_type": "client_credentials", "scope": "system/*.rs user/*.rs openid"},
                        auth=house.basic("his"))  # fmt: skip
    assert answer.json()["scope"] == "system/*.rs" and "refresh_token" not in answer.json()
    found = house.desk.tokens.verify(answer.json()["access_token"])
    assert (found.subject, found.roles, found.proof) == ("his", {Role.SYSTEM}, Proof.TOKEN)
    wider = {"grant_type": "client_credentials", "scope": "system/*.cruds"}
    assert house.post("token", wider, auth=house.basic("his")).json()["error"] == "invalid_scope"
    nobody = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_id": "viewer"}
    assert house.post("token", nobody).json()["error"] == "unauthorized_client"


@pytest.mark.parametrize("auth", [("his", "wrong"), ("nobody", "x"), ("viewer", "x"), ("his", ""), ("his\r\n", "x")])
def test_clients_prove_who_they_are(house: House, auth: tuple[str, str]) -> None:
    answer = house.post("token", {"grant_type": "client_credentials", "scope": "system/*.rs"}, auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_client_proves_who_it_is_in_one_way(house: House) -> None:
    data = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_secret": house.secrets["his"]}
    assert house.post("token", data, auth=house.basic("his")).json()["error"] == "invalid_request"
    posted = house.post("token", {**data, "client_id": "his"})
    assert posted.status_code == 200


@pytest.fixture(scope="module")
def signing(shared_house: House) -> ECKey:
    """The key of a client that signs its assertions."""
    key = ECKey.generate_key("P-384", {"kid": "one", "use": "sig"})
    keys = json.dumps({"keys": [key.as_dict(private=True)]}).encode()
    shared_house.administration.add_client(
        "backend", organisation="east", method="private_key_jwt", scopes=["system/*.rs"], keys=keys
    )
    return key


def asserted(house: House, key: Any, algorithm: str = "ES384", **changes: Any) -> Any:
    claims = {"iss": "backend", "sub": "backend", "aud": f"{ORIGIN}/oauth/token", "exp": int(time.time()) + 200,
              "jti": str(uuid4()), **changes}  # fmt: skip
    assertion = jwt.encode({"alg": algorithm, "kid": "one", "typ": "JWT"}, claims, key, algorithms=[algorithm])
    return house.post("token", {
        "grant_type": "client_credentials", "scope": "system/*.rs", "client_assertion": assertion,
        "client_assertion_type": ASSERTION_TYPE,
    })  # fmt: skip


def test_client_signs_who_it_is(house: House, signing: ECKey) -> None:
    assert asserted(house, signing).status_code == 200
    registered = next(one for one in house.administration.clients() if one.client_id == "backend")
    assert "d" not in registered.keys["keys"][0]


def test_assertion_counts_once_and_soon_and_here(house: House, signing: ECKey) -> None:
    assert asserted(house, signing, jti="same").status_code == 200
    for changes in (
        {"jti": "same"}, {"jti": None}, {"aud": "https://other.example/token"}, {"iss": "his"}, {"sub": "his"},
        {"exp": int(time.time()) - 100}, {"exp": int(time.time()) + 4000}, {"exp": None},
    ):  # fmt: skip
        assert asserted(house, signing, **changes).json()["error"] == "invalid_client", changes


def test_assertion_of_another_key_does_not_count(house: House, signing: ECKey) -> None:
    assert asserted(house, ECKey.generate_key("P-384")).status_code == 401
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=")
    told = {"iss": "backend", "sub": "backend", "aud": ORIGIN, "exp": int(time.time()) + 99, "jti": "confused"}
    body = head + b"." + base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=")
    mac = hmac.new(signing.as_pem(private=False), body, hashlib.sha256).digest()
    forged = body + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")
    answer = house.post("token", {
        "grant_type": "client_credentials", "scope": "system/*.rs", "client_assertion": forged.decode(),
        "client_assertion_type": ASSERTION_TYPE,
    })  # fmt: skip
    assert answer.json()["error"] == "invalid_client"


def test_client_shows_its_certificate_and_its_tokens_are_bound_to_it(house: House) -> None:
    house.administration.add_client(
        "device", organisation="east", method="self_signed_tls_client_auth", scopes=["system/*.rs"],
        certificate=thumbprint(b"der"),
    )  # fmt: skip
    data = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_id": "device"}
    assert house.post("token", data).status_code == 401
    house.certificate[0] = b"another"
    assert house.post("token", data).status_code == 401
    house.certificate[0] = b"der"
    token = house.post("token", data).json()["access_token"]
    assert fault(house, token, certificate=b"der") is None
    assert fault(house, token) is Fault.UNAUTHENTICATED and fault(house, token, certificate=b"x") is not None


def test_revoked_tokens_do_not_count(house: House, person: Person) -> None:
    tokens = person.tokens(scope=OFFLINE)
    other = {"token": tokens["access_token"]}
    assert house.post("revoke", other, auth=house.basic("his")).status_code == 200
    assert fault(house, tokens["access_token"]) is None
    assert house.post("revoke", {**other, "client_id": "viewer"}).status_code == 200
    house.now[0] += 6
    assert fault(house, tokens["access_token"]) is Fault.UNAUTHENTICATED
    again = refreshed(house, tokens["refresh_token"]).json()
    house.post("revoke", {"token": again["refresh_token"], "client_id": "viewer"})
    assert fault(house, again["access_token"]) is Fault.UNAUTHENTICATED
    assert refreshed(house, again["refresh_token"]).status_code == 400
    assert house.post("revoke", {"token": "x", "client_id": "viewer"}).status_code == 200
    assert house.post("revoke", {"token": "x"}).status_code == 401


def test_introspection_tells_who_may_ask(house: House, person: Person) -> None:
    token = person.tokens()["access_token"]
    told = house.post("introspect", {"token": token}, auth=house.basic("gateway")).json()
    assert told["active"] is True and (told["sub"], told["scope"]) == ("wang", "openid user/*.rs")
    assert told["extensions"]["ihe_iua"]["subject_role"][0]["code"] == "radiologist"
    assert house.post("introspect", {"token": "x"}, auth=house.basic("gateway")).json() == {"active": False}
    assert house.post("introspect", {"token": token}, auth=house.basic("his")).status_code == 401
    assert house.post("introspect", {"token": token, "client_id": "viewer"}).status_code == 401


def test_userinfo_tells_what_the_scopes_allow(house: House, person: Person) -> None:
    token = person.tokens(scope="openid profile")["access_token"]
    asked = house.browser(authorization=f"Bearer {token}").http.get("/oauth/userinfo")
    assert asked.json() == {"sub": "wang", "name": "王医生", "preferred_username": "wang"}
    posted = house.browser(authorization=f"Bearer {token}").http.post("/oauth/userinfo")
    assert posted.json() == asked.json()                 # OpenID Connect Core 5.3.1
    formed = house.post("userinfo", {"x": "y"}, headers={"authorization": f"Bearer {token}"})
    assert formed.json() == asked.json()
    for nobody in (house.browser().http.get("/oauth/userinfo"), house.post("userinfo", {"access_token": token})):
        assert nobody.status_code == 401 and nobody.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("path", "allow"), [
    ("/oauth/userinfo", "GET, HEAD, OPTIONS, POST"), ("/oauth/token", "OPTIONS, POST"),
    ("/.well-known/openid-configuration", "GET, HEAD, OPTIONS"),
])  # fmt: skip
def test_what_may_be_asked_of_an_end_point_is_told(house: House, path: str, allow: str) -> None:
    http = house.browser().http
    asked, refused = http.options(path), http.delete(path)
    assert (asked.status_code, asked.headers["allow"]) == (204, allow)
    assert (refused.status_code, refused.headers["allow"]) == (405, allow)
    assert http.options("/oauth/nothing").status_code == 404


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
def test_forms_alone_are_read(house: House, kind: str) -> None:
    answer = house.browser().http.post("/oauth/token", content=b"grant_type=refresh_token", headers={
        "content-type": kind})  # fmt: skip
    assert answer.status_code == 400 and "form" in answer.json()["error_description"]


def test_locking_a_user_and_other_roles_are_felt(house: House) -> None:
    house.administration.add_user("zhao", "a long password", organisation="west", roles=["clinician"])
    person = house.browser()
    person.sign_in("zhao", "a long password")
    token = person.tokens(scope=OFFLINE)["access_token"]
    assert house.desk.tokens.verify(token).roles == {Role.CLINICIAN}
    house.administration.set_roles("zhao", ["auditor"])
    house.now[0] += 6
    assert house.desk.tokens.verify(token).roles == {Role.AUDITOR}
    house.administration.set_locked("zhao", locked=True)
    house.now[0] += 6
    assert fault(house, token) is Fault.UNAUTHENTICATED
    assert person.http.get("/oauth/account").status_code == 303
    assert house.browser().sign_in("zhao", "a long password").status_code == 403


def test_removing_a_client_ends_what_was_granted_to_it(house: House, person: Person) -> None:
    house.administration.add_client("old", organisation="east", redirect_uris=["https://app.example/callback"],
                                    scopes=["openid", "user/*.rs"])  # fmt: skip
    token = person.tokens("old")["access_token"]
    house.administration.remove_client("old")
    assert fault(house, token) is Fault.UNAUTHENTICATED
    with pytest.raises(PacsdError) as caught:
        house.administration.add_client("old", organisation="east")
    assert caught.value.fault is Fault.CONFLICT
