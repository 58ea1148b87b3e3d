"""How a check of this suite is declared, what came of it, and how it is run against a server."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from conformance import judging
from conformance.exams.modality import Modality
from conformance.judging import Level

Check = judging.Check[Modality]
Run = Callable[[Modality], None]
Result = judging.Result[Check]


class Service(judging.Checks[Modality]):
    """The checks of one service, in the order they are declared."""

    def required(self, name: str, clause: str, transaction: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what every SCP must do."""
        return self.add(name, transaction, clause, title)

    def optional(self, name: str, clause: str, transaction: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what an SCP may leave out, but not do wrongly."""
        return self.add(name, transaction, clause, title, Level.OPTIONAL)


def run_all(checks: Iterable[Check], modality: Modality) -> Iterator[Result]:
    """All of them, one after the other."""
    return judging.results_of(checks, lambda check: judging.result_of(check, partial(check.run, modality)))
