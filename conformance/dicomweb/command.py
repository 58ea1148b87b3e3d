"""The command `python -m conformance dicomweb`."""

import argparse
import ssl
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from conformance.dicomweb import prepared, report
from conformance.dicomweb.checks import CHECKS
from conformance.dicomweb.run import Result, run_all
from conformance.dicomweb.server import Server
from conformance.judging import DONE, FAILURES, NOT_RUN, Failed, Outcome, chosen
from conformance.options import add_common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--url", help="base URI of the service, such as http://localhost:8080/dicom-web")
    parser.add_argument("--token", help="bearer token, sent to that server only")
    parser.add_argument("--uri-service", metavar="URL", help="base URI of the URI service (WADO-URI), if elsewhere")
    add_common(parser, "--ca", "--timeout", "--only", "--report", "--json", "--quiet", "--list")


def main(options: argparse.Namespace) -> int:
    """Run what the options say: 0 without failures, 1 with, 2 where nothing could be run."""
    checks = chosen(CHECKS, [one for one in options.only.split(",") if one])
    if options.list:
        for check in checks:
            print(f"{check.id:<44} {check.level:<9} {check.reference:<44} {check.title}")
        return DONE
    if not options.url or not checks:
        print("no --url given" if checks else "no check has such an id; see --list", file=sys.stderr)
        return NOT_RUN
    server = _server(options)
    try:
        data = prepared.made()
        named = prepared.store(server, data.everything).headers.get("server", "")
        started = datetime.now(UTC).isoformat(timespec="seconds")
        results = list(run_all(checks, server, data, tell=None if options.quiet else _tell))
    except Failed as failed:
        print(failed, file=sys.stderr)
        return NOT_RUN
    finally:
        server.close()
    return _told(report.Run(options.url, named, started, results), options)


def _server(options: argparse.Namespace) -> Server:
    verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=options.ca) if options.ca else True
    return Server(
        options.url, token=options.token, uri_service=options.uri_service, timeout_s=options.timeout, verify=verify
    )


def _tell(result: Result) -> None:
    print(report.line(result), flush=True)


def _told(run: report.Run, options: argparse.Namespace) -> int:
    if options.quiet:
        for one in run.results:
            if one.outcome is Outcome.FAIL:
                _tell(one)
    print(f"\n{report.summary(run)}")
    if options.report:
        options.report.write_text(report.as_html(run), encoding="utf-8")
    if options.json:
        options.json.write_text(report.as_json(run), encoding="utf-8")
    return FAILURES if run.count(Outcome.FAIL) else DONE


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of a command line."""
    parser = argparse.ArgumentParser(prog="python -m conformance dicomweb", description=__doc__)
    add_arguments(parser)
    return parser.parse_args(arguments)
