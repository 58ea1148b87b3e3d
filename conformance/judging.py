"""What may come of a check, and how a suite finds it out: one set of words for every suite."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Generic, Protocol, TypeVar

DONE, FAILURES, NOT_RUN = 0, 1, 2        # exit status of a suite's command


class Failed(AssertionError):
    """The system does not do what the clause says: what was expected, and what came."""


class NotSupported(Exception):
    """The system says, in a way the standard allows, that it does not offer this."""


class NotTested(Exception):
    """It cannot be judged from here: a decoder or library is missing, or what it builds on did not work."""


class Level(StrEnum):
    """Whether the standard demands it of every system that claims the transaction."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class Outcome(StrEnum):
    """What came of a check."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    NOT_SUPPORTED = "not supported"
    NOT_TESTED = "not tested"


class Identified(Protocol):
    """A check of any suite."""

    @property
    def id(self) -> str: ...


Subject = TypeVar("Subject")             # what a suite knows of the system it tests
Any_ = TypeVar("Any_", bound=Identified)


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """One clause of an IHE transaction, and the function that holds a system to it."""

    id: str                              # family.subject, such as mpps.set.final
    transaction: str
    clause: str
    title: str
    level: Level
    run: Callable[[Subject], None]


class Checks(list[Check[Subject]]):
    """Those of one family, in the order they are declared."""

    def __init__(self, family: str = "") -> None:
        super().__init__()
        self._prefix = f"{family}." if family else ""

    def add(
        self, name: str, transaction: str, clause: str, title: str, level: Level = Level.REQUIRED
    ) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
        """Declare the decorated function as a check."""

        def declare(run: Callable[[Subject], None]) -> Callable[[Subject], None]:
            self.append(Check(f"{self._prefix}{name}", transaction, clause, title, level, run))
            return run

        return declare


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a check, and how long it took."""

    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


def judged(run: Callable[[], None]) -> Judgement:
    """One check. What it trips over counts as a failure: an answer of another shape than any clause allows."""
    started = time.monotonic()
    outcome, message = Outcome.PASS, ""
    try:
        run()
    except Failed as failed:
        outcome, message = Outcome.FAIL, str(failed)
    except NotSupported as reason:
        outcome, message = Outcome.NOT_SUPPORTED, str(reason)
    except NotTested as reason:
        outcome, message = Outcome.NOT_TESTED, str(reason)
    except Exception as error:
        outcome, message = Outcome.FAIL, f"an answer this check does not understand: {type(error).__name__}: {error}"
    return Judgement(outcome, message, time.monotonic() - started)


@dataclass(frozen=True)
class Result(Generic[Any_]):
    """What came of one check. Without slots, so that `Result[Check]` makes one, too."""

    check: Any_
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


def result_of(check: Any_, run: Callable[[], None]) -> Result[Any_]:
    """One check, by what holds the system to it."""
    one = judged(run)
    return Result(check, one.outcome, one.message, one.seconds)


def results_of(
    checks: Iterable[Any_],
    run: Callable[[Any_], Result[Any_]],
    *,
    reachable: Callable[[], bool] = lambda: True,
    tell: Callable[[Result[Any_]], None] | None = None,
) -> Iterator[Result[Any_]]:
    """All of them, one after the other, each told as soon as it is known; none is tried once the system has gone."""
    gone = ""
    for check in checks:
        result = Result(check, Outcome.NOT_TESTED, gone) if gone else run(check)
        if not gone and result.outcome is Outcome.FAIL and not reachable():
            gone = f"the server has not answered since {check.id}"
        if tell is not None:
            tell(result)
        yield result


def chosen(checks: Iterable[Any_], patterns: Sequence[str]) -> list[Any_]:
    """Checks whose id is one of these, begins with one of these and a dot, or matches one as a shell pattern."""
    return [
        check
        for check in checks
        if not patterns
        or any(check.id == one or check.id.startswith(f"{one}.") or fnmatchcase(check.id, one) for one in patterns)
    ]
