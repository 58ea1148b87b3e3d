"""The ASGI application of the authorization server: one declared table of end points, and what stands around them."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pacsd.faults import Fault, PacsdError, place_of
from pacsd.oauth import (
    account,
    answers,
    authorize,
    introspect,
    jwks,
    launch,
    login,
    metadata,
    pages,
    patient,
    revoke,
    second_factor,
    security_keys,
    token,
    userinfo,
)
from pacsd.oauth.asked import MAX_BODY_BYTES, MAX_QUERY_BYTES, Asked, pairs_of
from pacsd.oauth.authorization_request import Declined
from pacsd.oauth.browser import browser
from pacsd.oauth.desk import Desk
from pacsd.oauth.provider import PATH
from pacsd.oauth.refusal import OAuthError, Untrusted

FORM = "application/x-www-form-urlencoded"
SMART_CONFIGURATION = "/fhir/.well-known/smart-configuration"
WELL_KNOWN = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", SMART_CONFIGURATION)

Handler = Callable[[Desk, Asked], Response]
Run = Callable[..., Awaitable[Any]]      # a call in a thread of its own

_log = logging.getLogger("pacsd.oauth")


@dataclass(frozen=True, slots=True)
class EndPoint:
    """One of them. `for_people`: it answers with pages, also to what goes wrong."""

    method: str
    path: str
    handler: Handler
    name: str
    for_people: bool = False


END_POINTS: tuple[EndPoint, ...] = (
    EndPoint("GET", f"{PATH}/authorize", authorize.ask, "Authorization", for_people=True),
    EndPoint("POST", f"{PATH}/authorize", authorize.ask_by_form, "Authorization", for_people=True),
    EndPoint("GET", f"{PATH}/login", login.show, "Log-in page", for_people=True),
    EndPoint("POST", f"{PATH}/login", login.sign, "Log in", for_people=True),
    EndPoint("GET", f"{PATH}/second", login.show_second, "Second step", for_people=True),
    EndPoint("POST", f"{PATH}/second", login.sign_second, "Second step", for_people=True),
    EndPoint("GET", f"{PATH}/set-up", second_factor.show, "Set up second factor", for_people=True),
    EndPoint("POST", f"{PATH}/set-up", second_factor.confirm, "Set up second factor", for_people=True),
    EndPoint("GET", f"{PATH}/key", security_keys.show, "Add a security key", for_people=True),
    EndPoint("POST", f"{PATH}/key", security_keys.confirm, "Add a security key", for_people=True),
    EndPoint("GET", security_keys.SCRIPT, security_keys.script, "Script of security keys"),
    EndPoint("GET", f"{PATH}/patient", patient.show, "Patient picker", for_people=True),
    EndPoint("GET", f"{PATH}/account", account.show, "Account page", for_people=True),
    EndPoint("POST", f"{PATH}/account", account.change, "Change account", for_people=True),
    EndPoint("POST", f"{PATH}/token", token.token, "Token"),
    EndPoint("POST", f"{PATH}/revoke", revoke.revoke, "Revocation"),
    EndPoint("POST", f"{PATH}/introspect", introspect.introspect, "Introspection"),
    EndPoint("POST", f"{PATH}/launch", launch.launch, "Launch"),
    EndPoint("GET", f"{PATH}/userinfo", userinfo.userinfo, "UserInfo"),
    EndPoint("POST", f"{PATH}/userinfo", userinfo.userinfo, "UserInfo"),
    EndPoint("GET", f"{PATH}/jwks", jwks.jwks, "Keys"),
    EndPoint("GET", WELL_KNOWN[0], metadata.authorization_server, "Metadata"),
    EndPoint("GET", WELL_KNOWN[1], metadata.openid_configuration, "Metadata"),
    EndPoint("GET", WELL_KNOWN[2], metadata.smart_configuration, "Metadata"),
)


class OAuthApp:
    """The authorization server; mounted by pacsd.main at every path of MOUNTED.

    `address` and `certificate`: of the TCP and TLS peer behind a request; `run` runs calls in threads.
    """

    def __init__(
        self, desk: Desk, *, run: Run, address: Callable[[Request], str],
        certificate: Callable[[Request], bytes | None] = lambda _request: None,
    ) -> None:  # fmt: skip
        self._desk = desk
        self._run = run
        self._address = address
        self._certificate = certificate
        self._by_path: dict[str, dict[str, EndPoint]] = {}
        for one in END_POINTS:
            self._by_path.setdefault(one.path, {})[one.method] = one

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        try:
            response = await self._answered(request)
        except ClientDisconnect:
            return
        if request.method == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        ways = self._by_path.get(request.scope["path"], {})
        method = "GET" if request.method == "HEAD" else request.method
        point = ways.get(method)
        if point is None:
            return _no_way(request.method, ways)
        asked = Asked(request.method, point.path, headers=dict(request.headers), cookies=request.cookies)
        try:
            asked = await self._asked(request, point)
            return await self._run(point.handler, self._desk, asked)       # type: ignore[no-any-return]
        except (OAuthError, Untrusted, PacsdError) as error:
            return self._refused(point, asked, error)
        except ClientDisconnect:
            raise
        except Exception as error:       # our own fault: its text may hold what nobody should read in a log
            _log.error("request failed", extra={"error": type(error).__name__, "where": place_of(error)})
            return self._refused(point, asked, PacsdError(Fault.INTERNAL, "processing failure"))

    async def _asked(self, request: Request, point: EndPoint) -> Asked:
        raw: bytes = request.scope["query_string"]
        if len(raw) > MAX_QUERY_BYTES:
            raise OAuthError("invalid_request", "the query is too long")
        form: tuple[tuple[str, str], ...] = ()
        if point.method == "POST" and (body := await _body(request)):
            if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
                raise OAuthError("invalid_request", f"the body must be {FORM}")
            form = pairs_of(body.decode("utf-8", "replace"))
        return Asked(
            request.method, point.path, raw.decode("ascii", "replace"), form, dict(request.headers), request.cookies,
            self._address(request), self._certificate(request),
        )  # fmt: skip

    def _refused(self, point: EndPoint, asked: Asked, error: OAuthError | Untrusted | PacsdError) -> Response:
        """In the words of who asked: the client's by redirect or JSON, or a person's."""
        if isinstance(error, Declined):
            return authorize.declined(self._desk.provider, error)
        if isinstance(error, PacsdError):
            error = answers.of_fault(error)
        if not point.for_people and isinstance(error, OAuthError):
            return answers.refusal(error)
        words = browser(self._desk.provider, asked).words
        if isinstance(error, Untrusted):
            return pages.page(words, words["error_title"], pages.alert(words[error.word]), status=400)
        told = pages.alert(words["bad_request"]) + pages.paragraph(error.description)
        return pages.page(words, words["error_title"], told, status=error.status)


MOUNTED = (SMART_CONFIGURATION, *WELL_KNOWN[:2], PATH)   # in this order, and before what else there is at /fhir


def _no_way(method: str, ways: Mapping[str, EndPoint]) -> Response:
    """What is not there, is asked for in another way, or is asked how it may be (RFC 9110 9.3.7)."""
    if not ways:
        return answers.json({"error": "not_found"}, status=404)
    allow = {"Allow": ", ".join(sorted({"OPTIONS", *ways} | ({"HEAD"} if "GET" in ways else set())))}
    if method == "OPTIONS":
        return Response(status_code=204, headers={**answers.NO_STORE, **allow})
    return answers.json({"error": "invalid_request"}, status=405, headers=allow)


async def _body(request: Request) -> bytes:
    taken = bytearray()
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > MAX_BODY_BYTES:
            raise OAuthError("invalid_request", f"a form may have {MAX_BODY_BYTES} bytes")
    return bytes(taken)
