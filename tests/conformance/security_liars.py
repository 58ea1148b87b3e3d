"""Servers that let in whom they should not, or say what is not so: a real one whose requests or answers are changed.

A check that no liar is caught by cannot fail, and says nothing of an honest server:
`python -m tests.conformance.security_liars` prints which those are.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx

from conformance.judging import Outcome
from conformance.security import prepared
from conformance.security.checks import CHECKS
from conformance.security.command import parsed, site_of
from conformance.security.run import run
from tests.conformance.guarding import options, through
from tests.conformance.liars import Lie, Reply, breaks, nothing, plain_text, silent
from tests.security.house import opened

Ask = Callable[[httpx.Request], httpx.Request]


def asked(request: httpx.Request, url: httpx.URL | None = None, **fields: str | None) -> httpx.Request:
    """The same question with other header fields; None takes one away."""
    headers = {name: value for name, value in request.headers.items() if name != "content-length"}
    for name, value in fields.items():
        headers.pop(name.replace("_", "-"), None)
        if value is not None:
            headers[name.replace("_", "-")] = value
    content = request.read()
    return httpx.Request(request.method, url or request.url, headers=headers, content=content or None,
                         extensions=request.extensions)  # fmt: skip


def lets_in(token: str) -> Ask:
    """Whoever asks is taken for the first, whatever they show."""
    def ask(request: httpx.Request) -> httpx.Request:
        if request.url.path.startswith("/oauth"):
            return request
        return asked(request, authorization=f"Bearer {token}")

    return ask


def proves_clients(basic: str) -> Ask:
    """Any client at the token and introspection end points is the one that is known."""
    def ask(request: httpx.Request) -> httpx.Request:
        if request.url.path in ("/oauth/token", "/oauth/introspect"):
            return asked(request, authorization=basic)
        return request

    return ask


def widens(request: httpx.Request) -> httpx.Request:
    """Gives all that a client may have, whatever it asked for."""
    if request.url.path == "/oauth/token" and request.method == "POST":
        body = re.sub(rb"scope=[^&]*", b"scope=system/*.cruds", request.read())
        body = re.sub(rb"grant_type=[^&]*", b"grant_type=client_credentials", body, count=1)
        body = body.replace(b"&grant_type=client_credentials", b"")
        return httpx.Request("POST", request.url, content=body, headers={
            name: value for name, value in request.headers.items() if name != "content-length"})  # fmt: skip
    return request


def by_any_method(request: httpx.Request) -> httpx.Request:
    """Reads where it should refuse to change, and answers TRACE as if it were GET."""
    if request.method in ("PUT", "PATCH", "DELETE", "TRACE"):
        return asked_as(request, "GET")
    return request


def asked_as(request: httpx.Request, method: str) -> httpx.Request:
    headers = {name: value for name, value in request.headers.items() if not name.startswith("content-")}
    return httpx.Request(method, request.url, headers=headers, extensions=request.extensions)


def any_request(request: httpx.Request) -> httpx.Request:
    """Takes every authorization request for a right one."""
    if request.url.path != "/oauth/authorize":
        return request
    good = {"code_challenge_method": "S256", "code_challenge": "x" * 43, "response_type": "code"}
    params = {**dict(request.url.params), **good}
    for name in ("aud", "launch"):
        params.pop(name, None)
    return asked(request, request.url.copy_with(params=params))


def allows_all(reply: Reply) -> None:
    """200 for every refusal, with an empty answer of the kind that was asked for."""
    if 400 <= reply.status < 500:
        reply.status = 200
        reply.headers["content-type"] = "application/json"
        reply.body = b'{"resourceType":"Bundle","type":"searchset","total":1,"access_token":"x","active":true}'


def always_nothing(reply: Reply) -> None:
    """Nothing is there, whoever asks."""
    if reply.status in (200, 201):
        reply.status, reply.body = 404, b"{}"
        reply.headers["content-type"] = "application/json"


def forbids_by_401(reply: Reply) -> None:
    """Says no without a challenge, and as text."""
    if reply.status == 401:
        reply.headers.pop("www-authenticate", None)
        reply.headers["content-type"], reply.body = "text/plain", b"no"


def tells_where(reply: Reply) -> None:
    """Another answer for what is hidden than for what is absent: by the path, as a cache would."""
    if reply.status == 404:
        reply.headers["x-place"] = str(len(reply.request.url.path) + sum(reply.request.url.raw_path))


def _documents(change: Callable[[dict[str, Any]], object]) -> Lie:
    def lie(reply: Reply) -> None:
        if "json" in reply.kind and reply.body.startswith(b"{"):
            found = json.loads(reply.body)
            change(found)
            reply.body = json.dumps(found).encode()

    return lie


def misdescribes(found: dict[str, Any]) -> None:
    """An authorization server that says what none may say."""
    if "token_endpoint" in found:
        found |= {
            "code_challenge_methods_supported": ["plain"], "issuer": "https://evil.example",
            "revocation_endpoint_auth_signing_alg_values_supported": ["none"], "access_token_format": "paper",
            "token_endpoint_auth_signing_alg_values_supported": ["none"], "scopes_supported": ["patient/all"],
            "jwks_uri": found["jwks_uri"].replace("https:", "ftp:"),
        }  # fmt: skip
        if "capabilities" in found:
            found["capabilities"] = [*found["capabilities"], "everything"]


def says_little(found: dict[str, Any]) -> None:
    """Leaves out what is required."""
    for name in ("grant_types_supported", "authorization_endpoint", "code_challenge_methods_supported", "issuer",
                 "scopes_supported", "expires_in", "scope", "client_id", "keys"):  # fmt: skip
        found.pop(name, None)


def shows_secrets(found: dict[str, Any]) -> None:
    """Publishes a private key, and tells all of a token that does not count."""
    for one in found.get("keys", []):
        one["d"] = "x"
    if found.get("active") is False:
        found |= {"sub": "wang"}
    if "error" in found and "error_description" in found:
        found["error"] = "server_error"


def other_tokens(found: dict[str, Any]) -> None:
    """Tokens that last for ever, of another kind, that nobody signed."""
    if "access_token" in found:
        found |= {"token_type": "mac", "expires_in": 10**7, "refresh_token": "x"}
        head, claims, signature = str(found["access_token"]).split(".")
        found["access_token"] = f"{head}.{claims}.{signature[::-1]}"


def opaque_extension(found: dict[str, Any]) -> None:
    """Tokens of another type, whose claims say nothing."""
    if "access_token" in found:
        found["access_token"] = "eyJhbGciOiJIUzI1NiJ9.eyJleHRlbnNpb25zIjp7ImloZV9pdWEiOnt9fX0.x"


def audits_badly(found: dict[str, Any]) -> None:
    """Audit events of other things, and nothing of failures."""
    if found.get("resourceType") == "AuditEvent":
        found["agent"] = [{"requestor": False}]
        found["outcome"] = "12"
    if found.get("resourceType") == "Bundle":
        found["entry"] = [one for one in found.get("entry", []) if one["resource"]["resourceType"] != "AuditEvent"]


def finds_all_events(request: httpx.Request) -> httpx.Request:
    """Every event, whatever was searched for."""
    if request.url.path.endswith("/AuditEvent") and request.method == "GET":
        return asked(request, request.url.copy_with(query=b"_count=200"))
    return request


def open_headers(reply: Reply) -> None:
    """Everybody may keep, frame, read and sniff it."""
    reply.headers |= {
        "cache-control": "public, max-age=600", "access-control-allow-origin": reply.request.headers.get("origin", "*"),
        "server": "liar/1.0", "x-made": "1", "referrer-policy": "unsafe-url", "content-security-policy": "",
        "x-frame-options": "ALLOWALL", "x-content-type-options": "", "strict-transport-security": "max-age=0",
    }  # fmt: skip
    if "set-cookie" in reply.headers:
        reply.headers["set-cookie"] = "a=b"


def redirects(reply: Reply) -> None:
    """Sends everybody where the request says, with a code."""
    if reply.request.url.path == "/oauth/authorize":
        uri = dict(reply.request.url.params).get("redirect_uri", "https://evil.example/")
        if uri.isprintable():
            reply.status, reply.body = 302, b""
            reply.headers["location"] = f"{uri}?code=x&state=y&iss=z"


def grants_everything(reply: Reply) -> None:
    """Any code is worth a token."""
    if reply.request.url.path == "/oauth/token":
        reply.status, reply.headers["content-type"] = 200, "application/json"
        reply.body = b'{"access_token":"a.b.c","token_type":"Bearer","expires_in":600,"scope":"system/*.cruds"}'


def never_asks(reply: Reply) -> None:
    """No person is ever asked: there is an error."""
    if reply.request.url.path == "/oauth/authorize":
        reply.status, reply.headers["location"] = 303, "https://app.example/callback?error=server_error"


def shows_more(reply: Reply) -> None:
    """Says in a refusal what it is that is hidden."""
    if reply.status in (401, 403, 404) and "/Patient" in reply.request.url.path:
        reply.body = b'{"resourceType":"OperationOutcome","issue":[{"diagnostics":"Hidden Anna is not yours"}]}'


def untyped(reply: Reply) -> None:
    """Does not say what an answer is."""
    reply.headers.pop("content-type", None)


ANSWERS: Mapping[str, Lie] = {
    "untyped": untyped,
    "allows all": allows_all,
    "always nothing": always_nothing,
    "no challenge": forbids_by_401,
    "tells where": tells_where,
    "misdescribes": _documents(misdescribes),
    "says little": _documents(says_little),
    "shows secrets": _documents(shows_secrets),
    "other tokens": _documents(other_tokens),
    "opaque": _documents(opaque_extension),
    "audits badly": _documents(audits_badly),
    "open headers": open_headers,
    "redirects": redirects,
    "grants everything": grants_everything,
    "never asks": never_asks,
    "shows more": shows_more,
    "silent": silent,
    "plain text": plain_text,
    "breaks": breaks,
}
QUESTIONS: Mapping[str, Ask] = {
    "widens": widens,
    "by any method": by_any_method,
    "any request": any_request,
    "finds all events": finds_all_events,
}


def blind() -> list[str]:
    """Ids of the checks that pass on our server and see through no lie. Those of ports have a test of their own."""
    with opened() as guarded:
        told = options(guarded)
        honest = site_of(parsed(told), transport=through(guarded))
        prepared.store(honest)
        left = [one for one in CHECKS if not one.id.startswith(("iti-19.", "framing."))]
        left = [one for one in left if run(one, honest).outcome is Outcome.PASS]
        questions = {**QUESTIONS, "lets in": lets_in(str(honest.first.token)),
                     "proves clients": proves_clients(honest.needs_client().basic)}  # fmt: skip
        transports = [through(guarded, nothing, ask) for ask in questions.values()]
        transports += [through(guarded, lie) for lie in ANSWERS.values()]
        for transport in transports:
            lied = replace(site_of(parsed(told), transport=transport), tag=honest.tag, stored=honest.stored,
                           patience_s=0.5)  # fmt: skip
            left = [one for one in left if run(one, lied).outcome is not Outcome.FAIL]
        return [one.id for one in left]


if __name__ == "__main__":
    print(*blind(), sep="\n")
