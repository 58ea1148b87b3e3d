"""`pacsd terminology`: code systems from files, such as ICD-10, LOINC and SNOMED CT."""

import argparse

from config.settings import Settings
from pacsd.commands.wiring import Wiring


def load(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd terminology load`: the same version of the same owner is replaced when all of it is there."""
    with wiring.terminology(settings) as terminology:
        url, version, count = terminology.load(
            options.file, organisation=options.organisation or "", url=options.url, version=options.version,
            name=options.name, prefixes=options.prefixes,
        )  # fmt: skip
    print(f"loaded {count} concepts of {url}{f'|{version}' if version else ''}")
    return 0


def listed(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd terminology list`: URL, version, name, number of concepts, tabs between them."""
    with wiring.terminology(settings) as terminology:
        for one in terminology.listed():
            header = one.header
            print(header["url"], header.get("version", ""), header.get("name", ""), one.concepts, sep="\t")
    return 0


def remove(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd terminology remove`."""
    with wiring.terminology(settings) as terminology:
        terminology.remove(options.url, options.version, organisation=options.organisation or "")
    print("removed")
    return 0
