"""A C-FIND identifier in the archive's words."""

from collections.abc import Iterator, Mapping

from pacsd.archive.search import Criterion, Query
from pacsd.dimse.find import Criteria
from pacsd.dimse.identifier import Key


def as_query(criteria: Criteria) -> Query:
    """The archive's query for the keys of an identifier; all of them are to be returned."""
    return Query(
        level=criteria.level,
        criteria=tuple(_criteria(criteria.keys, "")),
        fuzzy=criteria.fuzzy,
        combined_datetime=criteria.combined_datetime,
        include=frozenset(f"{tag:08X}" for tag in criteria.keys),
    )


def _criteria(keys: Mapping[int, Key], above: str) -> Iterator[Criterion]:
    """Keys with values, those inside sequence items by dotted path (PS3.4 C.2.2.2.6)."""
    for key in keys.values():
        path = f"{above}{key.tag:08X}"
        if key.values:
            yield Criterion(path, "\\".join(key.values))
        for item in key.items:
            yield from _criteria(item, path + ".")
