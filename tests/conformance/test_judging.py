"""What comes of a check, whatever it does; and which checks a pattern names."""

from collections.abc import Callable

import pytest

from conformance.judging import Checks, Failed, NotSupported, NotTested, Outcome, chosen, judged


def raising(error: Exception) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "outcome", "message"),
    [
        (Failed("expected AA"), Outcome.FAIL, "expected AA"),
        (NotSupported("answers in original mode"), Outcome.NOT_SUPPORTED, "answers in original mode"),
        (NotTested("no decoder"), Outcome.NOT_TESTED, "no decoder"),
        (IndexError("list index out of range"), Outcome.FAIL, "IndexError: list index out of range"),
    ],
)
def test_whatever_a_check_raises_is_an_outcome(error: Exception, outcome: Outcome, message: str) -> None:
    one = judged(raising(error))
    assert one.outcome is outcome
    assert one.message.endswith(message)


def test_a_check_that_holds_passes() -> None:
    one = judged(lambda: None)
    assert (one.outcome, one.message) == (Outcome.PASS, "")


@pytest.mark.parametrize(
    ("patterns", "ids"),
    [
        ([], ["a.get", "a.get.none", "a.getter"]),
        (["a.get"], ["a.get", "a.get.none"]),
        (["*.none", "a.getter"], ["a.get.none", "a.getter"]),
        (["b"], []),
    ],
)
def test_patterns_name_checks_and_those_below_them(patterns: list[str], ids: list[str]) -> None:
    checks: Checks[None] = Checks("a")
    for name in ("get", "get.none", "getter"):
        checks.add(name, "RAD-1", "1.2", name)(lambda _: None)
    assert [one.id for one in chosen(checks, patterns)] == ids
