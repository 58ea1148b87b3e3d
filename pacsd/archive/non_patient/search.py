"""Searching instances that belong to no patient (PS3.4 C.2.2.2, U.4.1; PS3.18 12.6), for C-FIND and the web alike."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pacsd.access.scope import Scope
from pacsd.archive.non_patient.models import InformationModel, classes_of
from pacsd.codec.keys import Level
from pacsd.index import non_patient as rows
from pacsd.index.connect import Pool
from pacsd.index.matching import Conditions, Criterion, Model, Options, compile_criteria

Attributes = dict[str, dict[str, Any]]

_LEVEL: Level = "instance"               # there are no levels above it
_TIME_OF_DATE = {"00080012": "00080013", "00080023": "00080033"}         # PS3.4 HH.6.1, II.6.1


@dataclass(frozen=True, slots=True)
class NonPatientQuery:
    """What is searched for. `include`: attributes to answer besides those of Return Key Type 1 and 2."""

    models: tuple[InformationModel, ...]
    criteria: tuple[Criterion, ...] = ()
    fuzzy: bool = False
    empty_value_matching: bool = False
    multiple_value_matching: bool = False
    include: frozenset[str] = frozenset()
    include_all: bool = False
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class CompiledNonPatientQuery:
    """A query that has been understood. `unsupported`: paths that are no matching keys; they were left out."""

    query: NonPatientQuery
    conditions: Conditions

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Paths of keys that are not matched by."""
        return self.conditions.unsupported


class Search:
    """Finds instances, in the order they came."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def compile(self, query: NonPatientQuery) -> CompiledNonPatientQuery:
        """Understand a query. Raises PacsdError MALFORMED."""

        def level_of(path: str) -> Level | None:
            return _LEVEL if any(model.is_matching_key(path) for model in query.models) else None

        model = Model(level_of, rows.COLUMN_BY_PATH, _TIME_OF_DATE, frozenset(("00080005",)))
        options = Options(
            fuzzy=query.fuzzy, empty_value_matching=query.empty_value_matching,
            multiple_value_matching=query.multiple_value_matching,
        )  # fmt: skip
        return CompiledNonPatientQuery(query, compile_criteria(query.criteria, options, model))

    def __call__(self, compiled: CompiledNonPatientQuery, scope: Scope) -> Generator[Attributes, None, None]:
        """The answers; close the iterator if it is not read to its end."""
        query = compiled.query
        asked = {one.path.partition(".")[0] for one in query.criteria} | {path[:8] for path in query.include}
        tags = None if query.include_all else asked.union(*(model.returned for model in query.models))
        found = rows.search(self._pool, classes_of(query.models), compiled.conditions, query, scope)
        with closing(found):
            for one in found:
                yield one if tags is None else {tag: one[tag] for tag in one if tag in tags}
