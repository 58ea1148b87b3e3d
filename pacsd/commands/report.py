"""`pacsd report`: what is said of studies, version by version."""

import argparse

from config.settings import Settings
from pacsd.commands.hl7 import organisation_of
from pacsd.commands.wiring import Wiring


def list_reports(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd report list`: those that changed last, the last one last, tabs between columns."""
    with wiring.reports(settings) as shelf:
        for row in reversed(shelf.listed(organisation_of(options, settings), limit=options.limit)):
            about = " ".join((*row.studies, *row.accessions))
            print(f"{row.changed_at:%Y-%m-%dT%H:%M:%S%z}", row.status, "critical" if row.critical else "",
                  row.names[0], f"versions={row.versions}", about, sep="\t")  # fmt: skip
    return 0


def show(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd report show STUDY`: the reports about a study as they read, and all their versions."""
    with wiring.reports(settings) as shelf:
        reports = shelf.of_study(organisation_of(options, settings), options.study)
    for report in reports:
        state = report.counting
        print(f"{report.row.names[0]}: {report.row.status}{', critical' if report.row.critical else ''}")
        for one in report.versions:
            counts = "  counts" if state is not None and one.uid in [part.uid for part in state.parts] else ""
            print(f"  {one.number}  {one.said_at:%Y-%m-%dT%H:%M:%S%z}  {one.status.value}"
                  f"{'  addendum' if one.addendum else ''}  from {one.sender}{counts}")  # fmt: skip
        for line in shelf.words(report):
            print(f"    {line}")
    return 0 if reports else 1
