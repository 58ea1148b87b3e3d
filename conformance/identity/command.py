"""The command `python -m conformance identity`: the patient identity feed, PIX and PDQ over MLLP."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from conformance.identity.checks import CHECKS
from conformance.identity.messages import Domain
from conformance.identity.site import FIRST, SECOND, Site
from conformance.identity.suite import Check
from conformance.judging import DONE, FAILURES, NOT_RUN, Outcome, chosen, judged
from conformance.options import add_common
from conformance.oru.peer import NoAnswer, Peer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--mllp", metavar="HOST:PORT", help="where messages are received, such as localhost:2575")
    parser.add_argument("--first", type=_domain, default=FIRST, metavar="NAME&OID&ISO", help="a domain it manages")
    parser.add_argument("--second", type=_domain, default=SECOND, metavar="NAME&OID&ISO", help="another domain")
    parser.add_argument("--application", default="CONFORMANCE", metavar="NAME", help="MSH-3 of what is sent")
    parser.add_argument("--facility", default="SUITE", metavar="NAME", help="MSH-4 of what is sent")
    parser.add_argument("--receiver", default="PIXPDQ", metavar="NAME", help="MSH-5: the patient information source")
    parser.add_argument("--receiving-facility", default="SYSTEM", metavar="NAME", help="MSH-6 of what is sent")
    add_common(parser, "--timeout")
    parser.add_argument("--settle", type=float, default=0.0, metavar="S", help="seconds to wait after each event (0)")
    add_common(parser, "--only", "--json", "--list")


def main(options: argparse.Namespace) -> int:
    """Run what the options say: 0 without failures, 1 with, 2 where nothing could be run."""
    checks = chosen(CHECKS, [one for one in options.only.split(",") if one])
    if options.list:
        for one in checks:
            print(f"{one.id:<36} {one.transaction:<13} {one.level:<9} {one.clause:<40} {one.title}")
        return DONE
    host, _, port = (options.mllp or "").rpartition(":")
    if not (host and port.isdigit() and checks):
        print("no --mllp given" if checks else "no check has such an id; see --list", file=sys.stderr)
        return NOT_RUN
    site = Site(
        (host, int(port)), options.first, options.second, options.application, options.facility, options.receiver,
        options.receiving_facility, timeout_s=options.timeout, settle_s=options.settle,
    )  # fmt: skip
    try:
        Peer(*site.mllp, timeout_s=site.timeout_s).__exit__(None, None, None)
    except NoAnswer as error:
        print(error, file=sys.stderr)
        return NOT_RUN
    return _run(checks, site, options.json)


def _run(checks: Iterable[Check], site: Site, file: Path | None) -> int:
    results = []
    for one in checks:
        judgement = judged(partial(one.run, site))
        outcome, message = judgement.outcome, judgement.message
        print(f"{outcome:<13} {one.transaction:<13} {one.id:<36} {message or one.title}", flush=True)
        results.append({"id": one.id, "transaction": one.transaction, "clause": one.clause, "level": one.level,
                        "outcome": outcome, "message": message})  # fmt: skip
    count = Counter(one["outcome"] for one in results)
    print(f"\n{', '.join(f'{count[each]} {each}' for each in (Outcome.PASS, Outcome.FAIL, Outcome.NOT_SUPPORTED))}")
    if file is not None:
        file.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return FAILURES if count[Outcome.FAIL] else DONE


def _domain(text: str) -> Domain:
    parts = text.split("&")
    if len(parts) != 3 or not all(parts):
        raise argparse.ArgumentTypeError("a domain is NAME&OID&ISO")
    return Domain(*parts)
