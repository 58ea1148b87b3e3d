"""WebSockets of FHIR subscriptions on the running server, spoken to by the library `websockets`."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.fhir.subscription.test_topics import TOPIC, parameters, told
from tests.server import Server


@pytest.fixture
def client(running_server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{running_server.http_port}/fhir", timeout=30) as made:
        yield made


def subscribed(client: httpx.Client, criteria: str, **channel: Any) -> str:
    """A Subscription by WebSocket, once it is active."""
    answer = client.post("/Subscription", json={
        "resourceType": "Subscription", "status": "requested", "reason": "test", "criteria": criteria,
        "channel": {"type": "websocket", "payload": "application/fhir+json", **channel},
    })  # fmt: skip
    ident, deadline = str(answer.json()["id"]), time.monotonic() + 20
    while client.get(f"/Subscription/{ident}").json()["status"] != "active":
        assert time.monotonic() < deadline
    return ident


def token(client: httpx.Client, ident: str) -> tuple[str, str]:
    found = client.get(f"/Subscription/{ident}/$get-ws-binding-token").json()["parameter"]
    said = {one["name"]: next(value for name, value in one.items() if name.startswith("value")) for one in found}
    return said["websocket-url"], said["token"]


def heard(socket: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(socket.recv(timeout=20)))


def test_events_come_by_websocket_and_those_that_were_missed_by_their_numbers(client: httpx.Client) -> None:
    tag = uuid.uuid4().hex
    patient = {"resourceType": "Patient", "id": tag[:20], "identifier": [{"system": "urn:x", "value": tag}]}
    content = {"_payload": told("backport-payload-content", valueCode="full-resource")}
    ident = subscribed(client, TOPIC, **content, **told("backport-heartbeat-period", valueUnsignedInt=1))
    url, secret = token(client, ident)
    with connect(url) as socket:
        socket.send(f"bind-with-token: {secret}")
        assert parameters(heard(socket))["type"] == "handshake"
        assert parameters(heard(socket))["type"] == "heartbeat"
        client.put(f"/Patient/{patient['id']}", json=patient).raise_for_status()
        while parameters(bundle := heard(socket))["type"] == "heartbeat":
            pass
        assert [one[1] for one in parameters(bundle)["events"]] == [f"Patient/{patient['id']}"]
        assert bundle["entry"][1]["resource"]["identifier"] == patient["identifier"]
        number = int(parameters(bundle)["events-since-subscription-start"])
    client.delete(f"/Patient/{patient['id']}").raise_for_status()         # while nobody listens
    deadline = time.monotonic() + 20
    while True:
        missed = client.get(f"/Subscription/{ident}/$events?eventsSinceNumber={number + 1}").json()
        if len(missed["entry"]) > 1:
            break
        assert time.monotonic() < deadline
    assert missed["entry"][1]["request"]["method"] == "DELETE"
    with connect(url) as socket:
        socket.send(f"bind-with-token: {secret}")
        assert parameters(heard(socket))["events-since-subscription-start"] == str(number + 1)
        client.delete(f"/Subscription/{ident}").raise_for_status()
        with pytest.raises(ConnectionClosed):
            while True:
                socket.recv(timeout=20)


def test_criteria_of_r4_are_pinged(client: httpx.Client) -> None:
    tag = uuid.uuid4().hex
    ident = subscribed(client, f"Basic?identifier=urn:x|{tag}")
    rest = client.get("/metadata").json()["rest"][0]
    with connect(rest["extension"][0]["valueUri"]) as socket:
        socket.send(f"bind {ident}")
        assert socket.recv(timeout=20) == f"bound {ident}"
        body = {"resourceType": "Basic", "code": {"text": "x"}, "identifier": [{"system": "urn:x", "value": tag}]}
        client.post("/Basic", json=body).raise_for_status()
        assert socket.recv(timeout=20) == f"ping {ident}"


@pytest.mark.parametrize("said", ["bind-with-token: nonsense", "bind none", "hello", "x" * 2_000])
def test_who_may_not_listen_is_told_and_sent_away(client: httpx.Client, said: str) -> None:
    url = str(client.base_url).replace("http", "ws", 1).rstrip("/")
    with connect(f"{url}/ws") as socket:
        socket.send(said)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=20)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
    for path, origin, status in (("/ws", "http://elsewhere.example", 403), ("/other", None, 404)):
        with pytest.raises(InvalidStatus) as refused:
            connect(url + path, origin=origin)                           # type: ignore[arg-type]
        assert refused.value.response.status_code == status
