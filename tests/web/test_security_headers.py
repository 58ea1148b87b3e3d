"""What browsers are told of every answer, whoever gives it."""

import asyncio
from pathlib import Path

import httpx
import pytest

from fhir.outcome import of_error
from pacsd.faults import Fault, PacsdError
from pacsd.web.problem import of_fault
from pacsd.web.security_headers import RULES, SecurityHeaders, headers_of
from tests.web.fakes import Web


@pytest.mark.parametrize(
    "path", ["/", "/viewer/", "/film/1.2", "/dicom-web/studies", "/dicom-web/no", "/health/live", "/metrics", "/no"]
)
def test_every_answer_says_what_browsers_may_do_with_it(path: str, tmp_path: Path) -> None:
    answer = Web(viewer_dir=tmp_path).request("GET", path)
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers.get_list("referrer-policy") == ["no-referrer"]
    assert answer.headers["x-frame-options"] in ("DENY", "SAMEORIGIN")
    assert len(answer.headers.get_list("content-security-policy")) == 1
    assert "frame-ancestors" in answer.headers["content-security-policy"] or path == "/viewer/"
    assert "strict-transport-security" not in answer.headers         # RFC 6797 7.2: not without TLS


def test_inside_tls_browsers_are_told_to_stay_there() -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=Web().app)
        async with httpx.AsyncClient(transport=transport, base_url="https://pacs.test") as client:
            return await client.get("/health/live")

    assert asyncio.run(ask()).headers["strict-transport-security"] == "max-age=31536000"


TOKEN = {"authorization": "Bearer x"}


@pytest.mark.parametrize(("fault", "headers", "expected"), [
    (Fault.UNAUTHENTICATED, {}, ['Bearer realm="pacsd"']),
    (Fault.UNAUTHENTICATED, TOKEN, ['Bearer realm="pacsd", error="invalid_token"']),
    (Fault.FORBIDDEN, TOKEN, ['Bearer realm="pacsd", error="insufficient_scope"']),
    (Fault.FORBIDDEN, {}, []), (Fault.REFUSED, TOKEN, []), (Fault.NOT_FOUND, TOKEN, []),
], ids=str)  # fmt: skip
def test_a_challenge_says_what_is_wrong_with_a_token_to_who_shows_one(
    fault: Fault, headers: dict[str, str], expected: list[str]
) -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=SecurityHeaders(of_fault(PacsdError(fault, "no"))))
        async with httpx.AsyncClient(transport=transport, base_url="http://pacs.test") as client:
            return await client.get("/dicom-web/studies", headers=headers)

    assert asyncio.run(ask()).headers.get_list("www-authenticate") == expected
    _, _, told = of_error(PacsdError(fault, "no"))
    assert told.get("WWW-Authenticate") == of_fault(PacsdError(fault, "no")).headers.get("www-authenticate")


@pytest.mark.parametrize("path", ["/dicom-web/studies", "/dicom-web/no", "/health/live", "/metrics", "/no"])
def test_what_says_nothing_of_caches_is_kept_by_nobody(path: str) -> None:
    assert Web().request("GET", path).headers.get_list("cache-control") == ["no-store"]


def test_the_film_page_keeps_its_own_policy() -> None:
    policy = Web().request("GET", "/film/1.2").headers["content-security-policy"]
    assert "script-src 'self'" in policy and "frame-ancestors 'self'" in policy


def test_the_last_rule_fits_everything() -> None:
    assert RULES[-1].prefix == "/" and [rule.prefix for rule in RULES].count("/") == 1


@pytest.mark.parametrize("path", ["*", "", "http://pacs.test/dicom-web/studies"])
def test_a_target_that_is_no_path_is_answered_as_what_is_no_page(path: str) -> None:
    assert headers_of(path) == RULES[-1].headers
