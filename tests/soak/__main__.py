"""`python -m tests.soak`: hundreds of rounds of SIGKILL, of merges, of FHIR races and requests; a broken promise ends
them.

What was on disk is kept then. Merges: patients merged and parted while images arrive and queries run. Races: FHIR
clients that want the same at the same time. Requests: made at random, by our own fuzzer and by schemathesis.
"""

from __future__ import annotations

import argparse
import sys

from tests.soak import fhir_fuzz, fhir_races, merges
from tests.soak.judge import BrokenPromise
from tests.soak.kills import rounds


def main() -> int:
    """Print a line a round."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="how many kills")
    parser.add_argument("--merges", type=int, default=300, help="how many rounds of merges after them")
    parser.add_argument("--races", type=int, default=1000, help="how many rounds of each race of FHIR clients")
    parser.add_argument("--requests", type=int, default=30, help="how many thousands of FHIR requests at random")
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
    return (
        (merges.run(options.seed, options.merges) if options.merges else 0)
        or fhir_races.run(options.races)
        or fhir_fuzz.run(options.seed, options.requests)
    )


if __name__ == "__main__":
    sys.exit(main())
