"""The suites of DICOMweb, FHIR and security against this server and, where it is installed, Orthanc, each fresh.

`make conformance` prints the failures of each side, and tables in Markdown for the README.
"""

import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from conformance.dicomweb import prepared, report
from conformance.dicomweb.checks import CHECKS, TRANSACTIONS
from conformance.dicomweb.run import run_all
from conformance.dicomweb.server import Server
from conformance.fhir import prepared as fhir_prepared
from conformance.fhir import run as fhir
from conformance.fhir.checks import CHECKS as FHIR_CHECKS
from conformance.fhir.checks import PAGES
from conformance.fhir.server import Server as FhirServer
from conformance.judging import Outcome
from conformance.security import prepared as security_prepared
from conformance.security import run as security
from conformance.security.checks import CHECKS as SECURITY_CHECKS
from conformance.security.command import parsed, site_of
from tests.bench import peers
from tests.conformance.guarding import options, through
from tests.security.house import opened

SIDES = ("pacsd", "orthanc")
COLUMNS = (Outcome.PASS, Outcome.FAIL, Outcome.NOT_SUPPORTED)


def run(side: str, folder: Path) -> report.Run:
    """The whole suite against a fresh server of that side."""
    with peers.running(side, folder) as running:
        url = f"http://127.0.0.1:{running.http_port}/dicom-web"
        server = Server(url)
        try:
            data = prepared.made()
            prepared.store(server, data.everything)
            started = datetime.now(UTC).isoformat(timespec="seconds")
            return report.Run(url, side, started, list(run_all(CHECKS, server, data)))
        finally:
            server.close()


def table(runs: Sequence[report.Run]) -> str:
    """Passed, failed and not supported of each transaction, side by side."""
    sides = " | ".join(f"{run.server}: {' / '.join(column.value for column in COLUMNS)}" for run in runs)
    lines = [f"| transaction | {sides} |", "| --- " * (len(runs) + 1) + "|"]
    for title, name in [*((one.title, one.name) for one in TRANSACTIONS), ("all", None)]:
        cells = (" / ".join(str(run.count(column, name)) for column in COLUMNS) for run in runs)
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def run_fhir(folder: Path) -> list[fhir.Result]:
    """The whole FHIR suite against a fresh server of ours; Orthanc speaks no FHIR."""
    with peers.running("pacsd", folder) as running:
        server = FhirServer(f"http://127.0.0.1:{running.http_port}/fhir")
        try:
            site = fhir_prepared.site(server)
            fhir_prepared.store(site)
            return list(fhir.run_all(FHIR_CHECKS, site))
        finally:
            server.close()


def fhir_table(results: Sequence[fhir.Result]) -> str:
    """Passed, failed and not supported of each page of the standard."""
    lines = [f"| FHIR R4 | pacsd: {' / '.join(column.value for column in COLUMNS)} |", "| --- | --- |"]
    for title, name in [*((one.title, one.name) for one in PAGES), ("all", None)]:
        lines.append(f"| {title} | {' / '.join(str(fhir.count(results, column, name)) for column in COLUMNS)} |")
    return "\n".join(lines)


def run_security() -> list[security.Result]:
    """The whole suite of who may see what against a fresh, guarded server of ours; Orthanc has no such server."""
    with opened() as guarded:
        site = site_of(parsed(options(guarded)), transport=through(guarded))
        security_prepared.store(site)
        return list(security.run_all(SECURITY_CHECKS, site))


def security_table(results: Sequence[security.Result]) -> str:
    """Passed, failed and not supported of each subject."""
    lines = [f"| security | pacsd: {' / '.join(column.value for column in COLUMNS)} |", "| --- | --- |"]
    for title, counts in security.rows(results):
        lines.append(f"| {title} | {' / '.join(map(str, counts[: len(COLUMNS)]))} |")
    return "\n".join(lines)


def main() -> int:
    """1 if this server fails a check."""
    runs = []
    for side in filter(peers.installed, SIDES):
        with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
            runs.append(run(side, Path(folder)))
        print(f"\n{side}:", *(report.line(one) for one in runs[-1].results if one.outcome is Outcome.FAIL), sep="\n")
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        results = run_fhir(Path(folder))
    print("\nFHIR:", *(fhir.line(one) for one in results if one.outcome is Outcome.FAIL), sep="\n")
    guarded = run_security()
    print("\nsecurity:", *(security.line(one) for one in guarded if one.outcome is Outcome.FAIL), sep="\n")
    print(f"\n{table(runs)}\n\n{fhir_table(results)}\n\n{security_table(guarded)}")
    failed = runs[0].count(Outcome.FAIL) + fhir.count(results, Outcome.FAIL) + security.count(guarded, Outcome.FAIL)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
