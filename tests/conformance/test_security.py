"""Our server, guarded, against the suite of who may see what; and a port that lets everything in."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.__main__ import main
from conformance.judging import Outcome
from conformance.security import prepared
from conformance.security.checks import CHECKS, PAGES
from conformance.security.command import parsed, site_of
from conformance.security.run import Result, as_html, run
from conformance.security.suite import Site
from tests.certificates import Authority
from tests.conformance.guarding import options, through
from tests.conformance.loose_port import LoosePort
from tests.security.house import Guarded

# README, "Signing in" and "What is not there yet"
NOT_THERE = {
    "smart.cors",                        # whose origins are a setting
    "scopes.granular",                   # such a scope is given, and opens nothing
}  # fmt: skip


def closed(site: Site) -> None:
    for one in (site.first, site.nobody, site.second, site.auditor):
        if one is not None:
            one.close()


@pytest.fixture(scope="module")
def told(guarded: Guarded) -> list[str]:
    return options(guarded)


@pytest.fixture(scope="module")
def site(guarded: Guarded, told: list[str]) -> Iterator[Site]:
    """Our server, with what the suite stores there."""
    made = site_of(parsed(told), transport=through(guarded))
    prepared.store(made)
    yield made
    closed(made)


@pytest.fixture(scope="module")
def results(site: Site) -> list[Result]:
    return [run(check, site) for check in CHECKS]


def test_ids_are_unique_and_say_their_page_and_clause() -> None:
    ids = [check.id for check in CHECKS]
    assert len(ids) == len(set(ids)) > 100
    assert all(check.clause and check.title for check in CHECKS)
    assert {one.partition(".")[0] for one in ids} == {page.name for page in PAGES}


def test_our_server_fails_nothing(results: Sequence[Result]) -> None:
    assert {one.check.id: one.message for one in results if one.outcome is Outcome.FAIL} == {}


def test_what_is_not_supported_is_what_the_readme_says_is_not_there(results: Sequence[Result]) -> None:
    missing = {one.check.id: one.message for one in results if one.outcome is Outcome.NOT_SUPPORTED}
    assert set(missing) == NOT_THERE, missing


def test_nothing_is_left_untested(results: Sequence[Result]) -> None:
    assert {one.check.id: one.message for one in results if one.outcome is Outcome.NOT_TESTED} == {}


def test_the_page_stands_alone_and_escapes_what_servers_say(results: Sequence[Result]) -> None:
    page = as_html("https://x/<b>", "now", [replace(one, message="<script>alert(1)</script>") for one in results])
    assert "<script" not in page and "&lt;script&gt;" in page and "x/&lt;b&gt;" in page
    assert all(one.title in page for one in PAGES)


def test_the_command_writes_what_it_found(told: list[str], tmp_path: Path) -> None:
    files = ["--report", str(tmp_path / "out.html"), "--json", str(tmp_path / "out.json")]
    assert main(["security", *told, "--only", "smart,iti-19.current", "--quiet", *files]) == 0
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert found["totals"]["fail"] == 0 and found["totals"]["pass"] >= 8
    assert "smart.pkce" in (tmp_path / "out.html").read_text(encoding="utf-8")
    assert main(["security", "--list"]) == 0
    assert main(["security", "--url", "https://127.0.0.1:9", "--token", "x"]) == 2
    assert main(["security"]) == 2


# these speak to the port itself, where no liar stands between
BY_THE_PORT = ("iti-19.", "framing.")
# OpenSSL compresses nothing any more; TLS 1.3 need not be spoken, nor HTTP/2 be refused
NO_PORT_FAILS = {"iti-19.compression", "iti-19.newest"}


def test_a_port_that_lets_everything_in_is_seen_through(guarded: Guarded) -> None:
    authority = Authority(guarded.authority.folder.parent / "loose")
    port = LoosePort(authority.make("loose"))
    url, ca = f"https://localhost:{port.port}", str(authority.certificate)
    made = site_of(parsed(["--url", url, "--token", "x", "--ca", ca, "--mutual", f"localhost:{port.port}"]))
    stranger = replace(made, ports=[replace(one, authorities=guarded.authority.certificate) for one in made.ports])
    checks = [one for one in CHECKS if one.id.startswith(BY_THE_PORT) and one.id not in NO_PORT_FAILS]
    try:
        found = {one.id: run(one, stranger if one.id == "iti-19.certificate" else made) for one in checks}
    finally:
        closed(made)
        port.close()
    failed = {name: one.message for name, one in found.items() if one.outcome is Outcome.FAIL}
    assert set(failed) == set(found) and not [one for one in failed.values() if "does not understand" in one], found


def test_the_suite_of_dicomweb_reaches_a_guarded_server(guarded: Guarded) -> None:
    """By HTTPS of a private authority, with a token, and a WebSocket inside TLS."""
    told = ["dicomweb", "--url", f"{guarded.base}/dicom-web", "--token", guarded.token("east", "system"), "--quiet"]
    told += ["--ca", str(guarded.authority.certificate), "--only", "subscription.events,subscription.initial-event"]
    report = guarded.authority.folder / "dicomweb.json"
    assert main([*told, "--json", str(report)]) == 0
    assert [one["outcome"] for one in json.loads(report.read_text())["checks"]] == ["pass", "pass"]
