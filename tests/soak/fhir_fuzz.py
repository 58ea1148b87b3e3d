"""Rounds of FHIR requests made at random; see tests.fhir.fuzz and tests.fhir.schema_fuzz."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from conformance.fhir.server import Server
from fhir.interaction.request import kept_types
from tests.fhir.fuzz import Broken, Fuzzer
from tests.fhir.schema_fuzz import fuzz
from tests.server import Server as Ours
from tests.server import remove_folder, scratch_folder

A_ROUND = 1000
TYPES, EXAMPLES = 5, 10                  # of which schemathesis makes so many requests each, of a round


def main() -> int:
    """`python -m tests.soak.fhir_fuzz --rounds 100 --seed 7`; a line a round of a thousand requests."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.fhir_fuzz", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how many thousands of requests")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each has the next")
    parser.add_argument("--url", help="base URL of a running server, else one is started")
    options = parser.parse_args()
    if options.url:
        return rounds(options.url, options.seed, options.rounds)
    return run(options.seed, options.rounds)


def run(seed: int, count: int) -> int:
    """Rounds against a server of their own."""
    folder = scratch_folder("pacsd-fhir-fuzz-")
    ours = Ours(folder / "data")
    try:
        ours.start()
        return rounds(f"http://127.0.0.1:{ours.http_port}/fhir", seed, count)
    finally:
        ours.stop()
        remove_folder(folder)


def rounds(url: str, seed: int, count: int) -> int:
    """1 as soon as an answer is none that may be given."""
    server, kinds = Server(url), list(kept_types())
    try:
        for number in range(count):
            statuses = Counter(answer.status for _, answer in Fuzzer(server, seed + number).run(A_ROUND))
            of_each = kinds[number * TYPES % len(kinds) :][:TYPES]           # in their turn all of them
            statuses += fuzz(url, of_each, seed + number, examples=EXAMPLES)
            print(f"seed {seed + number}: {dict(sorted(statuses.items()))}", flush=True)
    except Broken as broken:
        print(f"BROKEN: {broken}", file=sys.stderr)
        return 1
    finally:
        server.close()
    print(f"{count} rounds, no 5xx")
    return 0


if __name__ == "__main__":
    sys.exit(main())
