"""A search request in the archive's words."""

from pacsd.archive.search import Criterion, Query
from pacsd.web.search_parameters import SearchParameters


def as_query(parameters: SearchParameters) -> Query:
    """The archive's query for the parameters of a QIDO-RS request."""
    return Query(
        level=parameters.level,
        criteria=tuple(Criterion(path, value) for path, value in parameters.keys.items()),
        fuzzy=parameters.fuzzy,
        include=parameters.include | frozenset(parameters.keys),
        include_all=parameters.include_all,
        limit=parameters.limit,
        offset=parameters.offset,
    )
