"""The arithmetic of the table, and the load generator against a server whose answers are known."""

from pathlib import Path

import pytest

from tests.bench.load import Job, measure
from tests.bench.measures import Row, factors, medians, misses
from tests.bench.peers import static_files
from tests.bench.report import Result, table

SLOWER_IS_WORSE = Row("r", "row", "s", lambda bench: {}, targets=(("orthanc", 3.0), ("storescp", 1 / 3)))
MORE_IS_BETTER = Row(
    "q", "query", "1/s", lambda bench: {}, higher_is_better=True, targets=(("orthanc", 8.0),)
)
AT_LEAST = Row("a", "rate", "1/s", lambda bench: {}, higher_is_better=True, targets=((None, 300.0),))
BOUNDED = Row("m", "memory", "MB", lambda bench: {}, targets=((None, 700.0),))


def test_factors_say_how_much_better_ours_is_in_both_directions() -> None:
    assert factors(SLOWER_IS_WORSE, {"pacsd": 1.0, "orthanc": 4.0, "storescp": 0.5}) == {
        "orthanc": 4.0,
        "storescp": 0.5,
    }
    assert factors(MORE_IS_BETTER, {"pacsd": 900.0, "orthanc": 100.0}) == {"orthanc": 9.0}
    assert factors(MORE_IS_BETTER, {"orthanc": 100.0}) == {}


def test_misses_name_the_side_and_the_bound() -> None:
    assert misses(SLOWER_IS_WORSE, {"pacsd": 1.0, "orthanc": 4.0, "storescp": 0.5}) == []
    assert misses(SLOWER_IS_WORSE, {"pacsd": 2.0, "orthanc": 4.0, "storescp": 0.5}) == [
        "2.00x of orthanc < 3x",
        "0.25x of storescp < 0.333333x",
    ]
    assert misses(BOUNDED, {"pacsd": 701.0}) == ["701 MB > 700"]
    assert misses(AT_LEAST, {"pacsd": 299.0}) == ["299 1/s < 300"] and misses(AT_LEAST, {"pacsd": 301.0}) == []


def test_a_row_without_ours_or_with_a_failure_is_shown_all_the_same() -> None:
    shown = table([Result(MORE_IS_BETTER, {"orthanc": [1.0, 3.0, 2.0]}), Result(BOUNDED, {}, "Error: no")])
    assert "orthanc 2 1/s" in shown
    assert "Error: no" in shown
    assert medians({"a": [], "b": [1.0, 9.0, 2.0]}) == {"b": 2.0}


@pytest.mark.timeout(60)
def test_load_counts_every_answer_and_byte(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    (tmp_path / "b").write_bytes(b"")
    with static_files(tmp_path) as server:
        load = measure(Job(server.http_port, ["/a", "/b"], connections=3, requests=20))
    assert (load.answered, load.body_bytes, load.statuses) == (20, 1_000_000, {"200": 20})


@pytest.mark.timeout(60)
def test_load_refuses_to_measure_failures(tmp_path: Path) -> None:
    with static_files(tmp_path) as server, pytest.raises(RuntimeError, match="not successes"):
        measure(Job(server.http_port, ["/absent"], connections=1))
