"""Results in an order that was asked for (http://hl7.org/fhir/R4/search.html#sort), a page at a time.

Of several values of a resource the least counts, or descending the greatest; resources without any come last. Few
results are gathered and sorted. Many are not: the index of the values is walked from where the last page ended, and
each resource is asked whether it is a result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fhir.search.cursor import SortValue
from fhir.search.query import Query, SortKey
from fhir.store.leading import FEW, rank
from fhir.store.rows import TABLES
from fhir.store.selection import Compiler, Selection

MANY = 2_000                             # results: above them it is quicker to walk than to gather
_OWN = {"id": "{0}.id", "updated": "(extract(epoch from {0}.updated) * 1000000)::bigint"}
_LEAST = {"text": "value", "uri": "value", "time": "low", "number": "low"}
_GREATEST = {"text": "value", "uri": "value", "time": "high", "number": "high"}
_TYPES = {"text": "text", "uri": "text", "time": "bigint", "number": "numeric"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class After:
    """The last result of the page before."""

    sort: tuple[SortValue, ...]
    pk: int


def order_of(sort: Sequence[SortKey], alias: str) -> str:
    """What stands behind `order by`."""
    keys = [f"{alias}.k{at}{' desc' if key.descending else ''} nulls last" for at, key in enumerate(sort)]
    return ", ".join([*keys, f"{alias}.pk{_tie(sort)}"])


def sorted_by(compiler: Compiler, matching: Selection, query: Query, after: After | None) -> str:
    """Keys of the results of a page with the values they are sorted by, k0, k1 …"""
    (first, *more) = query.sort
    if first.kind == "updated" and not more:
        return _by_update(compiler, query, after)
    if more or first.kind in _OWN or (query.conditions and min(map(rank, query.conditions)) < FEW):
        return _gathered(compiler, f"(select distinct {matching.resource} as pk from {_where(matching)})", query, after)
    return _walked(compiler, matching, query, after)


def _tie(sort: Sequence[SortKey]) -> str:
    """Resources with the same values come newest first, unless an index has them the other way round."""
    return "" if [(key.kind, key.descending) for key in sort] == [("updated", False)] else " desc"


def _where(selection: Selection, *tests: str) -> str:
    return f"{selection.source} where {' and '.join((*selection.conditions, *tests))}"


def _gathered(compiler: Compiler, results: str, query: Query, after: After | None, test: str = "true") -> str:
    """All results with their values, sorted."""
    joins = " ".join(_value(compiler, key, at) for at, key in enumerate(query.sort))
    keys = "".join(f", s{at}.k as k{at}" for at in range(len(query.sort)))
    past = "true" if after is None else _past(compiler, query.sort, after)
    return f"""select * from (select d.pk{keys} from {results} d {joins} where {test}) s where {past}
        order by {order_of(query.sort, "s")} limit {compiler.add(query.count + 1)}"""


def _value(compiler: Compiler, sort: SortKey, at: int) -> str:
    """The value of a result to sort by."""
    if sort.kind in _OWN:
        r = compiler.alias("r")
        value = f"select {_OWN[sort.kind].format(r)} from fhir_resource {r} where {r}.pk = d.pk"
        return f"left join lateral ({value}) s{at} (k) on true"
    t, tests = compiler.rows(sort.kind, sort.names)
    pick, column = ("max", _GREATEST[sort.kind]) if sort.descending else ("min", _LEAST[sort.kind])
    where = " and ".join([f"{t}.resource = d.pk", f"{t}.position = 0", *tests])
    value = f"select {pick}({t}.{column}) from {TABLES[sort.kind].name} {t} where {where}"
    return f"left join lateral ({value}) s{at} (k) on true"


def _past(compiler: Compiler, sort: Sequence[SortKey], after: After) -> str:
    """What stands after the last result: by the first key that differs."""
    ways, equal = [], []
    for at, (key, value) in enumerate(zip(sort, after.sort, strict=True)):
        column = f"s.k{at}"
        if value is None:
            equal.append(f"{column} is null")
            continue
        told = compiler.add(value)
        ways.append(" and ".join([*equal, f"({column} {_beyond(key)} {told} or {column} is null)"]))
        equal.append(f"{column} = {told}")
    ways.append(" and ".join([*equal, f"s.pk < {compiler.add(after.pk)}"]))
    return f"({' or '.join(ways)})"


def _beyond(key: SortKey) -> str:
    return "<" if key.descending else ">"


def _by_update(compiler: Compiler, query: Query, after: After | None) -> str:
    """The order of a column of the resources, which has an index."""
    found, (key,) = compiler.resources(query.types, query.conditions), query.sort
    r = found.resource.removesuffix(".pk")
    tests = [] if after is None else [
        f"({r}.updated, {r}.pk) {_beyond(key)} ({compiler.add(_instant(after.sort[0]))}, {compiler.add(after.pk)})"]
    way = " desc" if key.descending else ""
    return f"""select {r}.pk, {_OWN["updated"].format(r)} as k0 from {_where(found, *tests)}
        order by {r}.updated{way}, {r}.pk{way} limit {compiler.add(query.count + 1)}"""


def _instant(value: SortValue) -> datetime:
    return _EPOCH + timedelta(microseconds=int(value or 0))


def _walked(compiler: Compiler, matching: Selection, query: Query, after: After | None) -> str:
    """Few results gathered; of many the next ones in the order of the values, then those without a value."""
    (key,), many, limit = query.sort, compiler.add(MANY), compiler.add(query.count + 1)
    are_many = f"(select count(*) from these) > {many}"
    columns = f"null::{_TYPES[key.kind]}"
    without = _without(compiler, query, matching, after)
    return f"""select * from (
        with these as materialized (select {matching.resource} as pk from {_where(matching)} limit {many} + 1),
        walked as materialized ({_walk(compiler, query, after, are_many)} limit {limit}),
        others as (select distinct {matching.resource} as pk, {columns} as k0 from {_where(matching, *without, are_many,
            f"(select count(*) from walked) < {limit}")} order by 1 desc limit {limit}),
        gathered as ({_gathered(compiler, "(select distinct pk from these)", query, after, f"not {are_many}")})
        select pk, k0 from walked union all select pk, k0 from others union all select pk, k0 from gathered
        ) c order by {order_of(query.sort, "c")} limit {limit}"""


def _walk(compiler: Compiler, query: Query, after: After | None, gate: str) -> str:
    """Values in their order, from each resource that one of its values that counts."""
    (key,) = query.sort
    (t, tests), (b, better) = compiler.rows(key.kind, key.names), compiler.rows(key.kind, key.names)
    table, column = TABLES[key.kind].name, (_GREATEST if key.descending else _LEAST)[key.kind]
    sooner = ">" if key.descending else "<"
    better += [f"{b}.resource = {t}.resource", f"{b}.position = 0",
               f"({b}.{column}, {b}.ctid) {sooner} ({t}.{column}, {t}.ctid)"]  # fmt: skip
    tests += [f"{t}.position = 0", f"not exists (select from {table} {b} where {' and '.join(better)})", gate,
              *(compiler.where(one, f"{t}.resource") for one in query.conditions)]  # fmt: skip
    if after is not None:
        tests += _walk_on(compiler, key, after, f"{t}.{column}", f"{t}.resource")
    way = " desc" if key.descending else ""
    return f"""select {t}.resource as pk, {t}.{column} as k0 from {table} {t} where {" and ".join(tests)}
        order by {t}.{column}{way}, {t}.resource desc"""


def _walk_on(compiler: Compiler, key: SortKey, after: After, column: str, resource: str) -> list[str]:
    """From where the last page ended; nowhere if that was among the resources without a value."""
    if after.sort[0] is None:
        return ["false"]
    value, pk = compiler.add(after.sort[0]), compiler.add(after.pk)
    return [f"{column} {_beyond(key)}= {value}", f"({column} {_beyond(key)} {value} or {resource} < {pk})"]


def _without(compiler: Compiler, query: Query, matching: Selection, after: After | None) -> list[str]:
    """Tests of results that have no value."""
    (key,) = query.sort
    t, tests = compiler.rows(key.kind, key.names)
    where = " and ".join([f"{t}.resource = {matching.resource}", f"{t}.position = 0", *tests])
    found = [f"not exists (select from {TABLES[key.kind].name} {t} where {where})"]
    if after is not None and after.sort[0] is None:
        found.append(f"{matching.resource} < {compiler.add(after.pk)}")
    return found
