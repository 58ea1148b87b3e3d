"""Which version counts, in whatever order they come."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from pacsd.reports.counting import AMENDED, CANCELLED, CRITICAL, FINAL, PRELIMINARY, counting, states, told
from pacsd.reports.report import Code, Content, Observation, Status, Version

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def version(
    number: int, status: str, *, issued: int | None = None, addendum: bool = False, critical: bool = False
) -> Version:
    said = NOON + timedelta(minutes=number)
    content = Content(observations=(Observation(Code("x"), "findings", "TX", f"text {number}"),))
    issued_at = None if issued is None else NOON + timedelta(hours=issued)
    return Version(number, f"u{number}", said, issued_at, Status(status), addendum, critical, "ris", content)


def counted(*versions: Version) -> tuple[list[int], str]:
    found = counting(versions)
    assert found is not None
    return [one.number for one in found.parts], found.status.value


def test_of_nothing_nothing_counts() -> None:
    assert counting([]) is None


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([version(1, "preliminary")], ([1], "preliminary")),
        ([version(1, "preliminary"), version(2, "preliminary")], ([2], "preliminary")),
        ([version(1, "preliminary"), version(2, "final")], ([2], "final")),
        ([version(1, "final"), version(2, "corrected")], ([2], "corrected")),
        ([version(1, "final"), version(2, "preliminary")], ([1], "final")),
        ([version(1, "final"), version(2, "final", addendum=True)], ([1, 2], "corrected")),
        ([version(1, "final"), version(2, "final", addendum=True), version(3, "corrected")], ([3], "corrected")),
        ([version(1, "final", addendum=True)], ([1], "final")),
        ([version(1, "final"), version(2, "cancelled")], ([2], "cancelled")),
        ([version(1, "final"), version(2, "cancelled"), version(3, "final")], ([3], "final")),
        ([version(1, "final"), version(2, "cancelled"), version(3, "preliminary")], ([3], "preliminary")),
    ],
)
def test_what_counts_of_versions_that_come_in_their_order(
    versions: list[Version], expected: tuple[list[int], str]
) -> None:
    assert counted(*versions) == expected


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_senders_time_decides_whatever_comes_first(order: tuple[int, ...]) -> None:
    kinds = (("preliminary", False), ("final", False), ("corrected", False), ("final", True))
    versions = [
        version(number, kinds[hour][0], issued=hour, addendum=kinds[hour][1]) for number, hour in enumerate(order, 1)
    ]
    numbers, status = counted(*versions)
    assert [versions[number - 1].issued_at for number in numbers] == [NOON + timedelta(hours=hour) for hour in (2, 3)]
    assert status == "corrected"


def test_a_cancellation_takes_back_only_what_was_issued_before_it() -> None:
    assert counted(version(1, "final", issued=3), version(2, "cancelled", issued=2)) == ([1], "final")
    assert counted(version(1, "cancelled", issued=2), version(2, "final", issued=1)) == ([1], "cancelled")


def test_an_addendum_reads_behind_what_it_adds_to() -> None:
    found = counting([version(1, "final"), version(2, "final", addendum=True)])
    assert found is not None
    assert [(one.section, one.text) for one in found.content.observations] == [
        ("findings", "text 1"), ("addendum", "text 2"),
    ]


@pytest.mark.parametrize(
    ("before", "new", "expected"),
    [
        ([], version(1, "preliminary"), [PRELIMINARY]),
        ([], version(1, "final", critical=True), [FINAL, CRITICAL]),
        ([], version(1, "corrected"), [FINAL]),
        ([version(1, "preliminary")], version(2, "final"), [FINAL]),
        ([version(1, "final")], version(2, "preliminary"), []),
        ([version(1, "final")], version(2, "corrected", critical=True), [AMENDED, CRITICAL]),
        ([version(1, "final", critical=True)], version(2, "corrected", critical=True), [AMENDED]),
        ([version(1, "final", issued=5)], version(2, "final", issued=4), []),
        ([version(1, "final", critical=True)], version(2, "cancelled"), [CANCELLED]),
        ([version(1, "final"), version(2, "cancelled")], version(3, "final"), [AMENDED]),
    ],
)
def test_what_is_told_of_one_more_version(before: list[Version], new: Version, expected: list[str]) -> None:
    assert told(before, [*before, new]) == expected


def test_states_are_those_that_were_told_of() -> None:
    versions = [version(1, "preliminary"), version(2, "final"), version(3, "preliminary"), version(4, "corrected")]
    assert [one.version.number for one in states(versions)] == [1, 2, 4]
