"""Running checks against a server, one after the other."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.server import Server
from conformance.dicomweb.suite import Check
from conformance.judging import Outcome, judged


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check."""

    check: Check
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


def run(check: Check, server: Server, data: Prepared) -> Result:
    """One check."""
    one = judged(lambda: check.run(server, data))
    return Result(check, one.outcome, one.message, one.seconds)


def run_all(
    checks: Iterable[Check], server: Server, data: Prepared, *, tell: Callable[[Result], None] | None = None
) -> Iterator[Result]:
    """All of them, each told as soon as it is known."""
    gone = ""
    for check in checks:
        result = Result(check, Outcome.NOT_TESTED, gone) if gone else run(check, server, data)
        if not gone and result.outcome is Outcome.FAIL and not server.reachable():
            gone = f"the server has not answered since {check.id}"
        if tell is not None:
            tell(result)
        yield result
