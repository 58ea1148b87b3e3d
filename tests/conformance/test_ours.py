"""Our server against the suite: nothing fails, and what is not supported is what the README says is not there."""

from fnmatch import fnmatchcase

import pytest

from conformance.dicomweb import prepared
from conformance.dicomweb.checks import CHECKS
from conformance.dicomweb.run import Result, run
from conformance.dicomweb.server import Server
from conformance.judging import Outcome
from tests.server import Server as Ours

# README, "What is not there yet"
NOT_THERE = (
    "worklist.json.array",  # one object, as most servers answer
    "http.cors",  # whose origins are a setting
    "retrieve.no-accept", "retrieve.single-part.study",  # what the standard leaves open
)  # fmt: skip


@pytest.fixture(scope="module")
def results(running_server: Ours) -> list[Result]:
    server = Server(running_server.base_url)
    data = prepared.made()
    prepared.store(server, data.everything)
    try:
        return [run(check, server, data) for check in CHECKS]
    finally:
        server.close()


def test_nothing_fails(results: list[Result]) -> None:
    failures = {one.check.id: one.message for one in results if one.outcome is Outcome.FAIL}
    assert failures == {}


def test_what_is_not_supported_is_what_the_readme_says_is_not_there(results: list[Result]) -> None:
    missing = {one.check.id: one.message for one in results if one.outcome is Outcome.NOT_SUPPORTED}
    assert {one: why for one, why in missing.items() if not any(fnmatchcase(one, it) for it in NOT_THERE)} == {}


def test_most_of_it_passes(results: list[Result]) -> None:
    assert sum(one.outcome is Outcome.PASS for one in results) >= 310
