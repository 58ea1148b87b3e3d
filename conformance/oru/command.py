"""The command `python -m conformance oru`: results over HL7, against any receiver."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from conformance.judging import DONE, FAILURES, NOT_RUN, Check, Level, Outcome, chosen, judged
from conformance.options import add_common
from conformance.oru.checks import CHECKS, Visit
from conformance.oru.messages import Orders
from conformance.oru.peer import NoAnswer, Peer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--mllp", metavar="HOST:PORT", help="where messages are received, such as localhost:2575")
    parser.add_argument("--authority", default="", metavar="NAME", help="assigning authority of the patient ids sent")
    parser.add_argument("--application", default="CONFORMANCE", metavar="NAME", help="MSH-3 of what is sent")
    add_common(parser, "--timeout", "--only", "--json", "--list")


def main(options: argparse.Namespace) -> int:
    """Run what the options say: 0 without failures, 1 with, 2 where nothing could be run."""
    checks = chosen(CHECKS, [one for one in options.only.split(",") if one])
    if options.list:
        for check in checks:
            print(f"{check.id:<28} {check.transaction:<8} {check.clause:<40} {check.title}")
        return DONE
    host, _, port = (options.mllp or "").rpartition(":")
    if not host or not port.isdigit() or not checks:
        print("no --mllp given" if checks else "no check has such an id; see --list", file=sys.stderr)
        return NOT_RUN
    orders = Orders(options.authority, options.application)
    try:
        with Peer(host, int(port), timeout_s=options.timeout):
            results = [(check, *_outcome(check, host, int(port), orders, options.timeout)) for check in checks]
    except NoAnswer as error:
        print(error, file=sys.stderr)
        return NOT_RUN
    return _told(results, options.json)


def _outcome(check: Check[Visit], host: str, port: int, orders: Orders, timeout_s: float) -> tuple[Outcome, str]:
    """Each check has a connection of its own: one that broke it fails alone."""

    def visit() -> None:
        with Peer(host, port, timeout_s=timeout_s) as peer:
            check.run(Visit(peer, orders))

    one = judged(visit)
    if one.outcome is Outcome.NOT_SUPPORTED and check.level is Level.REQUIRED:
        return Outcome.FAIL, f"required: {one.message}"
    return one.outcome, one.message


def _told(results: list[tuple[Check[Visit], Outcome, str]], file: Path | None) -> int:
    for check, outcome, message in results:
        print(f"{outcome:<14} {check.transaction:<8} {check.id:<28} {check.title}{f': {message}' if message else ''}")
    count = Counter(outcome for _, outcome, _ in results)
    print(f"\n{count[Outcome.PASS]} passed, {count[Outcome.FAIL]} failed, {count[Outcome.NOT_SUPPORTED]} not supported")
    if file is not None:
        said = [{"id": check.id, "transaction": check.transaction, "clause": check.clause, "outcome": outcome,
                 "message": message} for check, outcome, message in results]  # fmt: skip
        file.write_text(json.dumps(said, indent=1), encoding="utf-8")
    return FAILURES if count[Outcome.FAIL] else DONE
