"""Results for people and machines: lines of text, one HTML page, JSON."""

import html
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from conformance.dicomweb.checks import TRANSACTIONS
from conformance.dicomweb.run import Result
from conformance.judging import Outcome

MARKS: Mapping[Outcome, str] = {one: "FAIL" if one is Outcome.FAIL else one.value for one in Outcome}

STYLE = """
:root{color-scheme:light}
body{font:15px/1.45 system-ui,sans-serif;color:#1d2733;margin:2rem auto;max-width:64rem;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .4rem}
p.about{color:#53606e;margin:.3rem 0 1.2rem}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:600;color:#53606e;border-bottom:2px solid #d5dbe2;padding:.3rem .5rem}
td{border-bottom:1px solid #e6eaef;padding:.35rem .5rem;vertical-align:top}
td.n,th.n{text-align:right;width:7rem;font-variant-numeric:tabular-nums}
td.o{white-space:nowrap;font-weight:600}
.pass{color:#14733b}.fail{color:#b3211b}.not-supported{color:#7a5b00}.not-tested{color:#5a6572}
.id{font:12px ui-monospace,monospace;color:#53606e}
.why{font-size:13px;color:#3c4855;overflow-wrap:anywhere}
@media print{body{margin:0;max-width:none;font-size:11px}tr{break-inside:avoid}h2{break-after:avoid}}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run and where it went."""

    url: str
    server: str  # the Server header
    started: str  # ISO 8601
    results: Sequence[Result]

    def count(self, outcome: Outcome, transaction: str | None = None) -> int:
        """How many results of an outcome, of all or of one transaction."""
        return _counts(self.results, transaction)[outcome]


def _counts(results: Iterable[Result], transaction: str | None = None) -> Counter[Outcome]:
    return Counter(one.outcome for one in results if transaction in (None, one.check.id.partition(".")[0]))


def line(result: Result) -> str:
    """One result as a line of text, with a second one for the reason."""
    check = result.check
    text = f"{MARKS[result.outcome]:<13}  {check.id:<44} {check.reference}  {check.title}"
    return f"{text}\n{'':<15}{result.message}" if result.message else text


def summary(run: Run) -> str:
    """The table of transactions, and the totals."""
    rows = [("", *(MARKS[one] for one in Outcome))]
    names = [(one.title, one.name) for one in TRANSACTIONS]
    for title, name in [*names, ("all", None)]:
        counts = _counts(run.results, name)
        if counts:
            rows.append((title, *(str(counts[one]) for one in Outcome)))
    return "\n".join(f"{row[0]:<36}" + "".join(f"{cell:>15}" for cell in row[1:]) for row in rows)


def as_json(run: Run) -> str:
    """The run as JSON, one object for each check."""
    found = [
        {
            "id": one.check.id, "clause": one.check.reference, "title": one.check.title, "level": one.check.level,
            "outcome": one.outcome, "message": one.message, "seconds": round(one.seconds, 3),
        }
        for one in run.results
    ]  # fmt: skip
    totals = {outcome.value: run.count(outcome) for outcome in Outcome}
    about = {"suite": "dicomweb", "url": run.url, "server": run.server, "started": run.started}
    return json.dumps({**about, "totals": totals, "checks": found}, indent=1, ensure_ascii=False) + "\n"


def as_html(run: Run) -> str:
    """The run as one page that needs nothing else, to be read or printed."""
    about = f"{run.url} · {run.server or 'server not named'} · {run.started}"
    body = "".join(_section(run, name, title) for name, title in ((one.name, one.title) for one in TRANSACTIONS))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>DICOMweb conformance</title><style>{STYLE}</style>"
        f"<h1>DICOMweb conformance</h1><p class=about>{html.escape(about)}</p>{_totals(run)}{body}</html>\n"
    )


def _totals(run: Run) -> str:
    head = "<tr><th>transaction" + "".join(f"<th class=n>{MARKS[one].lower()}" for one in Outcome)
    rows = [_total(run, one.title, one.name) for one in TRANSACTIONS if _counts(run.results, one.name)]
    return f"<table>{head}{''.join(rows)}{_total(run, 'all', None)}</table>"


def _total(run: Run, title: str, name: str | None) -> str:
    cells = "".join(f"<td class='n {_class(one)}'>{run.count(one, name) or ''}" for one in Outcome)
    return f"<tr><td>{html.escape(title)}{cells}"


def _section(run: Run, name: str, title: str) -> str:
    rows = [_row(one) for one in run.results if one.check.id.partition(".")[0] == name]
    return f"<h2>{html.escape(title)}</h2><table>{''.join(rows)}</table>" if rows else ""


def _row(result: Result) -> str:
    check = result.check
    why = f"<div class=why>{html.escape(result.message)}</div>" if result.message else ""
    return (
        f"<tr><td class='o {_class(result.outcome)}'>{MARKS[result.outcome].lower()}"
        f"<td>{html.escape(check.title)}{why}<div class=id>{html.escape(check.id)} · {check.level}</div>"
        f"<td>{html.escape(check.reference)}"
    )


def _class(outcome: Outcome) -> str:
    return outcome.value.replace(" ", "-")
