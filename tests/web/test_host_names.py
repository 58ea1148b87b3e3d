"""Where nobody says who asks, a page whose name was made to lead here is not answered (DNS rebinding)."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from config.settings import Settings
from pacsd.web.host_names import HostNames, asked_by_name, names_of
from tests.web.fakes import Web

SETTINGS = Settings()
OURS = ("", "localhost", "localhost:8080", "LOCALHOST", "localhost.", "viewer.localhost:80", "127.0.0.1", "127.9.9.9",
        "[::1]:8080", "192.168.1.7:8080", "pacs.example", "pacs.example:443", "ohif.example")  # fmt: skip
FOREIGN = ("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "evil-localhost",
           "127.0.0.1@evil.example", "pacs.example.evil.example", "[::1", "x y", "\u00e9", "a,localhost")  # fmt: skip


async def through(app: Any, kind: str, *hosts: str, scheme: str = "", extensions: Any = None) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    scope = {
        "type": kind, "scheme": scheme or {"http": "http", "websocket": "ws"}[kind], "path": "/", "method": "GET",
        "headers": [(b"host", one.encode("latin-1")) for one in hosts], "extensions": extensions or {},
    }  # fmt: skip

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, None, send)
    return sent


async def inside(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "let in"})


def answered(*hosts: str, kind: str = "http", **told: Any) -> list[dict[str, Any]]:
    web = replace(SETTINGS.web, public_url="https://pacs.example/pacs", allowed_origins=("https://ohif.example",))
    app = HostNames(inside, names_of(replace(SETTINGS, web=web)))
    return asyncio.run(through(app, kind, *hosts, **told))


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", OURS)
def test_addresses_and_our_own_names_are_let_in(host: str, kind: str) -> None:
    assert answered(host, kind=kind) == [{"type": "let in"}]


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_are_answered_421(host: str) -> None:
    assert answered(host)[0]["status"] == 421
    assert answered("localhost", host)[0]["status"] == 421
    assert answered(host, kind="websocket") == [{"type": "websocket.close"}]
    denial = answered(host, kind="websocket", extensions={"websocket.http.response": {}})
    assert [one["type"] for one in denial] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert denial[0]["status"] == 421


def test_without_a_name_and_inside_tls_nothing_is_asked() -> None:
    assert answered() == answered("evil.example", scheme="https") == [{"type": "let in"}]


def test_where_everybody_says_who_they_are_any_name_will_do() -> None:
    required = replace(SETTINGS, security=replace(SETTINGS.security, authentication="required"))
    assert asked_by_name(inside, required) is inside
    assert isinstance(asked_by_name(Web().app, SETTINGS), HostNames)
