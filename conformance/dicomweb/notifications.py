"""Subscriptions to workitems, and event reports over a WebSocket (PS3.18 11.10 to 11.13, 8.10)."""

import importlib
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from pydicom.uid import generate_uid

from conformance.dicomweb import expect, models, workitems
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.retrieve import UNKNOWN
from conformance.dicomweb.server import Answer, Model, Server
from conformance.dicomweb.suite import Transaction
from conformance.judging import Failed, NotSupported, NotTested
from conformance.tls_socket import in_turns

SUBSCRIPTION = Transaction("subscription", "Worklist subscriptions (UPS-RS)", "11.10")
GLOBAL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
PATIENCE_S = 10.0
EVENT_TYPE, AFFECTED_UID = "00001002", "00001000"


def _subscriber(data: Prepared, letter: str) -> str:
    return data.word(letter)


def _path(resource: str, subscriber: str) -> str:
    return f"/workitems/{resource}/subscribers/{subscriber}"


def _subscribe(server: Server, resource: str, subscriber: str, parameters: str = "") -> Answer:
    answer = server.send("POST", _path(resource, subscriber) + parameters)
    return expect.offered(answer, 201, without=(404, 405, 501))


def _unsubscribe(server: Server, resource: str, subscriber: str) -> None:
    """Take a subscription back: 200, and 404 where there is none any more (Table 11.11.3-1)."""
    expect.status(server.send("DELETE", _path(resource, subscriber)), 200)
    expect.status(server.send("DELETE", _path(resource, subscriber)), 404)


@contextmanager
def _subscribed(server: Server, resource: str, subscriber: str, parameters: str = "") -> Iterator[Answer]:
    """A subscription that is taken back at the end."""
    answer = _subscribe(server, resource, subscriber, parameters)
    try:
        yield answer
    finally:
        server.send("DELETE", _path(resource, subscriber))


@SUBSCRIPTION.optional("workitem", "11.10, Table 11.10.3-1", "A subscription to a workitem: 201, then 200 when removed")
def to_workitem(server: Server, data: Prepared) -> None:
    uid, subscriber = workitems.create(server, data), _subscriber(data, "W")
    _subscribe(server, uid, subscriber)
    _unsubscribe(server, uid, subscriber)


@SUBSCRIPTION.optional("content-location", "Table 11.10.3-2", "Content-Location is the URL of a WebSocket")
def content_location(server: Server, data: Prepared) -> None:
    with _subscribed(server, workitems.create(server, data), _subscriber(data, "L")) as answer:
        where = answer.headers.get("content-location", "")
        expect.that(where.startswith(("ws://", "wss://")), "a ws or wss URL in Content-Location", where)


@SUBSCRIPTION.optional("worklist", "11.10, Table 11.10.1-1", "A subscription to the whole worklist, with deletion lock")
def to_worklist(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    subscriber = _subscriber(data, "G")
    _subscribe(server, GLOBAL, subscriber, "?deletionlock=true")
    _unsubscribe(server, GLOBAL, subscriber)


@SUBSCRIPTION.optional("filtered", "11.10, Table 11.10.3-1", "A filtered subscription: 201, or 403 with Warning 299")
def filtered(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    subscriber = _subscriber(data, "F")
    answer = server.send("POST", f"{_path(FILTERED, subscriber)}?filter=WorklistLabel%3D{data.tag}")
    if answer.status == 403:
        expect.that(expect.warned(answer), "Warning: 299", answer.headers.get("warning"))
        raise NotSupported("403: filtered worklist subscriptions are not supported")
    expect.offered(answer, 201, without=(404, 405, 501))
    _unsubscribe(server, FILTERED, subscriber)


@SUBSCRIPTION.optional("suspend", "11.12, Table 11.12.3-1", "A global subscription is suspended: 200; without one 404")
def suspend(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    subscriber = _subscriber(data, "S")
    with _subscribed(server, GLOBAL, subscriber):
        expect.status(server.send("POST", f"{_path(GLOBAL, subscriber)}/suspend"), 200)
    expect.status(server.send("POST", f"{_path(GLOBAL, _subscriber(data, 'T'))}/suspend"), 404)


@SUBSCRIPTION.optional("unknown", "Table 11.10.3-1", "A subscription to a workitem that does not exist: 404")
def unknown(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    to_workitem(server, data)
    expect.status(server.send("POST", _path(UNKNOWN, _subscriber(data, "U"))), 404)


@SUBSCRIPTION.optional("deletion-lock-invalid", "8.3, Table 11.10.1-2", "A deletionlock of another value: 400")
def bad_lock(server: Server, data: Prepared) -> None:
    uid, subscriber = workitems.create(server, data), _subscriber(data, "B")
    to_workitem(server, data)
    expect.status(server.send("POST", f"{_path(uid, subscriber)}?deletionlock=perhaps"), 400)


class _Socket(Protocol):
    def recv(self, timeout: float | None = None) -> str | bytes:
        """The next message; TimeoutError where none comes."""


@contextmanager
def _channel(server: Server, answer: Answer) -> Iterator[_Socket]:
    """The notification connection of a subscription (8.10.4)."""
    try:
        client: Any = importlib.import_module("websockets.sync.client")
    except ImportError:
        raise NotTested("the library websockets is not installed here") from None
    where = answer.headers.get("content-location", "")
    if not where.startswith(("ws:", "wss:")):
        raise Failed(f"expected the URL of a WebSocket in Content-Location, got {where!r}")
    told: dict[str, Any] = {"additional_headers": {"Authorization": f"Bearer {server.token}"}} if server.token else {}
    if server.base.scheme == "https":
        known = server.verify if isinstance(server.verify, ssl.SSLContext) else ssl.create_default_context()
        told["ssl"] = in_turns(known)
    try:
        socket = client.connect(_through(server, where), open_timeout=PATIENCE_S, **told)
    except Exception as error:
        raise Failed(f"expected a WebSocket at {where}, got {error}") from error
    with socket:
        yield socket


def _through(server: Server, where: str) -> str:
    """The URL at the host and port the server was reached at; what it calls itself may not be known here."""
    scheme = "wss" if server.base.scheme == "https" else "ws"
    return urlunsplit((scheme, server.base.netloc.decode(), *urlsplit(where)[2:]))


def _events(socket: _Socket, until: str, within_s: float | None = None) -> list[Model]:
    """Event reports that come until one tells this state; they are JSON text (8.10.5.1.1)."""
    came: list[Model] = []
    within_s = PATIENCE_S if within_s is None else within_s
    deadline = time.monotonic() + within_s
    while not came or models.value(came[-1], workitems.STATE) != until:
        try:
            message = socket.recv(timeout=max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            states = [models.value(one, workitems.STATE) for one in came]
            raise Failed(f"expected an event report of {until} within {within_s:.0f} s, got {states}") from None
        expect.that(isinstance(message, str), "a text frame (opcode 1)", type(message).__name__)
        event = json.loads(message)
        came.append(event[0] if isinstance(event, list) else event)
    return came


@SUBSCRIPTION.optional("events", "8.10.5, 11.13, PS3.4 CC.2.4", "Changes of state come as event reports, in order")
def events(server: Server, data: Prepared) -> None:
    uid = workitems.create(server, data)
    with _subscribed(server, uid, _subscriber(data, "E")) as answer, _channel(server, answer) as socket:
        transaction = str(generate_uid())
        expect.status(workitems.change(server, uid, workitems.LOCKED, transaction), 200)
        came = _events(socket, workitems.LOCKED)
        expect.status(workitems.update(server, uid, transaction, workitems.performed()), 200)
        expect.status(workitems.change(server, uid, "COMPLETED", transaction), 200)
        came += _events(socket, "COMPLETED")
    reports = [one for one in came if models.value(one, EVENT_TYPE) == 1]
    expect.that(len(reports) >= 2, "UPS State Reports (event type 1)", [models.value(one, EVENT_TYPE) for one in came])
    expect.same({uid}, {models.value(one, AFFECTED_UID) for one in came}, "Affected SOP Instance UID")


@SUBSCRIPTION.optional("initial-event", "PS3.4 CC.2.3.3", "A new subscription is told the state as it is")
def initial_event(server: Server, data: Prepared) -> None:
    uid = workitems.create(server, data)
    with _subscribed(server, uid, _subscriber(data, "I")) as answer, _channel(server, answer) as socket:
        _events(socket, "SCHEDULED")


@SUBSCRIPTION.optional("global-events", "11.10, PS3.4 Table CC.2.3-2", "A global subscriber hears of new workitems")
def global_events(server: Server, data: Prepared) -> None:
    workitems.supported(server, data)
    with _subscribed(server, GLOBAL, _subscriber(data, "N")) as answer, _channel(server, answer) as socket:
        uid = workitems.create(server, data)
        deadline = time.monotonic() + PATIENCE_S
        while models.value(_events(socket, "SCHEDULED", deadline - time.monotonic())[-1], AFFECTED_UID) != uid:
            pass  # the events of what was there before
