"""The keys of an identifier as the archive's criteria."""

from collections.abc import Iterator, Mapping

from pacsd.archive.search import Criterion
from pacsd.dimse.identifier import Key


def criteria_of(keys: Mapping[int, Key], above: str = "") -> Iterator[Criterion]:
    """Keys with values, those inside sequence items by dotted path (PS3.4 C.2.2.2.6)."""
    for key in keys.values():
        path = f"{above}{key.tag:08X}"
        if key.values:
            yield Criterion(path, "\\".join(key.values))
        for item in key.items:
            yield from criteria_of(item, path + ".")
