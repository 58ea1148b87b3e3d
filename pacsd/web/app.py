"""The ASGI application: one declared table of routes, and what stands around every handler."""

import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from pacsd.access.operations import OPEN, Operation
from pacsd.faults import Fault, PacsdError, place_of
from pacsd.web import (
    bulkdata,
    capabilities,
    film,
    frames,
    health,
    links,
    metadata,
    metrics,
    non_patient,
    pixel_data,
    rendered,
    retrieve,
    search,
    storage_commitment,
    store,
    thumbnail,
    viewer,
    wado_uri,
)
from pacsd.web.addresses import DICOM_WEB
from pacsd.web.admission import everybody
from pacsd.web.metering import Counted
from pacsd.web.problem import HttpError, of_fault, problem
from pacsd.web.security_headers import SecurityHeaders
from pacsd.web.services import Services
from pacsd.web.worklist import change_state, create, event_channel, request_cancellation, subscribe, update
from pacsd.web.worklist import retrieve as retrieve_workitem
from pacsd.web.worklist import search as search_worklist

Handler = Callable[[Services, Request], Awaitable[Response]]

_log = logging.getLogger("pacsd.web")


@dataclass(frozen=True, slots=True)
class Transaction:
    """One route: what the standard calls it, and where it says so."""

    method: str
    path: str
    handler: Handler
    name: str
    operation: Operation
    clause: str = ""


_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"
_WORKITEM = "/workitems/{workitem}"
_SUBSCRIBER = _WORKITEM + "/subscribers/{aetitle}"
_CHANNEL = "/ws/subscribers/{aetitle}"
_COMMITMENT = "/commitment-requests/{transaction}"

_READ_NON_PATIENT = Operation.READ_NON_PATIENT
_STORE_NON_PATIENT = Operation.STORE_NON_PATIENT
_FIND = Operation.SEARCH_STUDIES
_VIEW = Operation.VIEW_STUDIES
_READ = Operation.RETRIEVE_STUDIES
_STORE = Operation.STORE_STUDIES
_COMMIT = Operation.COMMIT_STORAGE
_READ_WORKITEMS = Operation.READ_WORKITEMS
_WRITE_WORKITEMS = Operation.WRITE_WORKITEMS
_WATCH = Operation.WATCH_WORKITEMS
_OPEN = Operation.DESCRIBE
_OPEN_LINK = Operation.OPEN_LINK


def non_patient_transactions() -> Iterator[Transaction]:
    """Those of every resource of PS3.18 Table 12.1.1-1."""
    for resource in non_patient.RESOURCES:
        one = f"/{resource}/{{instance}}"
        name = resource.replace("-", " ").title()
        yield Transaction("GET", f"/{resource}", non_patient.search, f"Search for {name}", _READ_NON_PATIENT, "12.6")
        yield Transaction("POST", f"/{resource}", non_patient.store, f"Store {name}", _STORE_NON_PATIENT, "12.5")
        yield Transaction("GET", one, non_patient.retrieve, f"Retrieve one of {name}", _READ_NON_PATIENT, "12.4")
        yield Transaction("POST", one, non_patient.store, f"Store one of {name}", _STORE_NON_PATIENT, "12.5")


TRANSACTIONS: tuple[Transaction, ...] = (
    Transaction("GET", "/studies", search.studies, "Search for Studies", _FIND, "10.6"),
    Transaction("GET", "/series", search.series, "Search for Series", _FIND, "10.6"),
    Transaction("GET", "/instances", search.instances, "Search for Instances", _FIND, "10.6"),
    Transaction("GET", _STUDY + "/series", search.series, "Search for a Study's Series", _FIND, "10.6"),
    Transaction("GET", _STUDY + "/instances", search.instances, "Search for a Study's Instances", _FIND, "10.6"),
    Transaction("GET", _SERIES + "/instances", search.instances, "Search for a Series' Instances", _FIND, "10.6"),
    Transaction("GET", _INSTANCE + "/frames/{frames}", frames.frames, "Retrieve Frames", _VIEW, "10.4"),
    Transaction("GET", _STUDY + "/rendered", rendered.study, "Retrieve Rendered Study", _VIEW, "10.4"),
    Transaction("GET", _SERIES + "/rendered", rendered.series, "Retrieve Rendered Series", _VIEW, "10.4"),
    Transaction("GET", _INSTANCE + "/rendered", rendered.instance, "Retrieve Rendered Instance", _VIEW, "10.4"),
    Transaction(
        "GET", _INSTANCE + "/frames/{frames}/rendered", rendered.frames, "Retrieve Rendered Frames", _VIEW, "10.4"
    ),
    Transaction("GET", _STUDY + "/thumbnail", thumbnail.study, "Retrieve Study Thumbnail", _VIEW, "10.4"),
    Transaction("GET", _SERIES + "/thumbnail", thumbnail.series, "Retrieve Series Thumbnail", _VIEW, "10.4"),
    Transaction("GET", _INSTANCE + "/thumbnail", thumbnail.instance, "Retrieve Instance Thumbnail", _VIEW, "10.4"),
    Transaction(
        "GET", _INSTANCE + "/frames/{frames}/thumbnail", thumbnail.frames, "Retrieve Frame Thumbnail", _VIEW, "10.4"
    ),
    Transaction("GET", _SERIES + "/metadata", metadata.series, "Retrieve Series Metadata", _VIEW, "10.4"),
    Transaction("GET", _STUDY + "/metadata", metadata.study, "Retrieve Study Metadata", _VIEW, "10.4"),
    Transaction("GET", _INSTANCE + "/metadata", metadata.instance, "Retrieve Instance Metadata", _VIEW, "10.4"),
    Transaction("GET", _INSTANCE + "/bulkdata/{path:path}", bulkdata.bulkdata, "Retrieve Bulkdata", _VIEW, "10.4"),
    Transaction("GET", _STUDY + "/bulkdata", bulkdata.every, "Retrieve Study Bulkdata", _VIEW, "10.4"),
    Transaction("GET", _SERIES + "/bulkdata", bulkdata.every, "Retrieve Series Bulkdata", _VIEW, "10.4"),
    Transaction("GET", _INSTANCE + "/bulkdata", bulkdata.every, "Retrieve Instance Bulkdata", _VIEW, "10.4"),
    Transaction("GET", _STUDY + "/pixeldata", pixel_data.every, "Retrieve Study Pixel Data", _VIEW, "10.4"),
    Transaction("GET", _SERIES + "/pixeldata", pixel_data.every, "Retrieve Series Pixel Data", _VIEW, "10.4"),
    Transaction("GET", _INSTANCE + "/pixeldata", pixel_data.every, "Retrieve Instance Pixel Data", _VIEW, "10.4"),
    Transaction("GET", _INSTANCE, retrieve.instance, "Retrieve Instance", _READ, "10.4"),
    Transaction("GET", _SERIES, retrieve.series, "Retrieve Series", _READ, "10.4"),
    Transaction("GET", _STUDY, retrieve.study, "Retrieve Study", _READ, "10.4"),
    Transaction("GET", wado_uri.PATH, wado_uri.instance, "Retrieve Instance by URI", _READ, "9"),
    Transaction("POST", "/studies", store.store, "Store Instances", _STORE, "10.5"),
    Transaction("POST", _STUDY, store.store, "Store Instances of a Study", _STORE, "10.5"),
    Transaction("POST", "/workitems", create.create, "Create Workitem", _WRITE_WORKITEMS, "11.4"),
    Transaction("GET", _WORKITEM, retrieve_workitem.retrieve, "Retrieve Workitem", _READ_WORKITEMS, "11.5"),
    Transaction("POST", _WORKITEM, update.update, "Update Workitem", _WRITE_WORKITEMS, "11.6"),
    Transaction(
        "PUT", _WORKITEM + "/state", change_state.change_state, "Change Workitem State", _WRITE_WORKITEMS, "11.7"
    ),
    Transaction(
        "POST", _WORKITEM + "/cancelrequest", request_cancellation.request_cancellation, "Request Cancellation",
        _WRITE_WORKITEMS, "11.8",
    ),
    Transaction("GET", "/workitems", search_worklist.search, "Search for Workitems", _READ_WORKITEMS, "11.9"),
    Transaction("POST", _SUBSCRIBER, subscribe.subscribe, "Subscribe", _WATCH, "11.10"),
    Transaction("DELETE", _SUBSCRIBER, subscribe.unsubscribe, "Unsubscribe", _WATCH, "11.11"),
    Transaction("POST", _SUBSCRIBER + "/suspend", subscribe.suspend, "Suspend Global Subscription", _WATCH, "11.12"),
    Transaction("GET", _CHANNEL, event_channel.not_upgraded, "Open Event Channel", _WATCH, "8.10.4"),
    *non_patient_transactions(),
    Transaction(
        "POST", _COMMITMENT, storage_commitment.request_commitment, "Request Storage Commitment", _COMMIT, "13.4"
    ),
    Transaction(
        "GET", _COMMITMENT, storage_commitment.check_result, "Check Storage Commitment Result", _COMMIT, "13.5"
    ),
    Transaction("OPTIONS", "/", capabilities.capabilities, "Retrieve Capabilities", _OPEN, "8.9"),
)
OPERATIONS: tuple[Transaction, ...] = (
    Transaction("GET", wado_uri.PATH, wado_uri.instance, "Retrieve Instance by URI", _READ),
    Transaction("GET", "/health/live", health.live, "Liveness", _OPEN),
    Transaction("GET", "/health/ready", health.ready, "Readiness", _OPEN),
    Transaction("GET", "/metrics", metrics.metrics, "Metrics", Operation.MEASURE),
)
PAGES: tuple[Transaction, ...] = (
    Transaction("GET", "/", viewer.enter, "Viewer", _OPEN),
    Transaction("GET", "/viewer", viewer.enter, "Viewer", _OPEN),
    Transaction("GET", "/viewer/{path:path}", viewer.viewer, "Viewer", _OPEN),
    Transaction("GET", "/film/assets/{digest}/{name}", film.asset, "Film page", _OPEN),
    Transaction("GET", "/film", film.history, "Film page", _OPEN),
    Transaction("GET", "/film/{study}", film.film, "Film page", _OPEN),
    Transaction("GET", "/l/{token}", links.look, "Share link", _OPEN_LINK),
    Transaction("POST", "/l/{token}", links.enter, "Open share link", _OPEN_LINK),
)


# what a page of another origin may read of an answer, beside the headers that every page may (Fetch 4.9)
EXPOSED_HEADERS = (
    "Accept-Ranges", "Allow", "Content-Encoding", "Content-Location", "Content-Range", "ETag", "Last-Modified", "Link",
    "Location", "Retry-After", "Warning", "X-Request-Id",
)  # fmt: skip


_ROUTE = "pacsd.route"                   # where in the ASGI scope the route below a path stands
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def create_app(services: Services, beside: Mapping[str, ASGIApp] | None = None) -> ASGIApp:
    """The application over these services; `beside` it stand others, each at its path."""
    admission = services.admission or everybody(services.directory)
    services = replace(services, admission=admission)
    mounted = {path: _Beside(path, other, services) for path, other in (beside or {}).items()}
    channel = WebSocketRoute(DICOM_WEB + _CHANNEL, event_channel.EventChannels(services, admission).__call__)
    routes: list[BaseRoute] = [_Below(DICOM_WEB, [*_routes(DICOM_WEB, TRANSACTIONS, services), channel])]
    for path, other in mounted.items():      # by itself, and all below it; an earlier one may stand within a later one
        routes += [Route(path, other), Mount(path, other)]
    routes += _routes("", (*OPERATIONS, *PAGES), services)
    origins = list(services.allowed_origins)
    methods = sorted({"HEAD", "OPTIONS", *(one.method for one in (*TRANSACTIONS, *OPERATIONS))})
    if mounted:
        methods = sorted({*methods, "PUT", "PATCH", "DELETE"})
    cors = Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=methods,
        allow_headers=["*"],
        expose_headers=EXPOSED_HEADERS,
        max_age=86_400,
    )
    app = Starlette(
        routes=routes,
        middleware=[cors] if origins else [],
        exception_handlers={HTTPException: _refused_by_routing},
    )
    app.router.redirect_slashes = False
    app.state.transactions = TRANSACTIONS
    return SecurityHeaders(app)


class _Below(BaseRoute):
    """The routes below a path, which no other request is compared with, and whose requests are with no other."""

    def __init__(self, path: str, routes: Sequence[BaseRoute]) -> None:
        self._path = path
        self._below = routes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As the first of them that fits."""
        if scope["path"].startswith(self._path):
            for route in self._below:
                match, found = route.matches(scope)
                if match is Match.FULL:      # each takes every method
                    return match, {**found, _ROUTE: route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By the one that fitted."""
        route: BaseRoute = scope[_ROUTE]
        await route.handle(scope, receive, send)


class _Beside:
    """Another application, whose requests are counted by their methods: `fhir GET`."""

    def __init__(self, path: str, other: ASGIApp, services: Services) -> None:
        self._name = path.strip("/")
        self._other = other
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        counted = Counted(send)
        try:
            await self._other(scope, receive, counted)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._services.count(f"{self._name} {method}", counted)


class _Resource:
    """All transactions of one path: the ASGI end point of its route."""

    def __init__(self, path: str, services: Services, transactions: dict[str, Transaction]) -> None:
        self._path = path
        self._services = services
        self._transactions = transactions
        heads = {"HEAD"} if "GET" in transactions else set()
        self._allow = ", ".join(sorted({"OPTIONS", *transactions, *heads}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        counted = Counted(send)
        try:
            response = await self._answer(request)
            if response is not None:
                await response(scope, receive, counted)
        finally:
            transaction = self._transactions.get("GET" if request.method == "HEAD" else request.method)
            self._services.count(transaction.name if transaction is not None else "other", counted)

    async def _answer(self, request: Request) -> Response | None:
        method = "GET" if request.method == "HEAD" else request.method
        transaction = self._transactions.get(method)
        if transaction is None and method == "OPTIONS":
            return await self._guarded(self._options, request)
        if transaction is None:
            detail = "this resource does not know the method"
            return problem(405, "Method Not Allowed", detail, headers={"Allow": self._allow})
        answer = await self._guarded(partial(_admitted, transaction), request)
        return None if answer is None else await self._recorded(request, transaction, answer)

    async def _recorded(self, request: Request, transaction: Transaction, answer: Response) -> Response:
        recording = self._services.recording
        return answer if recording is None else await recording.before(request, transaction, answer)

    async def _options(self, services: Services, request: Request) -> Response:
        """What may be asked of the resource: its methods, or a description where one is asked for."""
        wanted = self._path and capabilities.is_wanted(request)
        answer = capabilities.described(services, request, self._path) if wanted else Response(status_code=204)
        answer.headers["Allow"] = self._allow
        return answer

    async def _guarded(self, handler: Handler, request: Request) -> Response | None:
        """The handler's answer, or that to its failure; None where nobody is left to be answered."""
        try:
            return await handler(self._services, request)
        except PacsdError as error:
            return of_fault(error)
        except HttpError as error:
            return error.response()
        except ClientDisconnect:
            return None
        except CancelledError:               # the server stops, and the grace that it gives is over: nothing else does
            return of_fault(PacsdError(Fault.UNAVAILABLE, "the server stops; ask again"))
        except Exception as error:
            return _defect(error)


async def _admitted(transaction: Transaction, services: Services, request: Request) -> Response:
    """The handler's answer to who may ask for it; what the request names is not looked at before."""
    if transaction.operation not in OPEN and services.admission is not None:
        access = await services.admission.admitted(request.scope, transaction.operation, deidentifying=True)
        services = services.on_behalf_of(access)
    if services.recording is not None:
        services.recording.asked(request, transaction)
    return await transaction.handler(services, request)


def _routes(base: str, transactions: tuple[Transaction, ...], services: Services) -> list[Route]:
    by_path: dict[str, dict[str, Transaction]] = {}
    for one in transactions:
        by_path.setdefault(one.path, {})[one.method] = one
    routes = [
        Route(base + path, _Resource(path if base else "", services, resource)) for path, resource in by_path.items()
    ]
    if "/" in by_path and base:          # the service itself is named with and without its slash
        routes.append(Route(base, _Resource("/", services, by_path["/"])))
    return routes


async def _refused_by_routing(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    title = error.detail if isinstance(error, HTTPException) else "Internal Server Error"
    return problem(status, title, "there is no such resource" if status == 404 else title)


def _defect(error: Exception) -> Response:
    """Our own fault: where it happened goes to the log, without the error's text, which may hold a peer's data."""
    told = {"fault": "internal", "error": type(error).__name__, "where": place_of(error)}
    _log.error("request failed", extra=told)
    return problem(500, "Internal Server Error", "processing failure")
