"""`python -m tests.bench`: pacsd against Orthanc and plain floors, same files, same run, sides in turn."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench.corpora import Corpora
from tests.bench.fairness import DURABILITY, sync_costs, versions
from tests.bench.measures import Bench, Row
from tests.bench.peers import installed
from tests.bench.report import Result, table, write
from tests.bench.rows import ROWS

ROOT = Path(__file__).resolve().parent.parent.parent
log = logging.getLogger("bench")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = ", ".join(row.name for row in ROWS)
    parser.add_argument(
        "--only",
        action="append",
        metavar="ROW",
        help=f"rows to run, may be repeated; a prefix* will do: {names}",
    )
    parser.add_argument(
        "--sides", default="pacsd,orthanc,orthanc-as-installed,storescp,quiet", help="who takes part"
    )
    parser.add_argument("--rounds", type=int, help="how often each side is measured (3, quick: 1)")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the files: does it run, not how fast"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "bench-results", help="where JSON, text and chart go"
    )
    parser.add_argument(
        "--work", type=Path, default=ROOT / ".bench", help="where files and servers' folders live"
    )
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed or a row failed")
    return parser.parse_args()


def wanted(only: list[str] | None) -> list[Row]:
    """The rows asked for. Raises SystemExit on a name that is none."""
    if not only:
        return list(ROWS)
    rows = [
        row
        for row in ROWS
        if any(row.name == name or (name.endswith("*") and row.name.startswith(name[:-1])) for name in only)
    ]
    if not rows:
        raise SystemExit(f"no row is called {', '.join(only)}")
    return rows


def run(row: Row, bench: Bench) -> Result:
    """One row; its failure is shown in the table and stops nothing."""
    began = time.monotonic()
    try:
        result = Result(row, row.measure(bench))
    except Exception as error:
        log.exception("%s", row.name)
        result = Result(row, {}, f"{type(error).__name__}: {error}")
    log.info("%-14s %5.0f s  %s", row.name, time.monotonic() - began, result.failure or result.samples)
    return result


def main() -> int:
    """Run, print, write."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    options = arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    (options.work / "corpora").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=options.work))
    folder.chmod(0o755)
    sides = tuple(options.sides.split(","))
    facts: dict[str, object] = {
        "load_average": os.getloadavg(),
        "versions": versions(),
        "sync_costs_s": sync_costs(folder),
        "commit": commit(),
    }
    try:
        with ExitStack() as stack:
            corpora = Corpora(options.work / "corpora", options.quick)
            bench = Bench(
                folder, corpora, options.rounds or (1 if options.quick else 3), options.quick, sides, stack
            )
            results = [run(row, bench) for row in wanted(options.only)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    facts["notes"] = [
        *bench.notes,
        *DURABILITY,
        *(f"{side}: not installed" for side in sides if not installed(side)),
    ]
    show(results, facts)
    write(results, facts, options.out)
    failed = any(result.failure for result in results) or "MISSED" in table(results)
    return int(options.check and failed)


def commit() -> str:
    """The commit measured, with a plus when the tree differs from it."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    return asked.stdout.strip()


def show(results: list[Result], facts: dict[str, object]) -> None:
    """The table, then what it must be read with."""
    print(table(results), "\n")
    for key in ("versions", "sync_costs_s"):
        shown = facts[key]
        if isinstance(shown, dict):
            print(
                f"{key}: "
                + ", ".join(
                    f"{n} {v if isinstance(v, str) else f'{v * 1000:.2f} ms'}" for n, v in shown.items()
                )
            )
    print(f"load average of the machine before the run: {facts['load_average']}")
    for note in facts["notes"]:  # type: ignore[attr-defined]
        print(f"- {note}")


if __name__ == "__main__":
    sys.exit(main())
