"""The command `python -m conformance orders`."""

import argparse
import json
import sys
from functools import partial

from conformance.judging import DONE, FAILURES, NOT_RUN, Outcome, chosen, judged
from conformance.options import add_common
from conformance.orders.checks import CHECKS
from conformance.orders.site import Site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--mllp", metavar="HOST:PORT", help="where orders are taken, such as localhost:2575")
    parser.add_argument("--dicom", metavar="HOST:PORT", help="where the worklist is answered, such as localhost:11112")
    parser.add_argument("--called", default="PACSD", metavar="AE", help="its AE title (PACSD)")
    parser.add_argument("--calling", default="CONFORMANCE", metavar="AE", help="ours (CONFORMANCE)")
    parser.add_argument("--application", default="CONFORMANCE", metavar="NAME", help="MSH-3 of messages")
    parser.add_argument("--facility", default="SUITE", metavar="NAME", help="MSH-4 of messages")
    add_common(parser, "--only", "--json", "--list")


def main(options: argparse.Namespace) -> int:
    """Run what the options say: 0 without failures, 1 with, 2 where nothing could be run."""
    checks = chosen(CHECKS, [one for one in options.only.split(",") if one])
    if options.list:
        for one in checks:
            print(f"{one.id:<24} {one.transaction:<7} {one.level:<9} {one.clause:<34} {one.title}")
        return DONE
    if not (options.mllp and options.dicom and checks):
        print("no --mllp or --dicom given" if checks else "no check has such an id; see --list", file=sys.stderr)
        return NOT_RUN
    site = Site(
        _address(options.mllp), _address(options.dicom), options.called, options.calling, options.application,
        options.facility,
    )  # fmt: skip
    results = []
    for one in checks:
        judgement = judged(partial(one.run, site))
        outcome, message = judgement.outcome, judgement.message
        print(f"{outcome:<13} {one.transaction:<7} {one.id:<24} {message or one.title}", flush=True)
        results.append({"id": one.id, "transaction": one.transaction, "clause": one.clause, "outcome": outcome,
                        "message": message})  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return FAILURES if any(one["outcome"] == Outcome.FAIL for one in results) else DONE


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or "localhost", int(port)
