"""`pacsd purge`: an administrator deletes for good what DICOMweb and DIMSE can at most hide."""

import argparse
import sys

from config.settings import Settings
from pacsd.commands.members import organisation_of
from pacsd.commands.wiring import Wiring

NOT_DONE = 1


def purge(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """Delete, beside a running server if there is one, after somebody has said yes."""
    code = organisation_of(options, settings)
    what = f"{options.study}" + (f", series {options.series}" if options.series else "")
    what += f", {len(options.instances)} instances" if options.instances else ""
    if not options.yes and not _confirmed(f"Delete {what} of {code} for good? Type yes: "):
        print("pacsd: nothing was deleted", file=sys.stderr)
        return NOT_DONE
    with wiring.archive(settings, alone=False) as archive:
        if options.non_patient:
            archive.purge_non_patient(code, options.study)
            print("purged: 1 instance")
            return 0
        deleted = archive.purge(code, options.study, options.series, options.instances)
    print(f"purged: {deleted} instances")
    return 0


def _confirmed(question: str) -> bool:
    try:
        return input(question).strip().lower() == "yes"
    except EOFError:                     # nobody is there to answer
        return False
