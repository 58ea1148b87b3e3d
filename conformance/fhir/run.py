"""Running checks against a server, one after the other, and telling what came of them."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from conformance import judging
from conformance.fhir.checks import PAGES
from conformance.fhir.suite import Check, Site
from conformance.judging import Level, Outcome

WORDS = {Level.REQUIRED: "must", Level.OPTIONAL: "should"}


Result = judging.Result[Check]


def run(check: Check, site: Site) -> Result:
    """One check."""
    alone = replace(site, turn=uuid.uuid4().hex[:8])
    return judging.result_of(check, partial(check.run, alone))


def run_all(checks: Iterable[Check], site: Site, *, tell: Callable[[Result], None] | None = None) -> Iterator[Result]:
    """All of them, each told as soon as it is known; none is tried once the server has gone."""
    return judging.results_of(checks, lambda check: run(check, site), reachable=site.server.reachable, tell=tell)


def line(result: Result) -> str:
    """One result as a line of text, with a second one for the reason."""
    check = result.check
    mark = "FAIL" if result.outcome is Outcome.FAIL else result.outcome.value
    text = f"{mark:<13}  {check.id:<36} {WORDS[check.level]:<6} {check.clause}  {check.title}"
    return f"{text}\n{'':<15}{result.message}" if result.message else text


def count(results: Iterable[Result], outcome: Outcome, page: str | None = None) -> int:
    """How many results of an outcome, of all or of one page."""
    return sum(one.outcome is outcome for one in results if page in (None, one.check.id.partition(".")[0]))


def summary(results: Sequence[Result]) -> str:
    """The table of pages, and the totals."""
    rows = [("", *(one.value for one in Outcome))]
    for title, name in [*((page.title, page.name) for page in PAGES), ("all", None)]:
        cells = [count(results, one, name) for one in Outcome]
        if any(cells):
            rows.append((title, *map(str, cells)))
    return "\n".join(f"{row[0]:<28}" + "".join(f"{cell:>15}" for cell in row[1:]) for row in rows)


def as_json(url: str, started: str, software: str, results: Sequence[Result]) -> str:
    """The run as JSON, one object for each check."""
    found = [
        {
            "id": one.check.id, "page": one.check.transaction, "clause": one.check.clause, "title": one.check.title,
            "level": WORDS[one.check.level], "outcome": one.outcome, "message": one.message,
            "seconds": round(one.seconds, 3),
        }
        for one in results
    ]  # fmt: skip
    totals = Counter(one.outcome for one in results)
    about = {"suite": "fhir", "fhirVersion": "4.0.1", "url": url, "server": software, "started": started}
    counts = {outcome.value: totals[outcome] for outcome in Outcome}
    return json.dumps({**about, "totals": counts, "checks": found}, indent=1, ensure_ascii=False) + "\n"
