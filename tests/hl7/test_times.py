"""Points in time: what HL7 allows, and nothing else."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from hl7.times import moment, readable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026", datetime(2026, 1, 1)),
        ("202602", datetime(2026, 2, 1)),
        ("20260203", datetime(2026, 2, 3)),
        ("2026020304", datetime(2026, 2, 3, 4)),
        ("202602030405", datetime(2026, 2, 3, 4, 5)),
        ("20260203040506", datetime(2026, 2, 3, 4, 5, 6)),
        ("20260203040506.7891", datetime(2026, 2, 3, 4, 5, 6, 789100)),
    ],
)
def test_without_an_offset_it_is_the_machines_own_time(text: str, expected: datetime) -> None:
    assert moment(text) == expected.astimezone()


def test_an_offset_counts() -> None:
    assert moment("20260203040506+0800") == datetime(2026, 2, 2, 20, 5, 6, tzinfo=UTC)
    assert moment("202602030405-0330") == datetime(2026, 2, 3, 4, 5, tzinfo=timezone(-timedelta(hours=3, minutes=30)))


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "202", "20261301", "20260230", "2026020325", "20260203040560", "2026.5", "20260203+08",
     "20260203+9999", "0000", "20260203040506.", "\u0662\u0660\u0662\u0666"],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    assert moment(text) is None


def test_people_read_it_with_marks_between() -> None:
    assert readable("20260203040506.1+0800") == "2026-02-03 04:05:06 +0800"
    assert readable("202602") == "2026-02" and readable("soon") == "soon"
