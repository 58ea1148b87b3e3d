"""Running checks against a server, and telling what came of them: lines, a table, JSON, one HTML page."""

import html
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from conformance import judging
from conformance.dicomweb.report import MARKS, STYLE
from conformance.judging import Level, Outcome
from conformance.security.checks import PAGES
from conformance.security.suite import Check, Site

WORDS = {Level.REQUIRED: "must", Level.OPTIONAL: "should"}

Result = judging.Result[Check]


def run(check: Check, site: Site) -> Result:
    """One check."""
    return judging.result_of(check, partial(check.run, site))


def run_all(checks: Iterable[Check], site: Site, *, tell: Callable[[Result], None] | None = None) -> Iterator[Result]:
    """All of them, each told as soon as it is known; none is tried once the server has gone."""
    return judging.results_of(checks, lambda check: run(check, site), reachable=site.nobody.reachable, tell=tell)


def line(result: Result) -> str:
    """One result as a line of text, with a second one for the reason."""
    check = result.check
    text = f"{MARKS[result.outcome]:<13}  {check.id:<28} {WORDS[check.level]:<6} {check.clause}  {check.title}"
    return f"{text}\n{'':<15}{result.message}" if result.message else text


def count(results: Iterable[Result], outcome: Outcome, page: str | None = None) -> int:
    """How many results of an outcome, of all or of one page."""
    return sum(one.outcome is outcome for one in results if page in (None, one.check.id.partition(".")[0]))


def rows(results: Sequence[Result]) -> Iterator[tuple[str, list[int]]]:
    """Each page, and all of them, with how many results of each outcome."""
    for title, name in [*((page.title, page.name) for page in PAGES), ("all", None)]:
        counts = [count(results, one, name) for one in Outcome]
        if any(counts):
            yield title, counts


def summary(results: Sequence[Result]) -> str:
    """The table of pages, and the totals."""
    lines = [f"{'':<44}" + "".join(f"{one.value:>15}" for one in Outcome)]
    lines += [f"{title:<44}" + "".join(f"{one:>15}" for one in counts) for title, counts in rows(results)]
    return "\n".join(lines)


def as_json(url: str, started: str, results: Sequence[Result]) -> str:
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
    about = {"suite": "security", "url": url, "started": started}
    counts = {outcome.value: totals[outcome] for outcome in Outcome}
    return json.dumps({**about, "totals": counts, "checks": found}, indent=1, ensure_ascii=False) + "\n"


def as_html(url: str, started: str, results: Sequence[Result]) -> str:
    """The run as one page that needs nothing else, to be read or printed."""
    head = "<tr><th>subject" + "".join(f"<th class=n>{MARKS[one].lower()}" for one in Outcome)
    totals = "".join(f"<tr><td>{html.escape(title)}" + "".join(f"<td class=n>{one or ''}" for one in counts)
                     for title, counts in rows(results))  # fmt: skip
    body = "".join(_section(page.name, page.title, results) for page in PAGES)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Security conformance</title><style>{STYLE}</style><h1>Security conformance</h1>"
        f"<p class=about>{html.escape(url)} · {html.escape(started)}</p><table>{head}{totals}</table>{body}</html>\n"
    )


def _section(name: str, title: str, results: Iterable[Result]) -> str:
    found = "".join(_row(one) for one in results if one.check.id.partition(".")[0] == name)
    return f"<h2>{html.escape(title)}</h2><table>{found}</table>" if found else ""


def _row(result: Result) -> str:
    check = result.check
    why = f"<div class=why>{html.escape(result.message)}</div>" if result.message else ""
    return (
        f"<tr><td class='o {result.outcome.value.replace(' ', '-')}'>{MARKS[result.outcome].lower()}"
        f"<td>{html.escape(check.title)}{why}<div class=id>{html.escape(check.id)} · {WORDS[check.level]}</div>"
        f"<td>{html.escape(check.clause)}"
    )
