"""Rounds of A40 merges and their taking back while both patients receive images and queries run; see tests.identity."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from pacsd.index.migrate import migrate
from pacsd.supervise.cluster import Cluster
from tests.identity.register import opened_register
from tests.identity.test_merges import mingle, misplaced


def main() -> int:
    """`python -m tests.soak.merges --rounds 300`; a line a round, each with a seed of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.merges", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    options = parser.parse_args()
    return run(options.seed, options.rounds)


def run(first: int, count: int) -> int:
    """As many rounds from a seed on; 1 where one broke a promise."""
    with tempfile.TemporaryDirectory(prefix="pacsd-merges-") as folder:
        Path(folder).chmod(0o755)
        with Cluster(Path(folder) / "postgres", durable=False) as cluster:
            migrate(cluster.dsn)
            with opened_register(cluster.dsn, Path(folder) / "blobs") as register:
                for seed in range(first, first + count):
                    failures = mingle(register, seed=seed, rounds=4)
                    lost = misplaced(register)
                    print(f"merges, seed {seed}: {len(failures)} failures, {len(lost)} studies misplaced", flush=True)
                    if failures or lost:
                        print(f"BROKEN, seed {seed}: {failures} {lost}", file=sys.stderr)
                        return 1
    print(f"{count} rounds of merges, no study lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
