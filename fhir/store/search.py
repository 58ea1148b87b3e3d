"""Searches run: one statement for a page of results, and one for each step of what is included with them.

A page is chosen by keys alone, in the order of an index where there is one, before any body is read. Results come
newest first unless they are sorted; the key of a resource never changes, so a page that continues after the last key
of the one before neither repeats nor skips a resource, whatever is written in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, NamedTuple

from psycopg import errors

from fhir.search.cursor import SortValue
from fhir.search.query import Include, Query
from fhir.store.leading import is_led_to, matching_of
from fhir.store.rows import array
from fhir.store.selection import Compiler, Selection
from fhir.store.sorting import After, order_of, sorted_by
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, lent, retried
from pacsd.index.whole import whole


class Hit(NamedTuple):
    """A resource that was found or included. `sort`: the values by which it stands where it stands."""

    pk: int
    type: str
    id: str
    body: bytes
    sort: tuple[SortValue, ...] = ()


Step = tuple[Include, Sequence[int]]     # an include, and the keys of the resources it starts from


@dataclass(frozen=True, slots=True)
class Page:
    """Results in their order. `more`: whether others follow. `total`: of all pages, if it was asked for."""

    hits: tuple[Hit, ...]
    more: bool
    total: int | None


class Searches:
    """Runs searches for readers. What takes longer than the pool's connections allow is refused."""

    def __init__(self) -> None:
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

    def page(
        self, pool: Pool, scope: Scope, query: Query, after: After | None = None, *, most_bytes: int | None = None
    ) -> Page:
        """The results of a page. Raises PacsdError: TOO_BROAD (more work than a search may take), UNAVAILABLE.

        With `most_bytes` a page ends with the result that reaches them, and others follow.
        """
        text, params = page_statement(scope, query, after, most_bytes=most_bytes)
        rows = self._run(pool, scope, text, params, planned_once=is_led_to(query))
        keys = len(query.sort)
        hits = [Hit(row[0], row[1], row[2], row[3], row[4 : 4 + keys]) for row in rows if row[0] is not None]
        total = rows[0][4 + keys] if rows and query.total != "none" else None
        shown = read_whole(hits[: query.count])
        return Page(tuple(shown), len(hits) > len(shown), total)

    def count(self, pool: Pool, scope: Scope, query: Query) -> int:
        """How many results there are."""
        compiler = Compiler(scope)
        text = _counting(matching_of(compiler, query))
        return int(self._run(pool, scope, text, compiler.params.values)[0][0])

    def included(
        self, pool: Pool, scope: Scope, steps: Iterable[Step], *, without: Iterable[int], limit: int,
        most_bytes: int | None = None,
    ) -> list[Hit]:  # fmt: skip
        """Resources that includes lead to from others by their keys, at most `limit`, without some that are there.

        With `most_bytes` those after the one that reaches them come without their body (see `read_whole`).
        """
        text, params = include_statement(scope, steps, without=without, limit=limit, most_bytes=most_bytes)
        return [Hit(*row) for row in self._run(pool, scope, text, params, planned_once=True)]

    def _run(
        self, pool: Pool, scope: Scope, text: str, params: Mapping[str, Any], *, planned_once: bool = False
    ) -> list[Any]:
        """Planned for its values, or once where there is only one way to go, whatever they are.

        Bodies come as they are: as text each byte of them would be two letters.
        """
        try:
            return retried(pool, lambda lent: whole(lent, text, params, planned_once=planned_once), scope)
        except PacsdError as error:
            if isinstance(error.__cause__, errors.QueryCanceled):
                raise PacsdError(Fault.TOO_BROAD, "the search took too long; ask for less") from error
            raise


def read_whole(hits: Sequence[Hit]) -> list[Hit]:
    """Those before the first whose body was left in the database; after that one there is none that was not."""
    return list(hits if not hits or _is_whole(hits[-1]) else takewhile(_is_whole, hits))


def _is_whole(hit: Hit) -> bool:
    return hit.body is not None


def matches(connection: Connection, scope: Scope, query: Query, *, limit: int) -> list[Hit]:
    """At most that many results, inside the caller's transaction: for conditional interactions."""
    text, params = page_statement(scope, replace(query, count=limit - 1, sort=(), total="none"), None)
    return [Hit(*row) for row in connection.execute(text, params)]


def page_statement(
    scope: Scope, query: Query, after: After | None, *, most_bytes: int | None = None
) -> tuple[str, dict[str, Any]]:
    """SQL and values of a page: one row more than it shows tells whether there is another."""
    compiler = Compiler(scope)
    matching = matching_of(compiler, query)
    chosen = sorted_by(compiler, matching, query, after) if query.sort else _newest(compiler, matching, query, after)
    keys = "".join(f", m.k{at}" for at in range(len(query.sort)))
    order = order_of(query.sort, "m")
    body = _body(compiler, order, most_bytes)
    text = f"""select r.pk, r.type, r.id, {body}{keys} from ({chosen}) m
        join fhir_resource r on r.pk = m.pk order by {order}"""
    if query.total != "none":
        counted = _counting(matching_of(compiler, query))
        text = f"""select p.*, t.total from ({counted}) t (total) left join ({text}) p on true
            order by {order_of(query.sort, "p")}"""
    return text, compiler.params.values


def _body(compiler: Compiler, order: str, most_bytes: int | None) -> str:
    """The body, or null where those before it are enough; their lengths are known without reading them."""
    if most_bytes is None:
        return "r.body"
    before = f"sum(octet_length(r.body)) over (order by {order}) - octet_length(r.body)"
    return f"case when {before} < {compiler.add(most_bytes)} then r.body end as body"


def _newest(compiler: Compiler, matching: Selection, query: Query, after: After | None) -> str:
    tests = [*matching.conditions]
    if after is not None:
        tests.append(f"{matching.resource} < {compiler.add(after.pk)}")
    return f"""select distinct {matching.resource} as pk from {matching.source} where {" and ".join(tests)}
        order by 1 desc limit {compiler.add(query.count + 1)}"""


def _counting(matching: Selection) -> str:
    where = " and ".join(matching.conditions)
    return f"select count(distinct {matching.resource}) from {matching.source} where {where}"


def include_statement(
    scope: Scope, steps: Iterable[Step], *, without: Iterable[int], limit: int, most_bytes: int | None = None
) -> tuple[str, dict[str, Any]]:
    """SQL and values of one step of includes: a branch for each of them, and one for all that differ by names alone."""
    compiler = Compiler(scope)
    branches = [_included(compiler, include, compiler.add(array(pks))) for include, pks in _joined(steps)]
    body = _body(compiler, "r.pk", most_bytes)
    text = f"""select r.pk, r.type, r.id, {body} from (
            select distinct u.pk from ({" union all ".join(branches)}) u (pk)
            where u.pk <> all({compiler.add(array(without))}::bigint[]) order by 1 limit {compiler.add(limit)}
        ) m join fhir_resource r on r.pk = m.pk order by r.pk"""
    return text, compiler.params.values


def _joined(steps: Iterable[Step]) -> list[Step]:
    """References that start from the same resources and lead to the same types, as one: their rows stand together."""
    joined: dict[tuple[Any, ...], Step] = {}
    for include, pks in steps:
        key = include.reverse, include.types, tuple(pks), not include.names
        there = joined.get(key)
        names = include.names if there is None else tuple(dict.fromkeys((*there[0].names, *include.names)))
        joined[key] = replace(include, names=names), pks
    return list(joined.values())


def _included(compiler: Compiler, include: Include, pks: str) -> str:
    """Keys of the resources that one include leads to. Rows are there only of what is there, and the asker sees.

    The references of each result are looked up by it alone: an offset keeps the planner from any other way.
    """
    t, tests = compiler.rows("link", include.names)
    led_to = compiler.resources(include.types)
    tests = [*(tests if include.names else tests[1:]), f"{t}.position = 0"]
    if include.reverse:
        tests += [*led_to.conditions, f"{led_to.of_resource('key')} = {t}.target",
                  f"{led_to.resource} = any({pks}::bigint[])"]  # fmt: skip
        return f"select {t}.resource from fhir_reference {t}, {led_to.source} where {' and '.join(tests)}"
    tests.append(f"{t}.resource = p.pk")
    targets = f"select {t}.target from fhir_reference {t} where {' and '.join(tests)} offset 0"
    led = (*led_to.conditions, f"{led_to.of_resource('key')} = f.target")
    return f"""select {led_to.resource} from unnest({pks}::bigint[]) p (pk), lateral ({targets}) f, {led_to.source}
        where {" and ".join(led)}"""
