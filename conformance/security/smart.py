"""SMART App Launch 2.2: the well-known document (conformance.html), and what a server says of itself there."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from conformance.fhir import expect
from conformance.judging import NotSupported
from conformance.security.suite import PLAIN_JSON, Page, Site, document

SMART = Page("smart", "SMART App Launch 2.2: configuration")

PATH = "/.well-known/smart-configuration"
CAPABILITIES = {                         # conformance#capabilities
    "launch-ehr", "launch-standalone", "authorize-post", "client-public", "client-confidential-symmetric",
    "client-confidential-asymmetric", "sso-openid-connect", "context-banner", "context-style", "context-ehr-patient",
    "context-ehr-encounter", "context-standalone-patient", "context-standalone-encounter", "permission-offline",
    "permission-online", "permission-patient", "permission-user", "permission-v1", "permission-v2", "smart-app-state",
    "context-ehr-hierarchy",
}  # fmt: skip
URLS = ("issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "registration_endpoint",
        "management_endpoint", "introspection_endpoint", "revocation_endpoint", "user_access_brand_bundle")  # fmt: skip
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def words(value: Any) -> list[str]:
    """A list of texts. Raises Failed for what is none."""
    expect.that(isinstance(value, list) and all(isinstance(one, str) for one in value), "a list of texts", value)
    return list(value)


def secure(urls: Iterable[str]) -> None:
    """Raises Failed unless all are absolute, and inside TLS where they leave this machine."""
    for one in urls:
        parts = urlsplit(one)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        expect.that(safe and parts.netloc, "an https URL", one)


@SMART.must("document", "conformance#using-well-known", "The document is there for everybody, as application/json")
def well_known(site: Site) -> None:
    _ = site.smart
    for accept in (PLAIN_JSON, None, "*/*", "application/fhir+json"):
        document(expect.status(site.nobody.get(PATH, accept), 200))


@SMART.must("required", "conformance#metadata", "token_endpoint, grant_types, capabilities, code_challenge_methods")
def required(site: Site) -> None:
    expect.that(isinstance(site.smart.get("token_endpoint"), str), "token_endpoint", site.smart.get("token_endpoint"))
    for name in ("grant_types_supported", "capabilities", "code_challenge_methods_supported"):
        expect.that(words(site.smart.get(name)), name, site.smart.get(name))


@SMART.must("authorization", "conformance#metadata", "Who offers a launch names where people are asked")
def authorization(site: Site) -> None:
    offered = {"launch-ehr", "launch-standalone"} & set(words(site.smart.get("capabilities")))
    if not offered:
        raise NotSupported("no launch is offered")
    expect.that(site.smart.get("authorization_endpoint"), "authorization_endpoint", "none")
    expect.that("authorization_code" in words(site.smart.get("grant_types_supported")), "authorization_code", "none")


@SMART.must("pkce", "conformance#metadata, app-launch#considerations-for-pkce-support", "PKCE with S256, never plain")
def pkce(site: Site) -> None:
    methods = words(site.smart.get("code_challenge_methods_supported"))
    expect.that("S256" in methods and "plain" not in methods, "S256 and not plain", methods)


@SMART.must("openid", "conformance#metadata", "Who signs people in names its issuer and its keys")
def openid(site: Site) -> None:
    if "sso-openid-connect" not in words(site.smart.get("capabilities")):
        expect.that("issuer" not in site.smart, "no issuer without sso-openid-connect", site.smart.get("issuer"))
        raise NotSupported("sso-openid-connect is not offered")
    for name in ("issuer", "jwks_uri"):
        expect.that(site.smart.get(name), name, site.smart.get(name))
    url = f"{str(site.smart['issuer']).rstrip('/')}/.well-known/openid-configuration"
    found = document(expect.status(site.nobody.get(url, PLAIN_JSON), 200))
    expect.same(site.smart["issuer"], found.get("issuer"), "issuer")
    expect.same(site.smart["jwks_uri"], found.get("jwks_uri"), "jwks_uri")


@SMART.must("urls", "app-launch#app-protection, RFC 9700 2.6", "Every URL of the document is absolute, and https")
def urls(site: Site) -> None:
    secure(str(site.smart[one]) for one in URLS if one in site.smart)


@SMART.should("capabilities", "conformance#capabilities", "Capabilities are those of the standard, others full URIs")
def capabilities(site: Site) -> None:
    for one in words(site.smart.get("capabilities")):
        expect.that(one in CAPABILITIES or re.match(r"[a-z][a-z0-9+.-]*:", one), "a capability", one)


@SMART.should("permissions", "scopes-and-launch-context", "Scopes that are listed are of the syntax that is claimed")
def permissions(site: Site) -> None:
    offered = set(words(site.smart.get("capabilities")))
    expect.that(offered & {"permission-v1", "permission-v2"}, "permission-v1 or permission-v2", offered)
    if "scopes_supported" not in site.smart:
        raise NotSupported("scopes_supported is not told")
    clinical = [one for one in words(site.smart["scopes_supported"]) if re.match(r"(patient|user|system)/", one)]
    v1 = r"(patient|user|system)/([A-Za-z]+|\*)\.(read|write|\*)"
    v2 = r"(patient|user|system)/([A-Za-z]+|\*)\.(?=[cruds])c?r?u?d?s?(\?.+)?"
    for one in clinical:
        fits = ("permission-v1" in offered and re.fullmatch(v1, one)) or re.fullmatch(v2, one)
        expect.that(fits, "a scope of that syntax", one)


@SMART.should("cors", "app-launch#considerations-for-cross-origin-resource-sharing-cors-support",
              "Apps that are pages of any origin may read the document")  # fmt: skip
def cors(site: Site) -> None:
    answer = expect.status(site.nobody.get(PATH, PLAIN_JSON, origin="https://app.example"), 200)
    allowed = answer.headers.get("access-control-allow-origin")
    if allowed is None:
        raise NotSupported("apps that are pages of another origin are not supported")
    expect.that(allowed in ("*", "https://app.example"), "the origin, or *", allowed)
