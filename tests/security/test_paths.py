"""Paths that climb, and control characters, in every parameter of every path: over the wire as they are."""

import re
from collections.abc import Iterator

import pytest

from fhir.interaction.table import INTERACTIONS
from fhir.operation.table import OPERATIONS
from pacsd.oauth.app import END_POINTS
from pacsd.web.app import OPERATIONS as ALSO
from pacsd.web.app import PAGES, TRANSACTIONS
from tests.security.house import Guarded
from tests.security.wire import Connection

UID = "1.2.3"
CLIMBS = ("../../../../../../etc/passwd", "..%2f..%2f..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
          "..%252f..%252fetc%252fpasswd", "..%5c..%5c..%5cwindows%5cwin.ini", "%c0%ae%c0%ae%c0%afetc%c0%afpasswd",
          "%2fetc%2fpasswd", "....//....//etc/passwd", "1.2.3%00.dcm", "file:%2f%2f%2fetc%2fpasswd", "~root",
          "x%0d%0aX-Made:%201%0d%0a%0d%0a<made>", "%0aSet-Cookie:made=1", "%e2%80%ae1.2.3", "%ff%fe")  # fmt: skip


FIELDS = ("X-Request-Id", "Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers", "Range",
          "If-None-Match", "Accept", "Accept-Language", "Prefer", "Cookie", "X-Forwarded-Host", "X-Forwarded-Proto",
          "Forwarded", "X-Original-URL", "X-Rewrite-URL")  # fmt: skip


def patterns() -> Iterator[tuple[str, str]]:
    """Method and path of everything that the server answers, parameters in braces."""
    for one in TRANSACTIONS:
        yield one.method, f"/dicom-web{one.path}"
    for one in (*ALSO, *PAGES):
        yield one.method, one.path
    for one in INTERACTIONS:
        yield one.method, f"/fhir/{one.path}".rstrip("/")
    for one in OPERATIONS:
        yield "POST" if one.affects_state else "GET", f"/fhir/Patient/{{id}}/${one.name}"
    for one in END_POINTS:
        yield one.method, one.path


def places() -> list[tuple[str, str]]:
    """Each path with one of its parameters, or its end, left open as `*`; each once."""
    found = {}
    for method, path in patterns():
        holes = list(re.finditer(r"\{[^}]*\}", path))
        for hole in holes:
            before, after = (re.sub(r"\{[^}]*\}", UID, one) for one in (path[: hole.start()], path[hole.end() :]))
            found[method, f"{before}*{after}"] = None
        if not holes:
            found[method, f"{path.rstrip('/')}/*"] = None
    return list(found)


def test_no_parameter_of_a_path_leads_to_a_file_or_into_a_header(guarded: Guarded) -> None:
    wrong = []
    with Connection(guarded, guarded.own_token()) as wire:
        for method, place in places():
            for climb in CLIMBS:
                answer = wire.ask(method, place.replace("*", climb))
                leaks = b"root:" in answer.body or b"[fonts]" in answer.body
                made = "x-made" in answer.fields or "made=1" in answer.fields.get("set-cookie", "")
                broke = answer.status >= 500 and answer.status != 501
                if leaks or made or broke or b"Traceback" in answer.body:
                    wrong.append(f"{method} {place} {climb}: {answer.status} {answer.body[:80]!r}")
    assert not wrong, "\n".join(wrong[:20])


@pytest.mark.parametrize("prefix", ["/viewer/", "/film/assets/0/", "/viewer", "/film/"])
def test_pages_are_files_of_their_folder_alone(guarded: Guarded, prefix: str) -> None:
    depth = "../" * 12
    with Connection(guarded, "") as wire:
        for path in ("/viewer/assets/app.js", "/film/assets/0/film.js"):
            assert wire.ask("GET", path).status == 200
        for name in (guarded.canary, guarded.server.config, guarded.files["pacs"].key):
            plain = str(name).lstrip("/")
            for path in (depth + plain, depth.replace("/", "%2f") + plain.replace("/", "%2f"), f"%2f{plain}",
                         depth.replace(".", "%2e") + plain, f"x/{depth}{plain}"):  # fmt: skip
                answer = wire.ask("GET", prefix + path)
                assert answer.status in (200, 303, 307, 308, 400, 404), (path, answer.status)
                for mark in (guarded.canary.read_bytes(), b"[[organisations]]", b"PRIVATE KEY"):
                    assert mark not in answer.body


def test_fields_of_requests_are_no_way_into_answers(guarded: Guarded) -> None:
    """What comes in by a field and goes out by one: request ids, origins, hosts, ranges, tags."""
    with Connection(guarded, guarded.own_token()) as wire:
        for name in FIELDS:
            for value in ("x\rX-Made: 1", "x\nX-Made: 1", "x%0d%0aX-Made: 1", "evil.example", "https://evil.example"):
                answer = wire.ask("GET", "/fhir/Patient?_count=1", **{name: value})
                assert "x-made" not in answer.fields, (name, value)
                assert b"evil.example" not in answer.body, (name, value)
                told = {one: said for one, said in answer.fields.items() if one != "x-request-id"}   # FHIR has it told
                assert "evil.example" not in " ".join(told.values()), (name, value)
                assert answer.status < 500, (name, value)


def test_a_name_of_our_own_comes_from_the_settings_and_not_from_the_request(guarded: Guarded) -> None:
    with Connection(guarded, guarded.own_token()) as wire:
        for path in ("/fhir/metadata", "/fhir/Patient?_count=1", "/.well-known/openid-configuration", "/oauth/login"):
            answer = wire.ask("GET", path, Host="evil.example")
            assert answer.status in (200, 400) and b"evil.example" not in answer.body, path
