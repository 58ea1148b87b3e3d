"""`python -m tests.soak`: hundreds of rounds of SIGKILL, then of merges; a broken promise ends them.

What was on disk is kept then. Merges: patients merged and parted while images arrive and queries run.
"""

from __future__ import annotations

import argparse
import sys

from tests.soak import merges
from tests.soak.judge import BrokenPromise
from tests.soak.kills import rounds


def main() -> int:
    """Print a line a round."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="how many kills")
    parser.add_argument("--merges", type=int, default=300, help="how many rounds of merges after them")
    parser.add_argument("--seed", type=int, default=1, help="what decides moments and sizes; the first of merges")
    options = parser.parse_args()
    acknowledged = 0
    try:
        for one in rounds(options.seed, options.rounds):
            acknowledged += one.acknowledged
            print(
                f"round {one.number:4d}  {one.moment:8s} killed after {one.killed_after_s:4.2f} s"
                f"  {one.acknowledged:4d} of {one.sent:4d} acknowledged  {one.packs:3d} pack files"
                f"  up in {one.started_in_s:4.2f} s  {one.shown.instances:5d} whole"
                f" ({one.shown.unacknowledged} never acknowledged)",
                flush=True,
            )
    except BrokenPromise as broken:
        print(f"BROKEN, seed {options.seed}: {broken}", file=sys.stderr)
        return 1
    print(f"{options.rounds} rounds, {acknowledged} objects acknowledged, all came back")
    return merges.run(options.seed, options.merges) if options.merges else 0


if __name__ == "__main__":
    sys.exit(main())
