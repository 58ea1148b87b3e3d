"""The command `python -m conformance fhir`: any FHIR R4 server, JSON and XML."""

import argparse
import ssl
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from conformance.fhir import prepared
from conformance.fhir.checks import CHECKS
from conformance.fhir.run import WORDS, Result, as_json, line, run_all, summary
from conformance.fhir.server import Server
from conformance.judging import DONE, FAILURES, NOT_RUN, Failed, NotSupported, NotTested, Outcome, chosen
from conformance.options import add_common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("address", nargs="?", metavar="URL", help="base URL, such as http://localhost:8080/fhir")
    parser.add_argument("--url", help="the same")
    parser.add_argument("--token", help="bearer token, sent to that server only")
    add_common(parser, "--ca", "--timeout", "--only")
    parser.add_argument("--report", "--json", type=Path, metavar="FILE", help="write JSON")
    add_common(parser, "--quiet", "--list")


def main(options: argparse.Namespace) -> int:
    """Run what the options say: 0 without failures, 1 with, 2 where nothing could be run."""
    checks, url = chosen(CHECKS, [one for one in options.only.split(",") if one]), options.url or options.address
    if options.list:
        for one in checks:
            print(f"{one.id:<36} {one.transaction:<24} {WORDS[one.level]:<6} {one.clause:<44} {one.title}")
        return DONE
    if not url or not checks:
        print("no URL given" if checks else "no check has such an id; see --list", file=sys.stderr)
        return NOT_RUN
    verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=options.ca) if options.ca else True
    server = Server(url, token=options.token, timeout_s=options.timeout, verify=verify)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        site = prepared.site(server)
        prepared.store(site)
        results = list(run_all(checks, site, tell=None if options.quiet else _tell))
    except (Failed, NotSupported, NotTested) as reason:
        print(reason, file=sys.stderr)
        return NOT_RUN
    finally:
        server.close()
    software = site.statement.get("software", {})
    named = " ".join(str(software[one]) for one in ("name", "version") if one in software)
    return _told(as_json(url, started, named, results), results, options)


def _tell(result: Result) -> None:
    print(line(result), flush=True)


def _told(report: str, results: Sequence[Result], options: argparse.Namespace) -> int:
    failures = [one for one in results if one.outcome is Outcome.FAIL]
    if options.quiet:
        for one in failures:
            _tell(one)
    print(f"\n{summary(results)}")
    if options.report:
        options.report.write_text(report, encoding="utf-8")
    return FAILURES if failures else DONE


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of a command line."""
    parser = argparse.ArgumentParser(prog="python -m conformance.fhir", description=__doc__)
    add_arguments(parser)
    return parser.parse_args(arguments)
