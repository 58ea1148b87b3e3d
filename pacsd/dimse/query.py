"""A C-FIND identifier in the archive's words."""

from pacsd.archive.search import Query
from pacsd.dimse.criteria import criteria_of
from pacsd.dimse.find import Criteria


def as_query(criteria: Criteria) -> Query:
    """The archive's query for the keys of an identifier; all of them are to be returned."""
    return Query(
        level=criteria.level,
        criteria=tuple(criteria_of(criteria.keys)),
        fuzzy=criteria.fuzzy,
        combined_datetime=criteria.combined_datetime,
        include=frozenset(f"{tag:08X}" for tag in criteria.keys),
    )
