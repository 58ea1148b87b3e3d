"""`pacsd audit verify`: whether the records of accesses are all there, as they were written."""

import argparse

from config.settings import Settings
from pacsd.commands.wiring import Wiring

WRONG = 3


def verify(_options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """Compare chains, anchors and index, beside a running server if there is one; 3 where something is wrong."""
    found = 0
    with wiring.records(settings) as verification:
        for finding in verification.run():
            found += 1
            print(f"{finding.where}: {finding.problem}")
        tally = verification.tally
    print(f"verified: {tally.records} records in {tally.files} files of {tally.chains} chains, "
          f"{tally.anchors} anchors, {found} problems")  # fmt: skip
    return WRONG if found else 0
