"""The command `python -m conformance exams`."""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from conformance.exams.commitment import COMMITMENT
from conformance.exams.modality import Modality
from conformance.exams.performed_step import PERFORMED_STEP
from conformance.exams.suite import Check, Result, run_all
from conformance.judging import DONE, FAILURES, NOT_RUN, Outcome, chosen
from conformance.options import add_common

CHECKS: tuple[Check, ...] = (*PERFORMED_STEP, *COMMITMENT)
_PEER = re.compile(r"(?P<title>[^@]{1,16})@(?P<host>\[[^]]+\]|[^:]+):(?P<port>[0-9]{1,5})")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--peer", metavar="TITLE@HOST:PORT", help="the server")
    parser.add_argument("--calling", default="MODALITY", metavar="TITLE", help="AE title of the suite (MODALITY)")
    parser.add_argument(
        "--listen", type=int, default=0, metavar="PORT", help="where the server knows the suite to listen for results"
    )
    add_common(parser, "--timeout", "--only", "--json", "--list")


def main(options: argparse.Namespace) -> int:
    """Run what the options say: 0 without failures, 1 with, 2 where nothing could be run."""
    checks = chosen(CHECKS, [one for one in options.only.split(",") if one])
    if options.list:
        for check in checks:
            print(f"{check.id:<52} {check.level:<9} {check.transaction:<7} {check.clause:<32} {check.title}")
        return DONE
    peer = _PEER.fullmatch(options.peer or "")
    if peer is None or not checks:
        print("no --peer TITLE@HOST:PORT given" if checks else "no check has such an id; see --list", file=sys.stderr)
        return NOT_RUN
    modality = Modality(
        peer["title"], peer["host"].strip("[]"), int(peer["port"]), options.calling, options.listen, options.timeout,
        options.timeout,
    )  # fmt: skip
    results = []
    with modality.listening():
        for one in run_all(checks, modality):
            print(_line(one), flush=True)
            results.append(one)
    return _told(results, options)


def _line(result: Result) -> str:
    check = result.check
    mark = "FAIL" if result.outcome is Outcome.FAIL else result.outcome.value
    text = f"{mark:<13}  {check.id:<52} {check.transaction:<7} {check.clause}  {check.title}"
    return f"{text}\n{'':<15}{result.message}" if result.message else text


def _told(results: Sequence[Result], options: argparse.Namespace) -> int:
    counts = Counter(one.outcome for one in results)
    print("\n" + ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome))
    if options.json:
        found = [
            {
                "id": one.check.id, "clause": one.check.clause, "transaction": one.check.transaction,
                "title": one.check.title, "level": one.check.level, "outcome": one.outcome, "message": one.message,
                "seconds": round(one.seconds, 3),
            }
            for one in results
        ]  # fmt: skip
        totals = {outcome.value: counts[outcome] for outcome in Outcome}
        started = datetime.now(UTC).isoformat(timespec="seconds")
        body = {"suite": "exams", "peer": options.peer, "ended": started, "totals": totals, "checks": found}
        options.json.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return FAILURES if counts[Outcome.FAIL] else DONE
