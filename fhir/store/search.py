"""Searches run: one statement for a page of results, and one for each step of what is included with them.

A page is chosen by keys alone, in the order of an index where there is one, before any body is read. Results come
newest first unless they are sorted; the key of a resource never changes, so a page that continues after the last key
of the one before neither repeats nor skips a resource, whatever is written in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from psycopg import errors

from fhir.search.cursor import SortValue
from fhir.search.query import (
    AllOf,
    AnyOf,
    Chain,
    Composite,
    Condition,
    Ids,
    Include,
    Match,
    Not,
    OfTypes,
    Present,
    Query,
    ReverseChain,
    SortKey,
    Updated,
    Words,
)  # fmt: skip
from fhir.store.rows import TABLES
from fhir.store.selection import Compiler, Selection
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, lent


class Hit(NamedTuple):
    """A resource that was found or included. `sort`: the values by which it stands where it stands."""

    pk: int
    type: str
    id: str
    version: int
    body: bytes
    sort: tuple[SortValue, ...] = ()


Step = tuple[Include, Sequence[int]]     # an include, and the keys of the resources it starts from


@dataclass(frozen=True, slots=True)
class Page:
    """Results in their order. `more`: whether others follow. `total`: of all pages, if it was asked for."""

    hits: tuple[Hit, ...]
    more: bool
    total: int | None


@dataclass(frozen=True, slots=True)
class After:
    """The last result of the page before."""

    sort: tuple[SortValue, ...]
    pk: int


class Searches:
    """Runs searches for readers. One that takes more than `timeout_s` is refused."""

    def __init__(self, *, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        self._secret = b""

    def secret(self, pool: Pool) -> bytes:
        """What signs the links to next pages; the same in every process of one database."""
        if not self._secret:
            with lent(pool) as connection:
                found = connection.execute("select secret from fhir_search_secret").fetchone()
            if found is None:
                raise PacsdError(Fault.INTERNAL, "the schema lacks what signs the links of searches")
            self._secret = bytes(found[0])
        return self._secret

    def page(self, pool: Pool, scope: Scope, query: Query, after: After | None = None) -> Page:
        """The results of a page. Raises PacsdError: TOO_BROAD (more work than a search may take), UNAVAILABLE."""
        rows = self._run(pool, *page_statement(scope, query, after))
        keys = len(query.sort)
        hits = [Hit(*row[:5])._replace(sort=tuple(row[5 : 5 + keys])) for row in rows if row[0] is not None]
        total = rows[0][5 + keys] if rows and query.total != "none" else None
        return Page(tuple(hits[: query.count]), len(hits) > query.count, total)

    def count(self, pool: Pool, scope: Scope, query: Query) -> int:
        """How many results there are."""
        compiler = Compiler(scope)
        text = _counting(_matching(compiler, query))
        return int(self._run(pool, text, compiler.params.values)[0][0])

    def included(
        self, pool: Pool, scope: Scope, steps: Iterable[Step], *, without: Iterable[int], limit: int
    ) -> list[Hit]:
        """Resources that includes lead to from others by their keys, at most `limit`, without some that are there."""
        text, params = include_statement(scope, steps, without=without, limit=limit)
        return [Hit(*row) for row in self._run(pool, text, params)]

    def _run(self, pool: Pool, text: str, params: Mapping[str, Any]) -> list[Any]:
        """A statement and its time limit, in one round trip."""
        limit = str(round(self._timeout_s * 1000))
        try:
            with lent(pool) as connection, connection.pipeline(), connection.transaction():
                connection.execute("select set_config('statement_timeout', %s, true)", (limit,))
                return connection.execute(text, params, prepare=False).fetchall()
        except PacsdError as error:
            if isinstance(error.__cause__, errors.QueryCanceled):
                message = f"the search took more than {self._timeout_s:g} s; ask for less"
                raise PacsdError(Fault.TOO_BROAD, message) from error
            raise


def matches(connection: Connection, scope: Scope, query: Query, *, limit: int) -> list[Hit]:
    """At most that many results, inside the caller's transaction: for conditional interactions."""
    text, params = page_statement(scope, replace(query, count=limit - 1, sort=(), total="none"), None)
    return [Hit(*row) for row in connection.execute(text, params)]


def page_statement(scope: Scope, query: Query, after: After | None) -> tuple[str, dict[str, Any]]:
    """SQL and values of a page: one row more than it shows tells whether there is another."""
    compiler = Compiler(scope)
    matching = _matching(compiler, query)
    chosen = _sorted(compiler, matching, query, after) if query.sort else _newest(compiler, matching, query, after)
    keys = "".join(f", m.k{at}" for at in range(len(query.sort)))
    order = _order(query.sort, "m")
    text = f"""select r.pk, r.type, r.id, r.version, r.body{keys} from ({chosen}) m
        join fhir_resource r on r.pk = m.pk order by {order}"""
    if query.total != "none":
        counted = _counting(_matching(compiler, query))
        text = f"""select p.*, t.total from ({counted}) t (total) left join ({text}) p on true
            order by {_order(query.sort, "p")}"""
    return text, compiler.params.values


def _matching(compiler: Compiler, query: Query) -> Selection:
    """All conditions: one leads to the resources, and the others are asked of them. The planner may turn them about."""
    leading = sorted((one for one in query.conditions if not isinstance(one, Not)), key=_rank)
    if not leading or _rank(leading[0]) >= _ASKED:
        return compiler.resources(query.types, query.conditions)
    first = leading[0]
    selected = compiler.select(first)
    others = [compiler.where(one, selected.resource) for one in query.conditions if one is not first]
    return Selection(selected.source, (*selected.conditions, *others), selected.resource)


_ASKED = 90
_RANKS: Mapping[type, int] = {           # the fewer resources a condition usually leaves, the earlier
    Ids: 0, Composite: 30, ReverseChain: 25, Chain: 20, AllOf: 50, AnyOf: 50, Words: 40, Updated: 60,
    Present: 95, OfTypes: 95, Not: 99,
}


def _rank(condition: Condition) -> int:
    if not isinstance(condition, Match):
        return _RANKS[type(condition)]
    if any(one.endswith(".identifier") for one in condition.names):
        return 5
    return {"Links": 10, "Uris": 12, "Texts": 28, "Tokens": 30, "Numbers": 55, "Times": 57}[
        type(condition.comparison).__name__]


def _newest(compiler: Compiler, matching: Selection, query: Query, after: After | None) -> str:
    tests = [*matching.conditions]
    if after is not None:
        tests.append(f"{matching.resource} < {compiler.add(after.pk)}")
    return f"""select distinct {matching.resource} as pk from {matching.source} where {" and ".join(tests)}
        order by 1 desc limit {compiler.add(query.count + 1)}"""


def _sorted(compiler: Compiler, matching: Selection, query: Query, after: After | None) -> str:
    joins = " ".join(_sort_value(compiler, key, at) for at, key in enumerate(query.sort))
    keys = "".join(f", s{at}.k as k{at}" for at in range(len(query.sort)))
    past = "" if after is None else f"where {_past(compiler, query.sort, after)}"
    return f"""select * from (
            select d.pk{keys} from (select distinct {matching.resource} as pk from {matching.source}
            where {" and ".join(matching.conditions)}) d {joins}
        ) s {past} order by {_order(query.sort, "s")} limit {compiler.add(query.count + 1)}"""


def _sort_value(compiler: Compiler, sort: SortKey, at: int) -> str:
    """The value of a resource to sort by: of several the least, or descending the greatest (search.html#sort)."""
    if sort.kind in _OWN:
        r = compiler.alias("r")
        value = f"select {_OWN[sort.kind].format(r)} from fhir_resource {r} where {r}.pk = d.pk"
        return f"left join lateral ({value}) s{at} (k) on true"
    t, tests = compiler.rows(sort.kind, sort.names)
    pick, column = ("max", _GREATEST[sort.kind]) if sort.descending else ("min", _LEAST[sort.kind])
    where = " and ".join([f"{t}.resource = d.pk", f"{t}.position = 0", *tests])
    value = f"select {pick}({t}.{column}) from {TABLES[sort.kind].name} {t} where {where}"
    return f"left join lateral ({value}) s{at} (k) on true"


_OWN = {"id": "{0}.id", "updated": "(extract(epoch from {0}.updated) * 1000000)::bigint"}
_LEAST = {"text": "value", "uri": "value", "time": "low", "number": "low"}
_GREATEST = {"text": "value", "uri": "value", "time": "high", "number": "high"}


def _order(sort: Sequence[SortKey], alias: str) -> str:
    keys = [f"{alias}.k{at}{' desc' if key.descending else ''} nulls last" for at, key in enumerate(sort)]
    return ", ".join([*keys, f"{alias}.pk desc"])


def _past(compiler: Compiler, sort: Sequence[SortKey], after: After) -> str:
    """What stands after the last result: by the first key that differs. Resources without a value come last."""
    ways, equal = [], []
    for at, (key, value) in enumerate(zip(sort, after.sort, strict=True)):
        column = f"s.k{at}"
        if value is None:
            equal.append(f"{column} is null")
            continue
        told = compiler.add(value)
        ways.append(" and ".join([*equal, f"({column} {'<' if key.descending else '>'} {told} or {column} is null)"]))
        equal.append(f"{column} = {told}")
    ways.append(" and ".join([*equal, f"s.pk < {compiler.add(after.pk)}"]))
    return f"({' or '.join(ways)})"


def _counting(matching: Selection) -> str:
    where = " and ".join(matching.conditions)
    return f"select count(distinct {matching.resource}) from {matching.source} where {where}"


def include_statement(
    scope: Scope, steps: Iterable[Step], *, without: Iterable[int], limit: int
) -> tuple[str, dict[str, Any]]:
    """SQL and values of one step of includes: a branch for each of them."""
    compiler = Compiler(scope)
    branches = [_included(compiler, include, compiler.add(list(pks))) for include, pks in steps]
    text = f"""select r.pk, r.type, r.id, r.version, r.body from (
            select distinct u.pk from ({" union all ".join(branches)}) u
            where u.pk <> all({compiler.add(list(without))}::bigint[]) order by 1 limit {compiler.add(limit)}
        ) m join fhir_resource r on r.pk = m.pk order by r.pk"""
    return text, compiler.params.values


def _included(compiler: Compiler, include: Include, pks: str) -> str:
    """Keys of the resources that one include leads to; the asker must see each of them."""
    t, tests = compiler.rows("link", include.names)
    tests = tests if include.names else tests[1:]
    holder, led_to = compiler.resources(include.sources), compiler.resources(include.types)
    given = led_to if include.reverse else holder
    wanted = holder if include.reverse else led_to
    keyed = led_to.resource.replace(".pk", ".key")
    conditions = [*holder.conditions, *led_to.conditions, *tests, f"{t}.position = 0",
                  f"{holder.resource} = {t}.resource", f"{keyed} = {t}.target",
                  f"{given.resource} = any({pks}::bigint[])"]  # fmt: skip
    return f"""select {wanted.resource} from fhir_reference {t}, {holder.source}, {led_to.source}
        where {" and ".join(conditions)}"""
