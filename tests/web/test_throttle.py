"""Limits of one client: how often it may ask, and how often it may be wrong."""

import asyncio
from collections import Counter

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from config.limits import LimitSettings
from config.networks import client_network
from pacsd.web.addresses import Addresses
from pacsd.web.throttle import Buckets, Rate, Throttle, throttled

UNLIMITED = Rate(0.0, 1)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    clock = Clock()
    buckets = Buckets(Rate(2.0, 5), clock)
    for _ in range(5):
        assert buckets.wait_s("a") == 0.0
        buckets.take("a")
    assert buckets.wait_s("a") == pytest.approx(0.5) and buckets.wait_s("b") == 0.0
    clock.now += 0.5
    assert buckets.wait_s("a") == pytest.approx(0.0)
    buckets.take("a")
    assert buckets.wait_s("a") == pytest.approx(0.5)
    clock.now += 3600.0
    for _ in range(5):
        buckets.take("a")
    assert buckets.wait_s("a") > 0.0


def test_what_is_known_of_clients_is_bounded() -> None:
    buckets = Buckets(Rate(0.001, 1), Clock())
    for number in range(30_000):
        buckets.take(str(number))
    assert buckets.wait_s("29999") > 0.0 and buckets.wait_s("0") == 0.0


@pytest.mark.parametrize(("address", "client"), [
    ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
    ("fe80::1%eth0", "fe80::/64"), ("", ""), ("testclient", "testclient"),
])  # fmt: skip
def test_a_client_is_an_ipv4_address_or_a_network_of_ipv6(address: str, client: str) -> None:
    assert client_network(address) == client


async def answer(request: Request) -> PlainTextResponse:
    """Right is who says so."""
    right = request.headers.get("authorization") == "right"
    return PlainTextResponse("in" if right else "who?", 200 if right else 401)


def throttle(**changes: object) -> Throttle:
    app = Starlette(routes=[Route("/{path:path}", answer)])
    rates = {"requests": UNLIMITED, "refusals": UNLIMITED, "guarded": ("/link/",), **changes}
    return Throttle(app, Addresses(trusted_proxies=("10.0.0.0/8",)), **rates)  # type: ignore[arg-type]


def ask(app: Throttle, *asked: tuple[str, str, str], client: str = "192.0.2.7") -> list[httpx.Response]:
    """Path, authorization and X-Forwarded-For of each request."""

    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app, client=(client, 4000))
        async with httpx.AsyncClient(transport=transport, base_url="http://pacs.test") as http:
            return [
                await http.get(path, headers={"Authorization": who, "X-Forwarded-For": forwarded})
                for path, who, forwarded in asked
            ]

    return asyncio.run(all_of_them())


def test_a_client_that_asks_too_often_is_told_when_to_come_again() -> None:
    app = throttle(requests=Rate(0.01, 3))
    answers = ask(app, *[("/studies", "right", "")] * 5)
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert int(answers[3].headers["retry-after"]) in range(95, 101)
    assert answers[3].headers["content-type"] == "application/problem+json"
    assert [one.status_code for one in ask(app, ("/studies", "right", ""), client="192.0.2.8")] == [200]


def test_who_was_wrong_too_often_may_try_no_more_where_secrets_can_be_guessed() -> None:
    app = throttle(refusals=Rate(0.01, 3))
    answers = ask(app, *[("/link/x", "wrong", "")] * 5, ("/link/x", "right", ""))
    assert [one.status_code for one in answers] == [401, 401, 401, 429, 429, 429]
    assert [one.status_code for one in ask(app, ("/link/x", "right", ""), client="192.0.2.8")] == [200]


async def form(_request: Request) -> PlainTextResponse:
    """A log-in page: it says that a password is wrong without the challenge of a 401."""
    return PlainTextResponse("wrong", 403)


def test_wrong_passwords_and_codes_count_where_they_are_tried_and_elsewhere_what_is_forbidden_does_not() -> None:
    limits = {"requests": UNLIMITED, "refusals": Rate(0.01, 3), "guarded": ("/oauth/",)}
    app = Throttle(Starlette(routes=[Route("/{path:path}", form)]), Addresses(), **limits)  # type: ignore[arg-type]
    answers = ask(app, *[("/studies", "", "")] * 5, *[("/oauth/login", "", "")] * 5)
    assert [one.status_code for one in answers] == [403] * 8 + [429] * 2


def test_elsewhere_others_behind_the_same_address_go_on() -> None:
    app = throttle(refusals=Rate(0.01, 3))
    answers = ask(app, *[("/studies", "wrong", ""), ("/studies", "right", "")] * 5)
    assert Counter(one.status_code for one in answers) == {200: 5, 401: 3, 429: 2}
    assert all(one.content != b"who?" for one in answers if one.status_code == 429)


def test_clients_behind_a_trusted_proxy_are_told_apart_and_cannot_say_they_are_another() -> None:
    app = throttle(requests=Rate(0.01, 1))
    through = [("/studies", "right", one) for one in ("198.51.100.1", "198.51.100.2", "198.51.100.1")]
    assert [one.status_code for one in ask(app, *through, client="10.0.0.5")] == [200, 200, 429]
    spoofed = [("/studies", "right", f"203.0.113.{number}, 198.51.100.3") for number in range(3)]
    assert [one.status_code for one in ask(app, *spoofed, client="10.0.0.5")] == [200, 429, 429]
    direct = [("/studies", "right", f"203.0.113.{number}") for number in range(3)]
    assert [one.status_code for one in ask(app, *direct, client="192.0.2.9")] == [200, 429, 429]


def test_without_limits_nothing_stands_between() -> None:
    app = Starlette()
    assert throttled(app, Addresses(), LimitSettings(refusals_per_minute=0.0)) is app
    assert isinstance(throttled(app, Addresses(), LimitSettings()), Throttle)
