"""Tokens that somebody made up from a real one (RFC 8725): none of them counts.

They are made of the token that the suite was given, which has to be a JWT; what is asked is harmless. Nobody outside
has the issuer's key: what a verifier makes of a well-signed token with another issuer, audience, type or critical
header does not show here, where a signature that does not fit is reason enough to refuse it. The claims are named so.
"""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from joserfc.jwk import RSAKey

from conformance.fhir import expect
from conformance.judging import NotSupported, NotTested
from conformance.security import jose
from conformance.security.suite import PLAIN_JSON, Page, Site, told

FORGED = Page("forged", "Forged tokens (RFC 8725)")

PATH = "/Patient?_count=1"
EVIL = "https://evil.example/keys"


def real(site: Site) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Header, claims and signature of the first's token. Raises NotTested for one that is no JWT."""
    return jose.parts(str(site.first.token))


def refused(site: Site, *tokens: str) -> None:
    """Raises Failed unless each is refused as one that proves nothing (RFC 6750 3.1), and the real one is not."""
    for token in tokens:
        answer = site.with_token(token).get(PATH)
        expect.that(answer.status in (400, 401), f"401 for {token[:40]}…", answer.status)
    expect.status(site.first.get(PATH), 200)


def keys(site: Site) -> list[Any]:
    """The issuer's public keys of RSA or EC. Raises NotSupported without."""
    answer = site.nobody.get(site.end_point("jwks_uri"), PLAIN_JSON)
    found = [one for one in jose.public_keys(told(expect.status(answer, 200))) if hasattr(one, "as_pem")]
    if not found:
        raise NotSupported("no keys are published that could be mistaken for a secret")
    return found


@FORGED.must("none", "RFC 8725 3.2", "A token without a signature, however its header calls it")
def none(site: Site) -> None:
    header, claims, signature = real(site)
    forged = [jose.joined({**header, "alg": name}, claims, mark)
              for name in ("none", "None", "NONE", "nOnE", "") for mark in ("", signature)]  # fmt: skip
    refused(site, *forged, jose.joined(header, claims, ""), jose.joined({}, claims, signature))


@FORGED.must("claims", "RFC 8725 3.3", "Other claims under the signature of the real ones")
def other_claims(site: Site) -> None:
    header, claims, signature = real(site)
    for changes in ({"sub": "administrator"}, {"exp": 9_999_999_999}, {"scope": "system/*.cruds user/*.cruds"}):
        refused(site, jose.joined(header, {**claims, **changes}, signature))
    raw = str(site.first.token)
    flipped = raw[:-6] + ("A" if raw[-6] != "A" else "B") + raw[-5:]
    refused(site, flipped, raw + "A", raw + ".", f".{raw}", raw.rpartition(".")[0])


@FORGED.must("confusion", "RFC 8725 2.1, 3.1", "An HMAC whose secret is the published key")
def confusion(site: Site) -> None:
    header, claims, _ = real(site)
    for key in keys(site):
        public, pem = key.as_dict(private=False), key.as_pem(private=False)
        texts = (json.dumps(public), json.dumps(public, separators=(",", ":")), str(public.get("n", public.get("x"))),
                 str(public.get("kid", "")))  # fmt: skip
        secrets_ = (pem, pem.strip(), key.as_der(private=False), *(one.encode() for one in texts))
        refused(site, *(jose.by_secret(header, claims, one) for one in secrets_))


@FORGED.must("weak", "RFC 8725 3.5", "An HMAC with no secret, or one that everybody tries first")
def weak(site: Site) -> None:
    header, claims, _ = real(site)
    refused(site, *(jose.by_secret(header, claims, one) for one in (b"", b"secret", b"\0", b"password", b"changeme")))


@FORGED.must("own-key", "RFC 8725 3.10, RFC 7515 10.10", "A token that brings the key it was signed with")
def own_key(site: Site) -> None:
    header, claims, _ = real(site)
    own = RSAKey.generate_key(2048)
    public = own.as_dict(private=False)
    plain = {name: value for name, value in header.items() if name != "kid"}
    for more in ({"jwk": public}, {"jku": EVIL}, {"x5u": EVIL}, {"jwk": public, "jku": EVIL, "kid": own.thumbprint()}):
        refused(site, jose.by_key({**header, **more}, claims, own), jose.by_key({**plain, **more}, claims, own))


@FORGED.must("key-id", "RFC 8725 3.10", "A key id that is a path, a statement or a URL")
def key_id(site: Site) -> None:
    header, claims, _ = real(site)
    own = RSAKey.generate_key(2048)
    names = ("../../../../../../dev/null", "/dev/null", "x' UNION SELECT 'secret' -- ", "; true", EVIL, "\u0000", "",
             "x" * 4000)  # fmt: skip
    for name in names:
        told: Mapping[str, Any] = {**header, "kid": name}
        refused(site, jose.by_secret(told, claims, b""), jose.by_secret(told, claims, b"secret"),
                jose.by_key(told, claims, own))  # fmt: skip


@FORGED.must("critical", "RFC 7515 4.1.11, 5.2", "Critical headers under the real one's signature")
def critical(site: Site) -> None:
    header, claims, signature = real(site)
    for more in ({"crit": ["x"], "x": 1}, {"b64": False, "crit": ["b64"]}, {"zip": "DEF"}, {"cty": "JWT"}):
        refused(site, jose.joined({**header, **more}, claims, signature))


@FORGED.must("shape", "RFC 7515 3, RFC 8725 3.4", "What only looks like a token")
def shape(site: Site) -> None:
    header, claims, signature = real(site)
    deep = jose.encoded(b"[" * 6000)
    head, body, mark = str(site.first.token).split(".")
    refused(site, "..", ".".join((head, body, mark, mark)), ".".join((head, "", body, mark, mark)), f"{deep}.{body}.x",
            f"{head}.{deep}.{mark}", jose.joined({**header, "alg": ["RS256"]}, claims, signature),
            jose.joined({**header, "alg": {"a": 1}}, claims, signature),
            jose.encoded(json.dumps({"payload": body, "signatures": []}).encode()))  # fmt: skip


@FORGED.must("issuer", "RFC 8725 3.8, 3.9, RFC 9068 4", "Another issuer or audience, by an unknown key")
def issuer(site: Site) -> None:
    header, claims, _ = real(site)
    own = RSAKey.generate_key(2048, {"kid": "own"})
    slash = f"{claims.get('iss')}/"
    for changes in ({"iss": "https://evil.example"}, {"aud": "https://other.example"}, {"iss": slash}):
        refused(site, jose.by_key(header, {**claims, **changes}, own))


@FORGED.must("client-assertion", "RFC 7523 3, RFC 8725 2.1", "A client that says without a key who it is")
def client_assertion(site: Site) -> None:
    if "private_key_jwt" not in site.metadata.get("token_endpoint_auth_methods_supported", []):
        raise NotSupported("private_key_jwt is not offered")
    client, end_point = site.needs_client(), site.end_point("token_endpoint")
    claims = {"iss": client.id, "sub": client.id, "aud": end_point, "exp": 9_999_999_999, "jti": secrets.token_hex(8)}
    own = RSAKey.generate_key(2048)
    public = {"jwk": own.as_dict(private=False)}
    for forged in (jose.joined({"alg": "none"}, claims, ""), jose.by_secret({}, claims, b""),
                   jose.by_key({}, claims, own), jose.by_key(public, claims, own)):  # fmt: skip
        answer = site.post_form(end_point, {
            "grant_type": "client_credentials", "scope": client.scope, "client_assertion": forged,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        })  # fmt: skip
        expect.that(answer.status in (400, 401) and b"access_token" not in answer.body, "invalid_client", answer.status)


@FORGED.must("identity", "RFC 9068 5, RFC 8725 3.11", "Another type in the header, under the real one's signature")
def another_type(site: Site) -> None:
    header, claims, signature = real(site)
    if "typ" not in header:
        raise NotTested("the token names no type")
    refused(site, *(jose.joined({**header, "typ": one}, claims, signature) for one in ("JWT", "id+jwt", "logout+jwt")))
