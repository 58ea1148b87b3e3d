"""`pacsd retention`: which studies the rules let go, or let them go now."""

import argparse
import sys

from config.settings import Settings
from pacsd.commands.wiring import Wiring
from pacsd.faults import PacsdError


def retention(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """Show one line for each study that is due; without `--dry-run` delete it. 3 if one could not go."""
    failed = 0
    with wiring.archive(settings, alone=False) as archive:
        rules = archive.retention
        for study in rules.due():
            line = f"{study.study_instance_uid} kept until {study.expired_on} by {_names(study.rules)}"
            if not options.dry_run:
                try:
                    line += f": deleted, {rules.let_go(study)} instances"
                except PacsdError as error:
                    failed += 1
                    line += ": not deleted"
                    print(f"pacsd: {study.study_instance_uid}: {error.message}", file=sys.stderr)
            print(line)
    return 3 if failed else 0


def _names(rules: tuple[int, ...]) -> str:
    """The rules as the settings file has them."""
    return ", ".join(f"retention[{n}]" for n in rules)
