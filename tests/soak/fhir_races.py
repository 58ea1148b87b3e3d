"""Rounds of FHIR clients that want the same at the same time; see tests.fhir.races."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from pacsd.index.migrate import migrate
from pacsd.supervise.cluster import Cluster
from tests.fhir.house import opened
from tests.fhir.races import RACES, Broken


def main() -> int:
    """`python -m tests.soak.fhir_races --rounds 1000`; a line a hundred rounds."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.fhir_races", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000, help="how many of each race")
    return run(parser.parse_args().rounds)


def run(rounds: int) -> int:
    """1 as soon as a promise is broken."""
    with tempfile.TemporaryDirectory(prefix="pacsd-fhir-races-") as folder:
        Path(folder).chmod(0o755)
        with Cluster(Path(folder) / "postgres", durable=False) as cluster:
            migrate(cluster.dsn)
            with opened(cluster.dsn, Path(folder) / "blobs", connections=16) as house:
                for number in range(rounds):
                    for race in RACES:
                        try:
                            race(house, number)
                        except Broken as broken:
                            print(f"BROKEN, {race.__name__}, round {number}: {broken}", file=sys.stderr)
                            return 1
                    if number % 100 == 99:
                        print(f"{number + 1} rounds of {len(RACES)} races", flush=True)
    print(f"{rounds} rounds, every promise was kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
