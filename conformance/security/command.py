"""The command `python -m conformance security`: SMART, IUA, ATNA, forged tokens, walls between organisations."""

import argparse
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from conformance.fhir.server import Answer, Server
from conformance.judging import DONE, FAILURES, NOT_RUN, Failed, NotSupported, NotTested, Outcome, chosen
from conformance.options import add_common
from conformance.security import prepared
from conformance.security.checks import CHECKS
from conformance.security.run import WORDS, Result, as_html, as_json, line, run_all, summary
from conformance.security.suite import App, Client, Site
from conformance.security.tls_port import Port

LONGEST_WAIT_S = 60.0


class Waiting(Server):
    """Waits where it is told that it asks too often (RFC 6585 4): the checks are about what is right, not how fast."""

    def send(
        self, method: str, path: str, body: object = None, *, accept: str | None = "application/fhir+json",
        content_type: str | None = None, headers: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """Any request."""
        while True:
            answer = super().send(method, path, body, accept=accept, content_type=content_type, headers=headers)
            wait = answer.headers.get("retry-after", "")
            if answer.status != 429 or not wait.isdigit() or int(wait) > LONGEST_WAIT_S:
                return answer
            time.sleep(int(wait))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--url", help="where the server is, such as https://localhost:8443")
    parser.add_argument("--fhir", default="/fhir", metavar="PATH", help="of the FHIR service below that, or a URL")
    parser.add_argument("--dicom-web", default="/dicom-web", metavar="PATH", help="of DICOMweb; may be empty")
    parser.add_argument("--token", help="of a program that reads and writes for its organisation")
    parser.add_argument("--second-token", help="the same of another organisation, to which nothing was opened")
    parser.add_argument("--audit-token", help="of somebody of the first who may search audit events")
    parser.add_argument("--issuer", default="", help="of the authorization server, if elsewhere")
    parser.add_argument("--client", metavar="ID:SECRET", help="a client that acts for itself, and may introspect")
    parser.add_argument("--scope", default="system/*.rs", help="what that client may ask for (system/*.rs)")
    parser.add_argument("--app", metavar="ID,URI", help="a public client and its redirect URI")
    parser.add_argument("--mutual", action="append", default=[], metavar="HOST:PORT", help="asks for certificates")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="one that it takes, PEM")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its key, PEM")
    add_common(parser, "--ca", "--timeout", "--only", "--report", "--json", "--quiet", "--list")


def main(options: argparse.Namespace) -> int:
    """Run what the options say: 0 without failures, 1 with, 2 where nothing could be run."""
    checks = chosen(CHECKS, [one for one in options.only.split(",") if one])
    if options.list:
        for one in checks:
            print(f"{one.id:<28} {WORDS[one.level]:<6} {one.clause:<48} {one.title}")
        return DONE
    if not options.url or not options.token or not checks:
        print("--url and --token are needed" if checks else "no check has such an id; see --list", file=sys.stderr)
        return NOT_RUN
    site = site_of(options)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        prepared.store(site)
        results = list(run_all(checks, site, tell=None if options.quiet else _tell))
    except (Failed, NotSupported, NotTested) as reason:
        print(reason, file=sys.stderr)
        return NOT_RUN
    finally:
        for who in (site.first, site.nobody, site.second, site.auditor):
            if who is not None:
                who.close()
    return _told(options, started, results)


def site_of(options: argparse.Namespace, **more: Any) -> Site:
    """What the options say of a server; `more` goes to each of its clients."""
    base = options.url.rstrip("/")
    verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=options.ca) if options.ca else True
    told = {"timeout_s": options.timeout, "verify": verify, **more}

    def whose(token: str | None) -> Server:
        return Waiting(_below(base, options.fhir), token=token, **told)

    client = options.client.partition(":") if options.client else None
    app = options.app.partition(",") if options.app else None
    return Site(
        first=whose(options.token), nobody=whose(None),
        second=whose(options.second_token) if options.second_token else None,
        auditor=whose(options.audit_token) if options.audit_token else None,
        client=Client(client[0], client[2], options.scope) if client else None,
        app=App(app[0], app[2]) if app else None,
        issuer_url=options.issuer, dicom_web=_below(base, options.dicom_web) if options.dicom_web else "",
        ports=_ports(base, options),
    )  # fmt: skip


def _below(base: str, path: str) -> str:
    return (path if "://" in path else f"{base}{path}").rstrip("/")


def _ports(base: str, options: argparse.Namespace) -> list[Port]:
    parts = urlsplit(base)
    own = [Port(str(parts.hostname), parts.port or 443, options.ca)] if parts.scheme == "https" else []
    for one in options.mutual:
        host, _, number = one.rpartition(":")
        own.append(Port(host.strip("[]"), int(number), options.ca, True, options.certificate, options.key))
    return own


def _tell(result: Result) -> None:
    print(line(result), flush=True)


def _told(options: argparse.Namespace, started: str, results: Sequence[Result]) -> int:
    failures = [one for one in results if one.outcome is Outcome.FAIL]
    if options.quiet:
        for one in failures:
            _tell(one)
    print(f"\n{summary(results)}")
    if options.report:
        options.report.write_text(as_html(options.url, started, results), encoding="utf-8")
    if options.json:
        options.json.write_text(as_json(options.url, started, results), encoding="utf-8")
    return FAILURES if failures else DONE


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of a command line."""
    parser = argparse.ArgumentParser(prog="python -m conformance security", description=__doc__)
    add_arguments(parser)
    return parser.parse_args(arguments)
