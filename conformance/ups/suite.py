"""What a check of this suite is: an IHE transaction (RAD-80 to RAD-88), a clause of PS3.4, and a function."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from conformance import judging
from conformance.judging import Level
from conformance.ups.peer import Peer

Run = Callable[[Peer], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One clause, and the function that holds a server to it."""

    id: str                              # transaction.subject, such as claim.second
    transaction: str                     # of the IHE Radiology Technical Framework
    clause: str                          # of PS3.4, unless it says otherwise
    title: str
    level: Level
    run: Run

    @property
    def reference(self) -> str:
        """Transaction and clause."""
        clause = self.clause if self.clause.startswith("PS3.") else f"PS3.4 {self.clause}"
        return f"{self.transaction}, {clause}" if self.transaction else clause


class Transaction:
    """The checks of one transaction, in the order they are declared."""

    def __init__(self, name: str, title: str, number: str) -> None:
        self.name = name
        self.title = title
        self.number = number
        self.checks: list[Check] = []

    def required(self, name: str, clause: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what every server must do."""
        return self._declare(name, clause, title, Level.REQUIRED)

    def optional(self, name: str, clause: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what a server may leave out, but not do wrongly."""
        return self._declare(name, clause, title, Level.OPTIONAL)

    def _declare(self, name: str, clause: str, title: str, level: Level) -> Callable[[Run], Run]:
        def declare(run: Run) -> Run:
            self.checks.append(Check(f"{self.name}.{name}", self.number, clause, title, level, run))
            return run

        return declare


Result = judging.Result[Check]


def run(check: Check, peer: Peer) -> Result:
    """One check."""
    return judging.result_of(check, partial(check.run, peer))


def run_all(checks: Iterable[Check], peer: Peer, *, tell: Callable[[Result], None] | None = None) -> Iterator[Result]:
    """All of them, each told as soon as it is known."""
    return judging.results_of(checks, lambda check: run(check, peer), tell=tell)
