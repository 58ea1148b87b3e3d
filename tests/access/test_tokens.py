"""Tokens: what counts, and the ways in which attackers have made others' servers take what does not."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from pacsd.access.principal import PatientKey, Principal, Proof, Role
from pacsd.access.tokens import Verifier, thumbprint
from pacsd.faults import Fault, PacsdError
from tests.access.minting import INTROSPECTION_URL, ISSUER, JWKS_URL, Mint, iua


@pytest.fixture(scope="module")
def mint() -> Mint:
    return Mint()


@pytest.fixture
def verifier(mint: Mint) -> Verifier:
    mint.asked.clear()
    mint.away = False
    return mint.verifier()


def refused(verifier: Verifier, token: str, **options: Any) -> str:
    """Why a token does not count."""
    with pytest.raises(PacsdError) as caught:
        verifier.verify(token, **options)
    assert caught.value.fault is Fault.UNAUTHENTICATED
    return caught.value.message


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "PS256", "EdDSA", "Ed25519"])
def test_signed_token_becomes_a_principal(mint: Mint, verifier: Verifier, algorithm: str) -> None:
    claims = mint.claims(extensions=iua("east", "radiologist", "administrator", name="王医生", purpose="ETREAT"))
    found = verifier.verify(mint.signed(claims, algorithm), address="10.0.0.7")
    assert found == Principal(
        "wang", "east", frozenset((Role.RADIOLOGIST, Role.ADMINISTRATOR)), Proof.TOKEN, name="王医生", client="viewer",
        permissions=("openid", "user/*.cruds"), purpose="ETREAT", address="10.0.0.7",
    )  # fmt: skip


def test_token_is_checked_once_and_its_keys_are_fetched_once(mint: Mint, verifier: Verifier) -> None:
    token = mint.token()
    assert verifier.known(token) is None
    first = verifier.verify(token)
    assert verifier.known(token) == first
    verifier.verify(mint.token(sub="li"))
    assert mint.asked == {JWKS_URL: 1}


def test_token_is_remembered_until_it_expires_and_no_longer(mint: Mint) -> None:
    now = [time.time()]
    verifier = mint.verifier(clock=lambda: now[0])
    token = mint.token()
    verifier.verify(token)
    now[0] += 700
    assert verifier.known(token) is None
    assert "expired" in refused(verifier, token)


def none_algorithm(mint: Mint) -> str:
    header, claims, _ = mint.token().split(".")
    told = {**json.loads(base64.urlsafe_b64decode(header + "==")), "alg": "none"}
    return f"{base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip('=')}.{claims}."


def public_key_as_secret(mint: Mint) -> str:
    """The classic confusion: an HMAC with the published key as its secret."""
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"at+jwt","kid":"rsa"}').rstrip(b"=")
    claims = base64.urlsafe_b64encode(json.dumps(mint.claims()).encode()).rstrip(b"=")
    signature = hmac.new(mint.keys["RS256"].as_pem(private=False), header + b"." + claims, hashlib.sha256).digest()
    return b".".join((header, claims, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


def key_in_header(mint: Mint) -> str:
    """A token that brings its own key (RFC 8725 2.2)."""
    own = RSAKey.generate_key(2048)
    header = {"alg": "RS256", "typ": "at+jwt", "jwk": own.as_dict(private=False), "kid": "rsa"}
    return jwt.encode(header, mint.claims(), own)


def other_payload(mint: Mint) -> str:
    header, _, signature = mint.token().split(".")
    claims = base64.urlsafe_b64encode(json.dumps(mint.claims("west", "administrator")).encode()).rstrip(b"=").decode()
    return f"{header}.{claims}.{signature}"


@pytest.mark.parametrize("forged", [none_algorithm, public_key_as_secret, key_in_header, other_payload])
def test_forged_signatures_do_not_count(mint: Mint, verifier: Verifier, forged: Any) -> None:
    assert "signature" in refused(verifier, forged(mint))


def test_shared_secret_among_published_keys_signs_nothing(mint: Mint) -> None:
    secret = OctKey.generate_key(256, {"kid": "oct"})
    published = json.dumps({"keys": [secret.as_dict(private=True)]}).encode()
    verifier = Verifier([mint.settings()], {"default": "x"}, fetch=lambda _url, **_options: published)
    refused(verifier, jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": "oct"}, mint.claims(), secret))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "https://other.example"}, "somebody else"),
        ({"aud": None}, "somebody else"),
        ({"aud": {"https://pacs.example": 1}}, "somebody else"),
        ({"iss": "https://evil.example"}, "not known"),
        ({"iss": ISSUER + "/"}, "not known"),
        ({"iss": [ISSUER]}, "not known"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "not a time"),
        ({"exp": "9999999999"}, "not a time"),
        ({"exp": True}, "not a time"),
        ({"nbf": 9_999_999_999}, "not count yet"),
        ({"iat": 9_999_999_999}, "not count yet"),
        ({"sub": None}, "no subject"),
        ({"sub": "x\r\nSet-Cookie: a=b"}, "no subject"),
        ({"extensions": None}, "no organisation"),
        ({"extensions": {"ihe_iua": []}}, "no organisation"),
        ({"extensions": iua("north", "radiologist")}, "no organisation"),
        ({"extensions": iua("east", "emperor")}, "no role"),
        ({"cnf": {"jkt": "x"}}, "not supported"),
        ({"cnf": "x"}, "not supported"),
    ],
)
def test_claims_that_are_not_right_do_not_count(
    mint: Mint, verifier: Verifier, changes: dict[str, Any], reason: str
) -> None:
    assert reason in refused(verifier, mint.token(**changes))


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": "id+jwt"}, {"crit": ["x"], "x": 1}, {"b64": False}])
def test_headers_of_other_kinds_do_not_count(mint: Mint, verifier: Verifier, header: dict[str, Any]) -> None:
    token = mint.token()
    told = {"alg": "RS256", "typ": "at+jwt", "kid": "rsa", **header}
    head = base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()
    refused(verifier, f"{head}.{token.partition('.')[2]}")


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 20_000, "e30.e30.", "ü.ü.ü", "e30=.e30.x",
                                   base64.urlsafe_b64encode(b"[" * 9000).decode() + ".e30.x"])  # fmt: skip
def test_what_is_no_token_is_refused(verifier: Verifier, token: str) -> None:
    refused(verifier, token)


def test_keys_rotate_and_strangers_do_not_make_us_fetch(mint: Mint, verifier: Verifier) -> None:
    verifier.verify(mint.token())
    for number in range(20):
        refused(verifier, mint.signed(mint.claims(), kid=f"new {number}"))
    assert mint.asked == {JWKS_URL: 1}


def test_new_key_is_found_after_a_pause(caplog: pytest.LogCaptureFixture) -> None:
    mint, now = Mint(), [0.0]
    from pacsd.access.key_sets import KeySet, document_of

    keys = KeySet(lambda: document_of(mint.fetch(JWKS_URL)), of=ISSUER, clock=lambda: now[0])
    assert keys.find("RS256", "rsa") and not keys.find("RS256", "fresh")
    mint.keys["RS256"] = RSAKey.generate_key(2048, {"kid": "fresh"})
    assert not keys.find("RS256", "fresh")
    now[0] += 31
    assert keys.find("RS256", "fresh")
    mint.away = True
    now[0] += 3600
    with caplog.at_level("WARNING", logger="pacsd.access"):
        assert keys.find("RS256", "fresh")              # while the server is away, what there was counts on
    assert [(one.message, one.__dict__["of"]) for one in caplog.records] == [("keys cannot be had", ISSUER)]
    now[0] += 90_000
    with pytest.raises(PacsdError) as caught:
        keys.find("RS256", "fresh")
    assert caught.value.fault is Fault.UNAVAILABLE


def test_bound_token_counts_only_with_its_certificate(mint: Mint, verifier: Verifier) -> None:
    token = mint.token(cnf={"x5t#S256": thumbprint(b"mine")})
    assert verifier.verify(token, certificate=b"mine").subject == "wang"
    refused(verifier, token, certificate=b"another's")
    refused(verifier, token)
    with pytest.raises(PacsdError):
        verifier.known(token)


def test_opaque_token_is_asked_about_and_a_revocation_felt(mint: Mint) -> None:
    now = [time.time()]
    verifier = mint.verifier(jwks_url="", introspection_url=INTROSPECTION_URL, clock=lambda: now[0])
    mint.asked.clear()
    mint.opaque["abc"] = {"active": True, **mint.claims("west", "clinician")}
    assert verifier.verify("abc").organisation == "west"
    assert verifier.verify("abc") and mint.asked == {INTROSPECTION_URL: 1}
    mint.opaque["abc"] = {"active": False}
    now[0] += 5.1
    refused(verifier, "abc")
    refused(verifier, "abc")
    assert mint.asked == {INTROSPECTION_URL: 2}
    mint.opaque["abc"] = {"active": True, **mint.claims("west", aud="https://other.example")}
    now[0] += 5.1
    refused(verifier, "abc")
    mint.opaque["abc"] = {"active": "true", **mint.claims("west")}
    now[0] += 5.1
    refused(verifier, "abc")


def test_issuer_that_is_away_is_no_refusal(mint: Mint) -> None:
    verifier = mint.verifier(introspection_url=INTROSPECTION_URL)
    mint.away = True
    for token in ("abc", mint.token()):
        with pytest.raises(PacsdError) as caught:
            verifier.verify(token)
        assert caught.value.fault is Fault.UNAVAILABLE
    mint.away = False


def test_settings_say_what_roles_and_organisations_mean(mint: Mint) -> None:
    verifier = mint.verifier(
        organisations=("1.2.3=west",), roles=("309343006=clinician", "urn:x|MTA=technologist"),
        roles_claim="https://example/roles", organisation_claim="org",
    )  # fmt: skip
    told = {"https://example/roles": ["309343006", {"system": "urn:x", "code": "MTA"}], "org": "urn:oid:1.2.3"}
    found = verifier.verify(mint.token(**told))
    assert (found.organisation, found.roles) == ("west", {Role.CLINICIAN, Role.TECHNOLOGIST})


def test_patient_is_the_one_the_claim_names(mint: Mint, verifier: Verifier) -> None:
    found = verifier.verify(mint.token("east", "patient", patient_id="000123"))
    assert found.patient == found.context == PatientKey("EAST-HIS", "000123")
    assert found.purpose == "TREAT" and found.is_a(Role.PATIENT)
    assert "does not say who" in refused(verifier, mint.token("east", "patient"))


def test_patient_scopes_need_a_patient_that_is_known(mint: Mint) -> None:
    known = {("east", "p1"): PatientKey("EAST-HIS", "7")}
    verifier = mint.verifier(find_patient=lambda organisation, patient: known.get((organisation, patient)))
    scope = "patient/Observation.rs?category=laboratory"
    found = verifier.verify(mint.token("east", scope=scope, patient="p1"))
    assert (found.context, found.patient, found.permissions) == (PatientKey("EAST-HIS", "7"), None, (scope,))
    refused(verifier, mint.token("east", scope=scope, patient="p2"))
    refused(verifier, mint.token("east", scope=scope))


def test_client_of_its_own_is_a_system(mint: Mint, verifier: Verifier) -> None:
    found = verifier.verify(mint.token(sub="viewer", extensions=iua("east")))
    assert found.roles == {Role.SYSTEM}
