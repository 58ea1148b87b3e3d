"""The suites of this package by name: `python -m conformance dicomweb --url …`."""

import argparse
import sys
from collections.abc import Sequence

from conformance.dicomweb import command as dicomweb
from conformance.orders import command as orders

SUITES = {"dicomweb": dicomweb, "orders": orders}


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
