"""IHE IUA (ITI TF-2: 3.71, 3.102, 3.103): getting a token, asking about it, and what the server says of itself."""

import secrets
import time

from conformance.fhir import expect
from conformance.judging import NotSupported, NotTested
from conformance.security import jose
from conformance.security.smart import secure, words
from conformance.security.suite import PLAIN_JSON, Document, Page, Site, document, oauth_error, told

GET_TOKEN = Page("iti-71", "IUA: Get Access Token (ITI-71)")
INTROSPECT = Page("iti-102", "IUA: Introspect Token (ITI-102)")
METADATA = Page("iti-103", "IUA: Get Authorization Server Metadata (ITI-103)")

LONGEST_S = 3600


def given(site: Site) -> Document:
    """What the token end point gives for the scope that the suite was told."""
    return site.token_of(site.needs_client().scope)


@GET_TOKEN.must("credentials", "ITI-71 3.71.4.2, RFC 6749 5.1", "A client that proves who it is gets a Bearer token")
def credentials(site: Site) -> None:
    found = given(site)
    expect.that(isinstance(found.get("access_token"), str) and found["access_token"], "access_token", sorted(found))
    expect.that(str(found.get("token_type")).lower() == "bearer", "token_type Bearer", found.get("token_type"))
    expect.that(isinstance(found.get("expires_in"), int) and found["expires_in"] > 0, "expires_in", found)
    expect.that("refresh_token" not in found, "no refresh token (RFC 6749 4.4.3)", sorted(found))


@GET_TOKEN.must("no-store", "RFC 6749 5.1", "Nobody on the way keeps an answer with a token")
def no_store(site: Site) -> None:
    client = site.needs_client()
    asked = {"grant_type": "client_credentials", "scope": client.scope}
    answer = site.post_form(site.end_point("token_endpoint"), asked, authorization=client.basic)
    expect.that("no-store" in expect.status(answer, 200).headers.get("cache-control", ""), "no-store",
                answer.headers.get("cache-control"))  # fmt: skip


@GET_TOKEN.must("secret", "RFC 6749 5.2", "A wrong secret is invalid_client, 401, with a challenge")
def secret(site: Site) -> None:
    client = site.needs_client()
    asked = {"grant_type": "client_credentials", "scope": client.scope}
    for wrong in (type(client)(client.id, "wrong", ""), type(client)(client.id, "", ""),
                  type(client)("nobody", client.secret, "")):  # fmt: skip
        answer = site.post_form(site.end_point("token_endpoint"), asked, authorization=wrong.basic)
        oauth_error(answer, (401,), "invalid_client")
        expect.that(answer.headers.get("www-authenticate", "").startswith("Basic"), "WWW-Authenticate: Basic",
                    answer.headers.get("www-authenticate"))  # fmt: skip


@GET_TOKEN.should("unknown", "RFC 6749 10.10, CWE-204", "A client that does not exist is answered like a wrong secret")
def unknown(site: Site) -> None:
    client = site.needs_client()
    asked, bodies = {"grant_type": "client_credentials", "scope": client.scope}, set()
    for name in (client.id, f"nobody-{secrets.token_hex(4)}"):
        wrong = type(client)(name, "wrong", "")
        answer = site.post_form(site.end_point("token_endpoint"), asked, authorization=wrong.basic)
        bodies.add((answer.status, answer.body))
    expect.same(1, len(bodies), "different answers:")


@GET_TOKEN.must("grants", "RFC 6749 5.2, RFC 9700 2.4", "Grants that are none, and people's passwords, are refused")
def grants(site: Site) -> None:
    client = site.needs_client()
    for kind in ("", "nonsense", "password"):
        asked = {"grant_type": kind, "username": "x", "password": "x", "scope": client.scope}
        answer = site.post_form(site.end_point("token_endpoint"), asked, authorization=client.basic)
        oauth_error(answer, (400,), "unsupported_grant_type", "invalid_request", "unauthorized_client")


@GET_TOKEN.must("scope", "RFC 6749 5.2", "A scope that nobody knows gives no token")
def scope(site: Site) -> None:
    asked = {"grant_type": "client_credentials", "scope": "no-such-scope"}
    answer = site.post_form(site.end_point("token_endpoint"), asked, authorization=site.needs_client().basic)
    oauth_error(answer, (400,), "invalid_scope")


@GET_TOKEN.must("narrow", "RFC 6749 5.1, scopes-and-launch-context", "What is given is told, and no more than asked")
def narrow(site: Site) -> None:
    asked = "system/Patient.r"
    found = site.token_of(asked)
    expect.that(set(str(found.get("scope", asked)).split()) <= {asked}, f"no more than {asked}", found.get("scope"))


@GET_TOKEN.must("method", "RFC 6749 3.2", "Tokens are asked for by POST, and parameters stand in the body")
def method(site: Site) -> None:
    client, url = site.needs_client(), site.end_point("token_endpoint")
    query = f"{url}?grant_type=client_credentials&client_id={client.id}&client_secret={client.secret}"
    for answer in (site.nobody.get(query, PLAIN_JSON), site.post_text(query, "")):
        expect.that(400 <= answer.status < 500 and b"access_token" not in answer.body, "4xx, no token", answer.status)


@GET_TOKEN.must("twice", "RFC 6749 3.2", "A parameter that comes twice is refused")
def twice(site: Site) -> None:
    client = site.needs_client()
    body = "grant_type=client_credentials&scope=system/Patient.r&grant_type=client_credentials"
    answer = site.post_text(site.end_point("token_endpoint"), body, authorization=client.basic)
    oauth_error(answer, (400,), "invalid_request")


def claims(site: Site) -> tuple[Document, Document, str]:
    """Header and claims of a fresh token, and the token. Raises NotSupported for one that is no JWT."""
    token = str(given(site)["access_token"])
    try:
        header, body, _ = jose.parts(token)
    except NotTested:
        raise NotSupported("access tokens are not JWT") from None
    return header, body, token


@GET_TOKEN.must("jwt", "ITI-71 3.71.4.2.2.1, RFC 9068 2", "A JWT says for whom, from whom, until when, and which it is")
def token_claims(site: Site) -> None:
    header, found, _ = claims(site)
    expect.that(str(header.get("typ", "")).lower().removeprefix("application/") == "at+jwt", "typ at+jwt", header)
    for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id"):
        expect.that(found.get(name), name, sorted(found))
    expect.same(site.issuer, found["iss"], "iss")
    expect.that(found["iat"] <= time.time() + 60 and found["exp"] > time.time(), "times around now", found)


@GET_TOKEN.must("signature", "ITI-71 3.71.4.2.2.1, RFC 9068 2.1", "It is signed by a key that is published, never none")
def signature(site: Site) -> None:
    header, _, token = claims(site)
    expect.that(header.get("alg") in jose.OURS, "an asymmetric algorithm", header.get("alg"))
    published = document(expect.status(site.nobody.get(site.end_point("jwks_uri"), PLAIN_JSON), 200))
    expect.that(jose.is_signed(token, jose.public_keys(published)), "a signature by one of the keys", header)


@GET_TOKEN.should("extension", "ITI-71 3.71.4.2.2.1.1", "It says in IHE's words who asks, for which organisation")
def extension(site: Site) -> None:
    _, body, _ = claims(site)
    extensions = body.get("extensions")
    found = extensions.get("ihe_iua") if isinstance(extensions, dict) else None
    if not isinstance(found, dict):
        raise NotSupported("the token has no extension ihe_iua")
    expect.that(set(found) & {"subject_name", "subject_organization", "subject_organization_id", "subject_role",
                              "purpose_of_use"}, "claims of IHE", sorted(found))  # fmt: skip


@GET_TOKEN.should("lifetime", "RFC 6750 5.3, app-launch", "A token lasts for an hour at most")
def lifetime(site: Site) -> None:
    expect.that(given(site).get("expires_in", 0) <= LONGEST_S, f"{LONGEST_S} s at most", given(site).get("expires_in"))


def about(site: Site, token: str) -> Document:
    """What introspection says of a token. Raises NotSupported where this client may not ask."""
    answer = site.post_form(site.end_point("introspection_endpoint"), {"token": token},
                            authorization=site.needs_client().basic)  # fmt: skip
    if answer.status in (401, 403):
        raise NotTested("this client may not ask about tokens")
    return document(expect.status(answer, 200))


@INTROSPECT.must("active", "ITI-102 3.102.4.2, RFC 7662 2.2", "Of a token that counts: active, scope, client_id, exp")
def active(site: Site) -> None:
    token = given(site)
    found = about(site, str(token["access_token"]))
    expect.that(found.get("active") is True, "active true", found)
    for name in ("scope", "client_id", "exp"):
        expect.that(found.get(name), name, sorted(found))
    expect.same(site.needs_client().id, found["client_id"], "client_id")


@INTROSPECT.must("inactive", "RFC 7662 2.2", "Of any other: active false, and nothing else")
def inactive(site: Site) -> None:
    token = str(given(site)["access_token"])
    for wrong in ("x", token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB"), token + "x"):
        expect.same({"active": False}, dict(about(site, wrong)), "the answer")


@INTROSPECT.must("protected", "RFC 7662 2.1, 4", "Who does not prove who they are is told nothing")
def protected(site: Site) -> None:
    token, url = str(given(site)["access_token"]), site.end_point("introspection_endpoint")
    for fields in ({}, {"authorization": type(site.needs_client())(site.needs_client().id, "wrong", "").basic}):
        answer = site.post_form(url, {"token": token}, **fields)
        expect.that(answer.status in (400, 401, 403) and b'"active"' not in answer.body, "401", answer.status)


@INTROSPECT.must("revoked", "RFC 7009 2.1, RFC 7662 2.2", "A token that was given back opens nothing any more")
def revoked(site: Site) -> None:
    client = site.needs_client()
    token = str(given(site)["access_token"])
    expect.that(about(site, token).get("active") is True, "active true", "another")
    answer = site.post_form(site.end_point("revocation_endpoint"), {"token": token}, authorization=client.basic)
    expect.status(answer, 200)
    until = time.monotonic() + site.patience_s
    while site.with_token(token).get("/Patient?_count=0").status != 401:
        expect.that(time.monotonic() < until, f"401 within {site.patience_s:g} s", "none")
        time.sleep(0.2)
    expect.same({"active": False}, dict(about(site, token)), "the answer")


@METADATA.must("document", "ITI-103 3.103.4.2, RFC 8414 3", "Everybody is told the issuer and its end points")
def metadata(site: Site) -> None:
    found = site.metadata
    expect.same(site.issuer, found.get("issuer"), "issuer")
    expect.that(isinstance(found.get("token_endpoint"), str), "token_endpoint", sorted(found))
    for name in ("scopes_supported", "response_types_supported", "grant_types_supported"):
        expect.that(words(found.get(name)), name, found.get(name))
    secure(str(value) for name, value in found.items() if name.endswith(("_endpoint", "_uri")))


@METADATA.must("algorithms", "RFC 8414 2", "No algorithm that is none, nor a shared secret, proves a client")
def algorithms(site: Site) -> None:
    for name, value in site.metadata.items():
        if name.endswith("_alg_values_supported"):
            expect.that(not {"none"} & set(words(value)), f"no none in {name}", value)


@METADATA.must("keys", "RFC 8414 2, RFC 7517 5", "The keys are public ones")
def keys(site: Site) -> None:
    if "jwks_uri" not in site.metadata:
        raise NotSupported("no keys are published")
    answer = site.nobody.get(str(site.metadata["jwks_uri"]), "application/jwk-set+json, application/json")
    jose.public_keys(told(expect.status(answer, 200)))


@METADATA.should("format", "ITI-103 3.103.4.2.2", "The format of tokens is told: ihe-jwt or ihe-saml")
def token_format(site: Site) -> None:
    if "access_token_format" not in site.metadata:
        raise NotSupported("access_token_format is not told")
    expect.that(site.metadata["access_token_format"] in ("ihe-jwt", "ihe-saml", "opaque"), "a format of IHE",
                site.metadata["access_token_format"])  # fmt: skip


@METADATA.should("same", "conformance, ITI-103", "What SMART's document says of the end points is the same")
def same(site: Site) -> None:
    for name in ("authorization_endpoint", "token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        if name in site.smart and name in site.metadata:
            expect.same(site.metadata[name], site.smart[name], name)
