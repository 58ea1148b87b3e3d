"""The ASGI application at [base]: from HTTP to an interaction and back."""

import base64
import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from fhir.http import body, formats, headers
from fhir.http.encoding import Body, Wanted, encoded
from fhir.http.event_socket import EventSockets
from fhir.http.formats import FORMATS
from fhir.interaction import parts
from fhir.interaction.permission import hears
from fhir.interaction.request import Answer, Asker
from fhir.interaction.request import Request as Asked
from fhir.interaction.services import Server
from fhir.operation.bulk_import import MEDIA_TYPES
from fhir.operation.ws_binding_token import SOCKET
from fhir.outcome import FhirError, of_error
from pacsd.access.operations import Operation
from pacsd.access.scope import Scope as Visible
from pacsd.faults import Fault, PacsdError, place_of

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BODIES = ("POST", "PUT", "PATCH")
FORM = "application/x-www-form-urlencoded"
_GENERAL = ("_format", "_pretty")        # http.html#parameters: of the answer, not of what is asked
_MAX_PARAMETERS = 1_000

Run = Callable[..., Awaitable[Any]]      # a call in a thread of its own

_log = logging.getLogger("fhir.http")


@dataclass(frozen=True, slots=True)
class Edge:
    """What the application needs beside the interactions.

    `asker`: who a request comes from; whether they may ask for it is decided where it is performed. `origin`: scheme
    and authority by which a request reached us. `read` and `write` run calls in threads. `client`: the address of
    who asks.
    """

    asker: Callable[[HTTPConnection], Awaitable[Asker]]
    origin: Callable[[HTTPConnection], str]
    read: Run
    write: Run
    base: str = "/fhir"
    opening: Callable[[Asker], Asker] = lambda asker: asker      # looks up what is opened to an asker one by one
    sockets: EventSockets | None = None
    client: Callable[[HTTPConnection], str] = lambda request: request.client.host if request.client else ""


class FhirApp:
    """FHIR R4 at one base; mounted by pacsd.main."""

    def __init__(self, server: Server, edge: Edge) -> None:
        self._server = server
        self._edge = edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one WebSocket."""
        if scope["type"] == "websocket":
            await self._listened(WebSocket(scope, receive, send))
            return
        request = Request(scope, receive)
        response = await self._answered(request)
        if response is not None:
            response.headers["X-Request-Id"] = headers.request_id(request.headers)
            if request.method == "HEAD":
                response.body = b""      # its length stays told (RFC 9110 9.3.2)
            await response(scope, receive, send)

    async def _listened(self, websocket: WebSocket) -> None:
        """A WebSocket at [base]/ws; elsewhere there is none."""
        path = websocket.scope["path"].removeprefix(self._edge.base)
        if self._edge.sockets is None or path != f"/{SOCKET}":
            await websocket.send_denial_response(Response("there is no WebSocket at this path", 404))
            return
        scheme, _, authority = self._edge.origin(websocket).partition("://")
        origin = f"{scheme.replace('ws', 'http')}://{authority}"
        try:
            asker = await self._edge.asker(websocket)
            if self._server.recording is not None:
                await self._edge.read(self._server.recording.listens, asker, self._edge.client(websocket))
            own = await self._heard(websocket)
        except PacsdError as error:
            await self._unauthenticated(websocket, error)
            await websocket.send_denial_response(_refusal(error, Wanted(FORMATS[0])))
            return
        await self._edge.sockets.serve(websocket, own, origin + self._edge.base, lambda: self._heard(websocket))

    async def _heard(self, websocket: WebSocket) -> Visible:
        """What somebody may bind to by its id now. Pages can send no token along: what they are bound to without one,
        the token that they were given for it tells. Raises PacsdError UNAUTHENTICATED for a token that proves nothing.
        """
        asker = await self._edge.asker(websocket)
        try:
            asker = asker.permitted(Operation.READ_RESOURCES)
            if asker.access is not None:
                hears(asker.access)
        except PacsdError:
            return Visible((), 0)
        return (await self._edge.read(self._edge.opening, asker)).scope     # type: ignore[no-any-return]

    async def _answered(self, request: Request) -> Response | None:
        """The answer, or that to a failure; None where nobody is left to be answered."""
        wanted = Wanted(FORMATS[0])
        try:
            parameters = _parameters(request)
            path = request.scope["path"].removeprefix(self._edge.base)
            wanted = _wanted(request, dict(parameters), path)
            return await self._performed(request, path, parameters, wanted)
        except PacsdError as error:
            return await self._refused(request, error, wanted)
        except ClientDisconnect:
            return None
        except CancelledError:               # the server stops, and the grace that it gives is over: nothing else does
            return _refusal(PacsdError(Fault.UNAVAILABLE, "the server stops; ask again"), wanted)
        except Exception as error:
            return _refusal(_defect(error), wanted)

    async def _performed(
        self, request: Request, path: str, parameters: list[tuple[str, str]], wanted: Wanted
    ) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join(METHODS)})
        base = self._edge.origin(request) + self._edge.base
        asked = await self._asked(request, path, parameters, base, await self._edge.asker(request))
        if request.method == "POST":         # what a form says counts as what the URL says (http.html#search)
            wanted = _wanted(request, {**dict(parameters), **dict(asked.parameters)}, path)
        run = self._edge.read if asked.method == "GET" else self._edge.write
        answer, content = await run(self._perform, asked, path, wanted)
        return _response(answer, content, base)

    async def _refused(self, request: Request, error: PacsdError, wanted: Wanted) -> Response:
        try:
            await self._unauthenticated(request, error)
        except PacsdError as unrecorded:
            return _refusal(unrecorded, wanted)
        return _refusal(error, wanted)

    async def _unauthenticated(self, request: HTTPConnection, error: PacsdError) -> None:
        """Who cannot prove who they are is on record. Raises PacsdError UNAVAILABLE."""
        if self._server.recording is not None and error.fault is Fault.UNAUTHENTICATED:
            await self._edge.read(self._server.recording.unauthenticated, self._edge.client(request))

    def _perform(self, asked: Asked, path: str, wanted: Wanted) -> tuple[Answer, Body]:
        if (asker := self._edge.opening(asked.asker)) is not asked.asker:
            asked = replace(asked, asker=asker)
        answer = self._server.perform(self._server, asked, path)
        return answer, encoded(answer, wanted)

    async def _asked(
        self, request: Request, path: str, parameters: list[tuple[str, str]], base: str, asker: Asker
    ) -> Asked:
        method = "GET" if request.method == "HEAD" else request.method
        kind = request.headers.get("content-type", "")
        preferences = headers.preferences(request.headers)
        asked = Asked(
            asker, base, method, parameters=_searched(parameters), content_type=kind,
            conditions=headers.conditions(request.headers),
            handling=preferences.get("handling", ""), returning=preferences.get("return", ""),
        )  # fmt: skip
        if method not in BODIES:
            return asked
        asker.permitted(Operation.BATCH)     # nobody's bodies are read
        content = await body.read(request, most=self._server.limits.max_body_bytes)
        if kind.partition(";")[0].strip().lower() == FORM:
            return replace(asked, parameters=_searched([*parameters, *_pairs(content.decode("utf-8", "replace"))]))
        if method == "PATCH" or kind.partition(";")[0].strip().lower() in MEDIA_TYPES:
            return replace(asked, content=content)
        if _is_binary(path) and formats.of_binary(kind) is None:
            told = await self._edge.read(_binary, content, kind, path, request.headers.get("x-security-context", ""))
            return replace(asked, resource=told)
        return replace(asked, resource=await self._edge.read(formats.of_body(kind).read, content)) if content else asked


def _searched(parameters: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(one for one in parameters if one[0] not in _GENERAL)


def _is_binary(path: str) -> bool:
    return path.strip("/").partition("/")[0] == "Binary"


def _binary(content: bytes, kind: str, path: str, security_context: str) -> dict[str, Any]:
    """The resource of a Binary that came as it is (http://hl7.org/fhir/R4/binary.html#rest)."""
    told: dict[str, Any] = {"resourceType": "Binary", "contentType": kind or "application/octet-stream"}
    if name := path.strip("/").partition("/")[2]:
        told["id"] = name
    if security_context:
        told["securityContext"] = {"reference": security_context}
    return {**told, "data": base64.b64encode(content).decode()}


def _parameters(request: Request) -> list[tuple[str, str]]:
    return _pairs(request.scope["query_string"].decode("latin-1"))


def _pairs(text: str) -> list[tuple[str, str]]:
    """Names and values of a query or a form."""
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise FhirError(Fault.TOO_MUCH, f"a request may have {_MAX_PARAMETERS} parameters", status=400,
                        code="too-costly") from error  # fmt: skip


def _wanted(request: Request, told: dict[str, str], path: str) -> Wanted:
    accept, parameter = ",".join(request.headers.getlist("accept")), told.get("_format", "")
    binary = request.method in ("GET", "HEAD") and _is_binary(path) and formats.wants_binary(accept, parameter)
    chosen = FORMATS[0] if binary else formats.wanted(accept, parameter)
    returning = headers.preferences(request.headers).get("return", "")
    return Wanted(chosen, told.get("_pretty") == "true", parts.asked(told), returning, binary,
                  headers.takes_gzip(request.headers))  # fmt: skip


def _response(answer: Answer, content: Body, base: str) -> Response:
    return Response(content.content, answer.status, headers={**content.headers, **headers.of_answer(answer, base)})


def _refusal(error: PacsdError, wanted: Wanted) -> Response:
    status, issues, told = of_error(error)
    answer = Answer(status, issues=issues, headers=told)
    return _response(answer, encoded(answer, Wanted(wanted.format, wanted.pretty)), "")


def _defect(error: Exception) -> PacsdError:
    """Our own fault: where it happened goes to the log, without the error's text, which may hold a peer's data."""
    told = {"fault": "internal", "error": type(error).__name__, "where": place_of(error)}
    _log.error("request failed", extra=told)
    return PacsdError(Fault.INTERNAL, "processing failure")
