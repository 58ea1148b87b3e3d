"""Every check can fail: servers that misbehave in known ways are caught."""

from collections.abc import Iterable, Mapping
from functools import cache

import httpx
import pytest

from conformance.dicomweb import notifications, prepared
from conformance.dicomweb.checks import CHECKS
from conformance.dicomweb.run import run
from conformance.dicomweb.server import Server
from conformance.dicomweb.suite import Check
from conformance.judging import Outcome
from tests.conformance import liars
from tests.server import Server as Ours

NOWHERE = "http://liar.example/dicom-web"


def outcomes(checks: Iterable[Check], server: Server, data: prepared.Prepared) -> dict[str, Outcome]:
    return {check.id: run(check, server, data).outcome for check in checks}


@cache
def against(status: int, content_type: str, body: bytes) -> Mapping[str, Outcome]:
    """All checks against a server that answers everything alike."""
    server = Server(NOWHERE, transport=liars.same_answer(status, content_type, body))
    return outcomes(CHECKS, server, prepared.made())


def test_ids_are_unique_and_name_their_transaction() -> None:
    ids = [check.id for check in CHECKS]
    assert len(ids) == len(set(ids)) and all("." in one for one in ids)
    assert all(check.clause and check.title for check in CHECKS)


def test_a_server_that_only_breaks_passes_nothing() -> None:
    found = against(500, "text/plain", b"Traceback (most recent call last):\n")
    assert [one for one, outcome in found.items() if outcome is not Outcome.FAIL] == []


# what an empty list is the right answer to
MAY_BE_EMPTY = {
    "search.empty", "search.unknown-study", "search.offset-beyond", "search.range.invalid",
    "hostile.injection", "hostile.wildcards",
}  # fmt: skip


def test_a_server_that_has_nothing_and_refuses_nothing_passes_nothing() -> None:
    found = against(200, "application/dicom+json", b"[]")
    assert {one for one, outcome in found.items() if outcome is Outcome.PASS} <= MAY_BE_EMPTY


def test_no_check_takes_both_nothing_and_a_refusal_of_everything() -> None:
    """A resource that is not there may be empty or 404; apart from that one of the two answers must be wrong."""
    empty = against(200, "application/dicom+json", b"[]")
    refused = against(404, "application/problem+json", b"{}")
    both = {one for one in empty if empty[one] is Outcome.PASS and refused[one] is Outcome.PASS}
    assert both <= {"search.unknown-study"}
    assert not any(refused[one] is Outcome.PASS for one in ("store.multipart", "retrieve.study", "search.studies"))


@pytest.fixture(scope="module")
def honest(running_server: Ours) -> tuple[prepared.Prepared, list[Check]]:
    """Data stored in our server, and the checks that it passes."""
    data = prepared.made()
    server = Server(running_server.base_url)
    try:
        prepared.store(server, data.everything)
        return data, [check for check in CHECKS if run(check, server, data).outcome is Outcome.PASS]
    finally:
        server.close()


def caught(url: str, transport: httpx.BaseTransport, checks: Iterable[Check], data: prepared.Prepared) -> set[str]:
    """Ids of the checks that fail."""
    server = Server(url, transport=transport)
    try:
        return {one for one, outcome in outcomes(checks, server, data).items() if outcome is Outcome.FAIL}
    finally:
        server.close()


# the lie, and some of the checks that must see through it
SEEN_THROUGH: Mapping[str, tuple[str, ...]] = {
    "loses a part": ("retrieve.study", "retrieve.series", "frames.list"),
    "spoils octets": ("retrieve.instance", "frames.one", "frames.list", "bulkdata.uri", "store.retrievable"),
    "empties": ("metadata.study", "metadata.report", "search.studies", "search.return.study.PatientName"),
    "another picture": ("rendered.instance", "rendered.window.linear", "uri.jpeg"),
    "another vr": ("metadata.instance", "search.return.instance.Rows"),
    "turns around": ("metadata.json.rules", "search.json"),
    "repeats": ("metadata.series", "search.limit", "search.studies", "search.key.study.PatientName"),
    "shuffles": ("search.idempotent",),
    "denies nothing": ("retrieve.unknown.study", "frames.beyond", "search.paging-invalid", "store.media-type"),
    "plain text": ("metadata.study", "search.json", "retrieve.study"),
    "silent": ("search.remaining",),
    "warns": ("search.remaining",),
    "never 304": ("http.etag.metadata",),
    "invents": ("search.empty", "search.offset-beyond", "hostile.injection"),
    "reads only": ("capabilities.options",),
    "boasts": ("store.multipart", "store.broken", "hostile.no-boundary", "store.some-broken"),
    "breaks": ("http.problem.trace",),
    "without query": ("search.key.study.StudyDate", "search.limit", "search.range.date", "search.wildcard"),
    "accepts anything": ("metadata.xml", "search.xml"),
}


def test_the_truth_passes_through_the_same_transport(
    running_server: Ours, honest: tuple[prepared.Prepared, list[Check]]
) -> None:
    data, checks = honest
    assert caught(running_server.base_url, liars.Lying(liars.nothing), checks, data) == set()


def test_each_lie_is_seen_through_and_each_check_sees_through_one(
    running_server: Ours, honest: tuple[prepared.Prepared, list[Check]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "PATIENCE_S", 2.0)
    data, checks = honest
    transports = {name: liars.Lying(lie) for name, lie in liars.ANSWERS.items()}
    transports |= {name: liars.Lying(liars.nothing, ask) for name, ask in liars.QUESTIONS.items()}
    blind = {check.id for check in checks}
    for name, transport in transports.items():
        named = set(SEEN_THROUGH[name])
        asked = [check for check in checks if check.id in blind | named]
        found = caught(running_server.base_url, transport, asked, data)
        assert named & {check.id for check in asked} <= found, name
        blind -= found
    assert blind <= ONLY_A_BROKEN_SERVER_FAILS


# these let a server answer or refuse, and only ask that it does not break
ONLY_A_BROKEN_SERVER_FAILS = {
    "http.cors", "retrieve.single-part.study", "search.fuzzy-invalid", "thumbnail.viewport.region",
}  # fmt: skip
