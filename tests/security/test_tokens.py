"""Tokens of an outside issuer, forged in every way we know, at every door of the running server.

Those of our own issuer are forged by `conformance/security`, which tests/conformance/test_security.py runs.
"""

import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import RSAKey
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from conformance.tls_socket import in_turns
from tests.access.minting import ISSUER, iua
from tests.security.house import Guarded

DOORS = ("/dicom-web/studies?limit=1", "/fhir/Patient?_count=1", "/fhir/AuditEvent", "/metrics",
         "/dicom-web/workitems?limit=1", "/wado?requestType=WADO&studyUID=1&seriesUID=1&objectUID=1")  # fmt: skip
ATTACKER = RSAKey.generate_key(2048, {"kid": "rsa"})


def part(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def joined(house: Guarded, signature: str = "", **header: Any) -> str:
    """A token of the mint's claims under another header."""
    told = {"alg": "RS256", "typ": "at+jwt", "kid": "rsa", **header}
    return f"{part(told)}.{part(house.mint.claims('east', 'system'))}.{signature}"


def by_hmac(house: Guarded, secret: bytes, **header: Any) -> str:
    head = joined(house, alg="HS256", **header).rpartition(".")[0]
    mac = hmac.new(secret, head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def by_attacker(house: Guarded, **header: Any) -> str:
    told = {"alg": "RS256", "typ": "at+jwt", "kid": "rsa", **header}
    return jwt.encode(told, house.mint.claims("east", "system"), ATTACKER)


def by_issuer(house: Guarded, **header: Any) -> str:
    """Well signed, whatever the header says: what refuses it is no wrong signature."""
    head = joined(house, **header).rpartition(".")[0]
    mark = house.mint.keys["RS256"].get_op_key("sign").sign(head.encode(), PKCS1v15(), SHA256())
    return f"{head}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


def public(house: Guarded) -> bytes:
    return house.mint.keys["RS256"].as_pem(private=False)


def trap(house: Guarded) -> str:
    return f"http://127.0.0.1:{house.trap.port}/jwks"


FORGED: Mapping[str, Callable[[Guarded], str]] = {
    "no signature": lambda house: joined(house, alg="none"),
    "no signature, in capitals": lambda house: joined(house, alg="NONE", signature="x"),
    "a public key as secret": lambda house: by_hmac(house, public(house)),
    "a public key as secret, unnamed": lambda house: by_hmac(house, public(house), kid=""),
    "no secret": lambda house: by_hmac(house, b"", kid="../../../../dev/null"),
    "somebody's own key": by_attacker,
    "a key of its own in the header": lambda house: by_attacker(house, jwk=ATTACKER.as_dict(private=False)),
    "a key set elsewhere": lambda house: by_attacker(house, jku=trap(house), kid="x"),
    "a certificate elsewhere": lambda house: by_attacker(house, x5u=trap(house)),
    "a key id that is a URL": lambda house: by_attacker(house, kid=trap(house)),
    "a key id that is a file": lambda house: by_hmac(house, house.canary.read_bytes(), kid=str(house.canary)),
    "expired": lambda house: house.token(exp=int(time.time()) - 120),
    "endless": lambda house: house.token(exp=None),
    "not yet": lambda house: house.token(nbf=int(time.time()) + 600),
    "for somebody else": lambda house: house.token(aud="https://other.example"),
    "of somebody else": lambda house: house.token(iss="https://evil.example"),
    "of our own issuer, by another's key": lambda house: house.token(iss=house.base),
    "of almost the issuer": lambda house: house.token(iss=ISSUER + "/"),
    "of an organisation that is none": lambda house: house.token(extensions=iua("north", "system")),
    "of a role that is none": lambda house: house.token(extensions=iua("east", "emperor")),
    "of another type": lambda house: house.mint.signed(house.mint.claims("east", "system"), typ="JWT"),
    "bound to a key that is not shown": lambda house: house.token(cnf={"x5t#S256": "A" * 43}),
    "critical": lambda house: by_issuer(house, crit=["x"], x=1),
    "not encoded": lambda house: by_issuer(house, crit=["b64"], b64=False),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_opens_no_door(guarded: Guarded, name: str) -> None:
    token, came = FORGED[name](guarded), guarded.trap.came
    with guarded.client(token) as http:
        for door in DOORS:
            answer = http.get(door)
            assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer"), door
    assert guarded.trap.came == came


def test_a_good_token_opens_them_so_that_these_refusals_mean_something(guarded: Guarded) -> None:
    for token in (guarded.token(), by_issuer(guarded)):
        with guarded.client(token) as http:
            statuses = [http.get(door).status_code for door in DOORS]
        assert statuses == [200, 200, 403, 200, 200, 400] or statuses == [200, 200, 403, 200, 200, 404], statuses


def test_a_forged_token_opens_no_channel(guarded: Guarded) -> None:
    for path in ("/dicom-web/ws/subscribers/WATCHER", "/fhir/ws"):
        with channel(guarded, path, guarded.token()):
            pass
        for name in ("no signature", "a public key as secret", "expired", "for somebody else"):
            with pytest.raises(InvalidStatus) as refused, channel(guarded, path, FORGED[name](guarded)):
                pass
            assert refused.value.response.status_code in (401, 403), (name, path)


def channel(house: Guarded, path: str, token: str) -> ClientConnection:
    field = {"Authorization": f"Bearer {token}", "X-Forwarded-For": house.address()}
    where = f"wss://localhost:{house.https}{path}"
    return connect(where, ssl=in_turns(house.context), additional_headers=field, proxy=None)


def test_a_client_is_not_believed_about_its_certificate(guarded: Guarded) -> None:
    """Whoever speaks for a device has its certificate; a header that says so has to come from a trusted proxy."""
    data = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_id": "device"}
    shown = base64.b64encode(ssl.PEM_cert_to_DER_cert(guarded.files["ct1"].certificate.read_text())).decode()
    real = {"client-cert": f":{shown}:"}
    with guarded.client() as http:
        assert http.post("/oauth/token", data=data).status_code == 401
        for name in ("x-client-cert", "x-ssl-client-cert", "ssl-client-cert"):
            forged = {name: f":{shown}:", "ssl-client-verify": "SUCCESS"}
            assert http.post("/oauth/token", data=data, headers=forged).status_code == 401, name
        assert http.post("/oauth/token", data=data, headers=real).status_code == 200         # by a proxy
    no_proxy = httpx.HTTPTransport(verify=guarded.context, local_address="127.0.0.2")
    with httpx.Client(base_url=guarded.base, transport=no_proxy) as http:
        assert http.post("/oauth/token", data=data, headers=real).status_code == 401


def test_who_guesses_tokens_is_slowed_down_and_others_are_not(guarded: Guarded) -> None:
    with guarded.client("guess") as http, guarded.client(guarded.token()) as other:
        answers = [http.get(DOORS[0]) for _ in range(60)]
        slowed = [one for one in answers if one.status_code == 429]
        assert slowed and int(slowed[0].headers["retry-after"]) >= 1
        assert other.get(DOORS[0]).status_code == 200
