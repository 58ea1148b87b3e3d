"""What a check of this suite is, how one is declared, and how it is run against a server."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from conformance.dicomweb.suite import Failed, Level, NotSupported, NotTested, Outcome
from conformance.exams.modality import Modality

Run = Callable[[Modality], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One clause, the IHE transaction it is part of, and the function that holds a server to it."""

    id: str  # service.subject, such as mpps.set.final
    clause: str
    transaction: str
    title: str
    level: Level
    run: Run


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check."""

    check: Check
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


class Service:
    """The checks of one service, in the order they are declared."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.checks: list[Check] = []

    def required(self, name: str, clause: str, transaction: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what every SCP must do."""
        return self._declare(name, clause, transaction, title, Level.REQUIRED)

    def optional(self, name: str, clause: str, transaction: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what an SCP may leave out, but not do wrongly."""
        return self._declare(name, clause, transaction, title, Level.OPTIONAL)

    def _declare(self, name: str, clause: str, transaction: str, title: str, level: Level) -> Callable[[Run], Run]:
        def declare(run: Run) -> Run:
            self.checks.append(Check(f"{self.name}.{name}", clause, transaction, title, level, run))
            return run

        return declare


def chosen(checks: Iterable[Check], patterns: Sequence[str]) -> list[Check]:
    """Checks whose id is one of these, begins with one of these and a dot, or matches one as a shell pattern."""
    return [
        check
        for check in checks
        if not patterns
        or any(check.id == one or check.id.startswith(f"{one}.") or fnmatchcase(check.id, one) for one in patterns)
    ]


def run_all(checks: Iterable[Check], modality: Modality) -> Iterator[Result]:
    """All of them, one after the other. What a check trips over counts as a failure."""
    for check in checks:
        started = time.monotonic()
        outcome, message = Outcome.PASS, ""
        try:
            check.run(modality)
        except Failed as failed:
            outcome, message = Outcome.FAIL, str(failed)
        except NotSupported as reason:
            outcome, message = Outcome.NOT_SUPPORTED, str(reason)
        except NotTested as reason:
            outcome, message = Outcome.NOT_TESTED, str(reason)
        except Exception as error:
            outcome, message = Outcome.FAIL, f"not understood: {type(error).__name__}: {error}"
        yield Result(check, outcome, message, time.monotonic() - started)
