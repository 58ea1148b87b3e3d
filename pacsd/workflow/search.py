"""Searching the worklist (PS3.4 CC.2.8, PS3.18 11.9), and the filters of subscriptions, which match the same way."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pacsd.access.scope import Scope
from pacsd.codec.keys import Level
from pacsd.index import workitems
from pacsd.index.connect import Pool
from pacsd.index.matching import Conditions, Criterion, Model, Options, compile_criteria
from pacsd.index.workitem_keys import COLUMN_BY_PATH
from pacsd.workflow.attributes import RETURNED, is_matching_key

Attributes = dict[str, dict[str, Any]]

_LEVEL: Level = "instance"               # a workitem has no levels above it


def _level_of(path: str) -> Level | None:
    return _LEVEL if is_matching_key(path) else None


MODEL = Model(_level_of, COLUMN_BY_PATH, {}, frozenset(("00080005",)))


@dataclass(frozen=True, slots=True)
class WorklistQuery:
    """What is searched for. `include`: attributes to answer besides those of Return Key Type 1 and 2."""

    criteria: tuple[Criterion, ...] = ()
    fuzzy: bool = False
    empty_value_matching: bool = False
    include: frozenset[str] = frozenset()
    include_all: bool = False
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class CompiledWorklistQuery:
    """A query that has been understood. `unsupported`: paths that are no matching keys; they were left out."""

    query: WorklistQuery
    conditions: Conditions

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Paths of keys that are not matched by."""
        return self.conditions.unsupported


def compile_query(query: WorklistQuery) -> CompiledWorklistQuery:
    """Understand a query. Raises PacsdError MALFORMED."""
    options = Options(fuzzy=query.fuzzy, empty_value_matching=query.empty_value_matching)
    return CompiledWorklistQuery(query, compile_criteria(query.criteria, options, MODEL))


class Search:
    """Finds workitems, the next to start first."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def compile(self, query: WorklistQuery) -> CompiledWorklistQuery:
        """Understand a query. Raises PacsdError MALFORMED."""
        return compile_query(query)

    def __call__(self, compiled: CompiledWorklistQuery, scope: Scope) -> Generator[Attributes, None, None]:
        """The answers; close the iterator if it is not read to its end."""
        query = compiled.query
        asked = {one.path.partition(".")[0] for one in query.criteria} | {path[:8] for path in query.include}
        tags = None if query.include_all else RETURNED | asked
        with closing(workitems.search(self._pool, compiled.conditions, query, scope)) as all_found:
            for found in all_found:
                yield found if tags is None else {tag: found[tag] for tag in found if tag in tags}


def matches(conditions: Conditions, attributes: Attributes) -> bool:
    """Whether a workitem passes a filter."""
    return conditions.matches(attributes, _LEVEL)
