"""The suites of this package by name: `python -m conformance dicomweb --url …`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

from conformance.dicomweb import command as dicomweb
from conformance.exams import command as exams
from conformance.fhir import command as fhir
from conformance.identity import command as identity
from conformance.orders import command as orders
from conformance.oru import command as oru
from conformance.security import command as security
from conformance.ups import command as ups

SUITES: Mapping[str, ModuleType] = {
    "dicomweb": dicomweb, "exams": exams, "fhir": fhir, "identity": identity, "orders": orders, "oru": oru,
    "security": security, "ups": ups,
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run the suite that is named; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description="Black-box conformance suites.")
    suites = parser.add_subparsers(dest="suite", required=True)
    for name, suite in SUITES.items():
        suite.add_arguments(suites.add_parser(name, help=(suite.__doc__ or "").strip()))
    options = parser.parse_args(arguments)
    status: int = SUITES[options.suite].main(options)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
