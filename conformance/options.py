"""Options that several suites' commands have, each said once."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COMMON: Mapping[str, Mapping[str, Any]] = {
    "--ca": {"type": Path, "metavar": "FILE", "help": "certificates to trust, beside the system's"},
    "--timeout": {"type": float, "default": 30.0, "metavar": "S", "help": "seconds to wait for an answer (30)"},
    "--only": {"default": "", "metavar": "IDS", "help": "ids, beginnings or patterns, separated by commas"},
    "--report": {"type": Path, "metavar": "FILE", "help": "write an HTML page"},
    "--json": {"type": Path, "metavar": "FILE", "help": "write JSON"},
    "--quiet": {"action": "store_true", "help": "print failures and totals only"},
    "--list": {"action": "store_true", "help": "print the checks, and run none"},
}  # fmt: skip


def add_common(parser: argparse.ArgumentParser, *names: str) -> None:
    """Those of these names, in this order."""
    for name in names:
        parser.add_argument(name, **COMMON[name])
