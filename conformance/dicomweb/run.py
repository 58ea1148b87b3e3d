"""Running checks against a server, one after the other."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from conformance import judging
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.server import Server
from conformance.dicomweb.suite import Check

Result = judging.Result[Check]


def run(check: Check, server: Server, data: Prepared) -> Result:
    """One check."""
    return judging.result_of(check, partial(check.run, server, data))


def run_all(
    checks: Iterable[Check], server: Server, data: Prepared, *, tell: Callable[[Result], None] | None = None
) -> Iterator[Result]:
    """All of them, each told as soon as it is known."""
    return judging.results_of(checks, lambda check: run(check, server, data), reachable=server.reachable, tell=tell)
