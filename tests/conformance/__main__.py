"""The suites of DICOMweb and FHIR against this server and, where it is installed, Orthanc, each fresh.

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
from tests.bench import peers

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
    print(f"\n{table(runs)}\n\n{fhir_table(results)}")
    return 1 if runs[0].count(Outcome.FAIL) or fhir.count(results, Outcome.FAIL) else 0


if __name__ == "__main__":
    sys.exit(main())
