"""Searching studies, series and patients, for C-FIND (PS3.4 C.4.1) and QIDO-RS (PS3.18 10.6) alike."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from pacsd.access.scope import Scope
from pacsd.codec.keys import Level
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, lent
from pacsd.index.keys import COLUMNS as COLUMNS_OF_KEYS
from pacsd.index.keys import SERIES_INSTANCE_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, Kind
from pacsd.index.loose import sop_hash
from pacsd.index.match import Counts, Match, attributes_of, chosen, patient_level
from pacsd.index.matching import AllOf, AnyOf, Conditions, Criterion, Options, Test, compile_criteria
from pacsd.index.predicate import Params, series_table, study_table, visible
from pacsd.index.record_key import COLUMNS, following, record_key

_STREAM_ROWS = 1000
T = TypeVar("T")
_PAGE_ROWS = 1001                    # an edge that shows 1,000 asks for one more
MOST_UNNAMED = 10_000                # instances that are counted through of which nothing is named


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for. Criteria of levels above count too (relational queries); of levels below, those of
    series do.

    `include` names optional attributes to answer besides the default ones, `include_all` all that are kept.
    Without `limit` the answer streams. `by_record_key`: studies or series in the order of their record keys, each
    with its own, beginning after the key that `after` was made of (PS3.4 C.6.4).
    """

    level: Level
    criteria: tuple[Criterion, ...] = ()
    fuzzy: bool = False
    combined_datetime: bool = True
    empty_value_matching: bool = False
    multiple_value_matching: bool = False
    include: frozenset[str] = frozenset()
    include_all: bool = False
    limit: int | None = None
    offset: int = 0
    by_record_key: bool = False
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """A query that has been understood. `unsupported`: paths of keys that are not kept, or not at a level that
    this query reaches; they were left out."""

    query: Query
    conditions: Conditions
    unsupported: tuple[str, ...]

    def matches(self, attributes: dict[str, Any]) -> bool:
        """Whether an instance's own attributes (DICOM JSON by tag) fulfil the instance-level criteria."""
        return self.conditions.matches(attributes, "instance")


def compile_query(query: Query) -> CompiledQuery:
    """Understand a query. Raises PacsdError: MALFORMED (a value), TOO_BROAD (instances that no UID names, and not the
    first of those whose series match)."""
    options = Options(
        query.fuzzy, query.combined_datetime, query.empty_value_matching, query.multiple_value_matching
    )
    conditions = compile_criteria(query.criteria, options)
    unsupported = list(conditions.unsupported)
    if query.level == "instance":
        if not _names_instances(conditions):
            _require_few(query, conditions)
    else:
        beyond = conditions.of("instance")
        if query.level != "series":
            beyond += tuple(test for test in conditions.of("series") if test.sql(Params()) is None)
        unsupported += [test.path for test in beyond if isinstance(test, AnyOf | AllOf)]
    return CompiledQuery(query, conditions, tuple(unsupported))


def _names_instances(conditions: Conditions) -> bool:
    return any(isinstance(test, AnyOf) and test.path in _INSTANCE_NEEDS for test in conditions.tests)


def _require_few(query: Query, conditions: Conditions) -> None:
    """Instances of which no UID is told are those of all series: as many as are asked for are found in as many series,
    unless something has to match in them."""
    named = "a Study, Series or SOP Instance UID (0020,000D), (0020,000E), (0008,0018)"
    if conditions.of("instance"):
        raise PacsdError(Fault.TOO_BROAD, f"a search by what is told of instances needs {named}")
    if query.limit is None or query.offset + query.limit > MOST_UNNAMED + 1:
        few = f"or to end by limit and offset at {MOST_UNNAMED:,}"
        raise PacsdError(Fault.TOO_BROAD, f"a search for instances needs {named}, {few}")


_INSTANCE_NEEDS = frozenset((STUDY_INSTANCE_UID, SERIES_INSTANCE_UID, SOP_INSTANCE_UID))


def search(pool: Pool, query: Query | CompiledQuery, scope: Scope) -> Iterator[Match]:
    """Patients, studies or series that match and that the scope sees, newest study first.

    The first page is one plain statement, and mostly all there is. More comes through a cursor that lives in a
    transaction of its own until the iterator is exhausted or closed, so close it. Raises PacsdError UNAVAILABLE, and
    what `compile_query` raises.
    """
    compiled = query if isinstance(query, CompiledQuery) else compile_query(query)
    query = compiled.query
    if query.level == "instance":
        raise PacsdError(Fault.INTERNAL, "instances are searched from their series")
    if query.limit == 0:
        return iter(())
    statement, asker = _STATEMENTS[query.level](compiled, scope), _declaring(compiled, scope)
    if statement.residual:
        return streamed(pool, statement, query, asker)
    whole = query.limit is not None and query.limit <= _PAGE_ROWS
    page = statement if whole else _STATEMENTS[query.level](_first_page(compiled), scope)
    with lent(pool, asker) as connection:
        rows = connection.execute(page.text, page.params, prepare=False).fetchall()
    first = [page.match(row) for row in rows]
    if whole or len(first) < _PAGE_ROWS:
        return (match for match in first)
    return _continued(first, streamed(pool, statement, query, asker))


def _declaring(compiled: CompiledQuery, scope: Scope) -> Scope | None:
    """For whom PostgreSQL is told that the statement reads: for nobody where that would cost an index.

    Under row-level security the operators of arrays may not look at a row before its policy did, so the keys that have
    an index of array elements would be looked for in all series.
    """
    tests = compiled.conditions.of("series")
    return None if any(isinstance(one, AnyOf | AllOf) and one.path in _ARRAYS for one in tests) else scope


_ARRAYS = frozenset(one.path for one in COLUMNS_OF_KEYS if one.table == "series" and one.kind is Kind.MANY)


def _first_page(compiled: CompiledQuery) -> CompiledQuery:
    return replace(compiled, query=replace(compiled.query, limit=_PAGE_ROWS))


def _continued(first: list[Match], stream: Generator[Match, None, None]) -> Iterator[Match]:
    """The page, then what the stream has beside it: between the two something may have arrived."""
    seen = {(match.study, match.series) for match in first}
    with closing(stream):
        yield from first
        yield from (match for match in stream if (match.study, match.series) not in seen)


class Page(Protocol):
    """Which part of the answer is wanted."""

    @property
    def limit(self) -> int | None: ...
    @property
    def offset(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Statement(Generic[T]):
    """SQL, its values, tests that remain for Python, and what a row means."""

    text: str
    params: dict[str, Any]
    residual: tuple[Test, ...]
    match: Callable[[tuple[Any, ...]], T]
    texts: Callable[[tuple[Any, ...]], list[str]]

    def keeps(self, row: tuple[Any, ...]) -> bool:
        """Whether the tests without a column hold too."""
        if not self.residual:
            return True
        attributes = attributes_of(self.texts(row))
        return all(test.matches(attributes) for test in self.residual)


def streamed(
    pool: Pool, statement: Statement[T], page: Page, scope: Scope | None = None
) -> Generator[T, None, None]:
    """What a statement finds, through a cursor in a transaction of its own: close the generator. `scope` as of lent."""
    with lent(pool, scope) as connection, connection.transaction():
        kept: Iterator[tuple[Any, ...]] = filter(statement.keeps, _cursor(connection, statement))
        if statement.residual:
            end = None if page.limit is None else page.offset + page.limit
            kept = islice(kept, page.offset, end)
        for row in kept:
            yield statement.match(row)


def _cursor(connection: Connection, statement: Statement[T]) -> Iterator[tuple[Any, ...]]:
    with connection.cursor(name="pacsd_search") as cursor:
        cursor.itersize = _STREAM_ROWS
        cursor.execute(statement.text, statement.params)
        yield from cursor


_NEWEST = "study_date desc nulls last, {0}.study_time desc nulls last, {0}.pk desc"


def _order(alias: str) -> str:
    return f"{alias}." + _NEWEST.format(alias)


def _sorted(query: Query, otherwise: str) -> str:
    return ", ".join(COLUMNS[query.level]) if query.by_record_key else otherwise


def page_of(query: Page, params: Params, residual: tuple[Test, ...]) -> str:
    """The limit and offset of a statement, unless rows have to be read to know what they count."""
    if residual:
        return ""
    limit = "" if query.limit is None else f" limit {params.add(query.limit)}"
    return limit + (f" offset {params.add(query.offset)}" if query.offset else "")


def where_of(tests: tuple[Test, ...], params: Params) -> tuple[list[str], tuple[Test, ...]]:
    """The conditions of these tests, and the tests that remain for Python."""
    texts = [(test, test.sql(params)) for test in tests]
    return [text for _, text in texts if text is not None], tuple(test for test, text in texts if text is None)


def _below(compiled: CompiledQuery, params: Params, scope: Scope) -> list[str]:
    """Criteria of series, asked of a study: one series must fulfil them all, as far as columns tell."""
    conditions, _ = where_of(compiled.conditions.of("series"), params)
    if not conditions:
        return []
    of_study = " and ".join(["r.study = s.pk", "r.instances > 0", *conditions])
    return [f"exists (select from {series_table(scope, 'r')} where {of_study})"]


def _tags(query: Query) -> frozenset[str] | None:
    """Tags to include; of an attribute in a sequence the whole sequence is told."""
    return None if query.include_all else frozenset(path.partition(".")[0] for path in query.include)


def _studies(compiled: CompiledQuery, scope: Scope) -> Statement[Match]:
    query, params = compiled.query, Params()
    conditions, residual = where_of(compiled.conditions.of("patient", "study"), params)
    more = "s.more" if residual or query.include or query.include_all else "''"
    conditions += following(query.level, query.after, params)
    where = " and ".join([visible(scope, params), *conditions, *_below(compiled, params, scope)])
    text = f"""
        select s.pk, s.organisation, s.study_instance_uid, s.series, s.instances, s.modalities, s.attributes, {more}
        from {study_table(scope, "s")} where {where}
        order by {_sorted(query, _order("s"))}{page_of(query, params, residual)}"""
    tags = _tags(query)

    def match(row: tuple[Any, ...]) -> Match:
        pk, organisation, uid, series, instances, modalities, attributes, more = row
        return Match(
            "study", organisation, pk, attributes, chosen(more, tags), counts=Counts(study_series=series,
            study_instances=instances), modalities=tuple(modalities), study_instance_uid=uid,
            record_key=record_key(uid) if query.by_record_key else b"",
        )  # fmt: skip

    return Statement(text, params.values, residual, match, lambda row: [row[6], row[7]])


def _series(
    compiled: CompiledQuery, scope: Scope, more_conditions: Callable[[Params], list[str]] = lambda _: []
) -> Statement[Match]:
    query, params = compiled.query, Params()
    conditions, residual = where_of(compiled.conditions.of("patient", "study", "series"), params)
    conditions += following(query.level, query.after, params)
    more = "r.more, s.more" if residual or query.include or query.include_all else "'', ''"
    where = " and ".join([visible(scope, params), "r.instances > 0", *conditions, *more_conditions(params)])
    text = f"""
        select s.pk, s.organisation, s.study_instance_uid, s.series, s.instances, s.modalities, r.pk,
            r.series_instance_uid, r.instances, r.attributes, s.attributes, {more}
        from {study_table(scope, "s")} join {series_table(scope, "r")} on r.study = s.pk where {where}
        order by {_sorted(query, _order("s") + ", r.pk")}{page_of(query, params, residual)}"""
    tags = _tags(query)

    def match(row: tuple[Any, ...]) -> Match:
        study, organisation, uid, series, instances, modalities, pk, series_uid, count, own, above, more, most = row
        return Match(
            "series", organisation, study, own, chosen(more, tags), (above, chosen(most, tags)),
            Counts(study_series=series, study_instances=instances, series_instances=count), tuple(modalities),
            uid, series_uid, series=pk, record_key=record_key(series_uid, uid) if query.by_record_key else b"",
        )  # fmt: skip

    return Statement(text, params.values, residual, match, lambda row: list(row[9:13]))


def _patients(compiled: CompiledQuery, scope: Scope) -> Statement[Match]:
    """From the studies the asker sees, never from what others sent of the same patient."""
    query, params = compiled.query, Params()
    conditions, residual = where_of(compiled.conditions.of("patient", "study"), params)
    where = " and ".join([visible(scope, params), *conditions, *_below(compiled, params, scope)])
    text = f"""
        with page as materialized (
            select h.* from (
                select distinct on (s.patient) s.* from {study_table(scope, "s")} where {where}
                order by s.patient, {_order("s")}
            ) h order by {_order("h")}{page_of(query, params, residual)}
        )
        select h.pk, h.organisation, h.attributes, h.more, c.studies, c.series, c.instances
        from page h cross join lateral (
            select count(*) as studies, sum(o.series) as series, sum(o.instances) as instances
            from {study_table(scope, "o")} where o.patient = h.patient and {visible(scope, params, "o")}
        ) c order by {_order("h")}"""
    tags = _tags(query)

    def match(row: tuple[Any, ...]) -> Match:
        pk, organisation, attributes, more, studies, series, instances = row
        return Match(
            "patient", organisation, pk, patient_level([attributes, chosen(more, tags)]),
            counts=Counts(patient_studies=studies, patient_series=series, patient_instances=instances),
        )  # fmt: skip

    return Statement(text, params.values, residual, match, lambda row: [row[2], row[3]])


_STATEMENTS: dict[Level, Callable[[CompiledQuery, Scope], Statement[Match]]] = {
    "patient": _patients,
    "study": _studies,
    "series": _series,
}


def series_of_instances(pool: Pool, compiled: CompiledQuery, scope: Scope) -> Generator[Match, None, None]:
    """The series whose instances an instance-level query has to look through, in the order of the answer.

    Chosen by all criteria above the instance and, where SOP Instance UIDs are given, by where those are. Where no UID
    is given, the first of them: each holds an instance at least. Close it if you do not exhaust it.
    """
    tests = compiled.conditions.of("instance")
    uids = [[p.text for p in t.patterns] for t in tests if isinstance(t, AnyOf) and t.path == SOP_INSTANCE_UID]

    def holding(params: Params) -> list[str]:
        return [_holding(params, one) for one in uids]

    above = Conditions(compiled.conditions.of("patient", "study", "series"), ())
    if not _names_instances(compiled.conditions):
        enough = (compiled.query.limit or 0) + compiled.query.offset
        yield from search(pool, CompiledQuery(Query("series", include_all=True, limit=enough), above, ()), scope)
        return
    statement = _series(CompiledQuery(Query("series", include_all=True), above, ()), scope, holding)
    with lent(pool, _declaring(compiled, scope)) as connection:
        rows = connection.execute(statement.text, statement.params, prepare=False).fetchall()
    yield from [statement.match(row) for row in rows if statement.keeps(row)]


def _holding(params: Params, uids: list[str]) -> str:
    hashes = [sop_hash(uid) for uid in uids]
    return f"""r.pk in (select series from instance where sop_instance_uid = any({params.add(uids)}::text[])
        union all select series from locator where hash = any({params.add(hashes)}::bigint[]))"""
