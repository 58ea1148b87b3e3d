"""Running checks against a server, one after the other."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.server import Server
from conformance.dicomweb.suite import Check, Failed, NotSupported, NotTested, Outcome


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check."""

    check: Check
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


def chosen(checks: Iterable[Check], patterns: Sequence[str]) -> list[Check]:
    """Checks whose id is one of these, begins with one of these and a dot, or matches one as a shell pattern."""
    if not patterns:
        return list(checks)
    return [
        check
        for check in checks
        if any(check.id == one or check.id.startswith(f"{one}.") or fnmatchcase(check.id, one) for one in patterns)
    ]


def run(check: Check, server: Server, data: Prepared) -> Result:
    """One check. What it trips over counts as a failure: an answer of another shape than any clause allows."""
    started = time.monotonic()
    outcome, message = Outcome.PASS, ""
    try:
        check.run(server, data)
    except Failed as failed:
        outcome, message = Outcome.FAIL, str(failed)
    except NotSupported as reason:
        outcome, message = Outcome.NOT_SUPPORTED, str(reason)
    except NotTested as reason:
        outcome, message = Outcome.NOT_TESTED, str(reason)
    except Exception as error:
        outcome, message = Outcome.FAIL, f"an answer this check does not understand: {type(error).__name__}: {error}"
    return Result(check, outcome, message, time.monotonic() - started)


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
