"""Conditions of a search as SQL on its rows. Every alias that reads rows or resources holds the access predicate.

A condition becomes a Selection: a table with conditions, and the expression that tells which resource a row is of.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir.search.keys import number
from fhir.search.parameters import all_types
from fhir.search.query import (
    AllOf,
    AnyOf,
    Chain,
    Comparison,
    Composite,
    Condition,
    Ids,
    Links,
    Match,
    Not,
    Numbers,
    OfTypes,
    Present,
    ReverseChain,
    Texts,
    TimeIs,
    Times,
    Tokens,
    Updated,
    Uris,
    Words,
)  # fmt: skip
from fhir.store.comparing import any_of, compared, is_one_of
from fhir.store.opened import open_resource
from fhir.store.rows import TABLES
from pacsd.access.scope import Scope
from pacsd.index.predicate import Params

KIND: Mapping[type, str] = {
    Tokens: "token", Texts: "text", Uris: "uri", Times: "time", Numbers: "number", Links: "link",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Selection:
    """`select resource from source where conditions`."""

    source: str
    conditions: tuple[str, ...]
    resource: str

    @property
    def sql(self) -> str:
        """As a subquery."""
        return f"select {self.resource} from {self.source} where {' and '.join(self.conditions)}"

    def of_resource(self, name: str) -> str:
        """Another column of the resources, of a selection from fhir_resource."""
        return self.resource.removesuffix("pk") + name

    def of(self, resource: str) -> str:
        """Whether a resource is among them, asked of each."""
        tests = " and ".join((*self.conditions, f"{self.resource} = {resource}"))
        return f"exists (select from {self.source} where {tests})"


@dataclass(slots=True)
class Compiler:
    """Makes selections of one statement, for one reader."""

    scope: Scope
    params: Params = field(default_factory=Params)
    _aliases: int = 0

    def alias(self, letter: str) -> str:
        """A name that no other table of the statement has."""
        self._aliases += 1
        return f"{letter}{self._aliases}"

    def add(self, value: Any) -> str:
        """The placeholder of a value."""
        return self.params.add(value)

    def where(self, condition: Condition, resource: str) -> str:
        """A condition on the resource of a key."""
        if isinstance(condition, Not):
            return f"not {self.select(condition.condition).of(resource)}"
        if isinstance(condition, Present):
            return self.select(condition).of(resource)
        if isinstance(condition, AllOf):
            tests = (self.where(one, resource) for one in condition.conditions)
            return f"({' and '.join(tests)})"
        return f"{resource} in ({self.select(condition).sql})"

    def select(self, condition: Condition) -> Selection:
        """A condition as a selection."""
        return _SELECT[type(condition)](self, condition)

    def resources(self, types: Sequence[str] = (), conditions: Iterable[Condition] = ()) -> Selection:
        """Resources of these types (none: of any) that fulfil conditions."""
        r = self.alias("r")
        tests = [open_resource(self.scope, self.params, r, f"{r}.pk"), f"not {r}.deleted"]
        if types:
            tests.append(self.is_one_of(f"{r}.type", types))
        tests += [self.where(one, f"{r}.pk") for one in conditions]
        return Selection(f"fhir_resource {r}", tuple(tests), f"{r}.pk")

    def is_one_of(self, column: str, values: Sequence[Any]) -> str:
        """Equality with one value, or with one of several."""
        return is_one_of(self.params, column, values)

    def rows(self, kind: str, names: Iterable[str]) -> tuple[str, list[str]]:
        """A table of rows under its alias, with what is to be true of all of them."""
        t = self.alias(kind[0])
        numbers = [number(one) for one in names]
        mine = open_resource(self.scope, self.params, t, f"{t}.resource")
        return t, [self.is_one_of(f"{t}.param", numbers), mine]

    def compared(self, t: str, name: str, comparison: Comparison) -> str:
        """A comparison on the values of a row."""
        return compared(self.params, t, name, comparison)


def _match(compiler: Compiler, condition: Match) -> Selection:
    kind = KIND[type(condition.comparison)]
    t, tests = compiler.rows(kind, condition.names)
    tests += [f"{t}.position = 0", compiler.compared(t, condition.names[0], condition.comparison)]
    return Selection(f"{TABLES[kind].name} {t}", tuple(tests), f"{t}.resource")


def _composite(compiler: Compiler, condition: Composite) -> Selection:
    """The first component leads; the others are of the same element of the same resource."""
    source, tests, first = "", [], ""
    for at, part in enumerate(condition.parts, 1):
        kind = KIND[type(part)]
        names = [f"{one}#{at}" for one in condition.names]
        t, conditions = compiler.rows(kind, names)
        tests += [*conditions, compiler.compared(t, names[0], part)]
        if not source:
            source, first = f"{TABLES[kind].name} {t}", t
        else:
            source += f""" join {TABLES[kind].name} {t}
                on {t}.resource = {first}.resource and {t}.position = {first}.position"""
    return Selection(source, tuple(tests), f"{first}.resource")


def _present(compiler: Compiler, condition: Present) -> Selection:
    parts = []
    for kind in condition.kinds:
        t, tests = compiler.rows(kind, condition.names)
        parts.append(Selection(f"{TABLES[kind].name} {t}", tuple(tests), f"{t}.resource"))
    return parts[0] if len(parts) == 1 else _united(compiler, parts)


def _chain(compiler: Compiler, condition: Chain) -> Selection:
    """From the reference to the resource it leads to, which the asker must see too."""
    t, tests = compiler.rows("link", condition.names)
    keys = _fulfilling(compiler, condition.types, condition.condition, "key")
    return Selection(f"fhir_reference {t}", (*tests, f"{t}.position = 0", _first(f"{t}.target", keys)), f"{t}.resource")


def _reverse_chain(compiler: Compiler, condition: ReverseChain) -> Selection:
    t, tests = compiler.rows("link", condition.names)
    holders = _first(f"{t}.resource", _fulfilling(compiler, (condition.type,), condition.condition, "pk"))
    targets = f"select {t}.target from fhir_reference {t} where {' and '.join((*tests, f'{t}.position = 0', holders))}"
    found = compiler.resources(condition.types)
    return Selection(found.source, (*found.conditions, _first(found.of_resource("key"), targets)), found.resource)


def _fulfilling(compiler: Compiler, types: Sequence[str], condition: Condition, column: str) -> str:
    """A column of the resources, at the other end of a link, that fulfil its condition."""
    if isinstance(condition, Not):
        found = compiler.resources(types, [condition])
        return Selection(found.source, found.conditions, found.of_resource(column)).sql
    found, inner = compiler.resources(), compiler.select(condition)
    tests = (*found.conditions, _first(found.resource, inner.sql))
    return Selection(found.source, tests, found.of_resource(column)).sql


def _first(column: str, wanted: str) -> str:
    """That a column is among what a subquery finds, which is run before: a chain is walked from its far end.

    Left to itself the planner, where it takes every link for a handful, asks each of them again for every other.
    """
    return f"{column} = any(array({wanted}))"


def _ids(compiler: Compiler, condition: Ids) -> Selection:
    found = compiler.resources(condition.types)
    ids = [one.replace("\0", "") for one in condition.ids]
    test = compiler.is_one_of(found.of_resource("id"), ids)
    return Selection(found.source, (*found.conditions, test), found.resource)


def _of_types(compiler: Compiler, condition: OfTypes) -> Selection:
    return compiler.resources(condition.types)


def _updated(compiler: Compiler, condition: Updated) -> Selection:
    """The instant of the newest version is a point, unlike the dates in resources."""
    found = compiler.resources(condition.types if len(condition.types) < len(all_types()) else ())
    column = found.of_resource("updated")
    tests = [_updated_test(compiler, column, one) for one in condition.times.values]
    return Selection(found.source, (*found.conditions, any_of(tests)), found.resource)


def _updated_test(compiler: Compiler, column: str, asked: TimeIs) -> str:
    low, high = (compiler.add(_instant(one)) for one in asked.range)
    inside = f"({column} >= {low} and {column} < {high})"
    return {
        "eq": inside, "ap": inside, "ne": f"({column} < {low} or {column} >= {high})",
        "gt": f"{column} >= {high}", "sa": f"{column} >= {high}", "ge": f"{column} >= {low}",
        "lt": f"{column} < {low}", "eb": f"{column} < {low}", "le": f"{column} < {high}",
    }[asked.prefix]


def _instant(microseconds: int) -> datetime:
    """An instant, or the nearest that PostgreSQL and Python both can tell."""
    nearest = min(max(microseconds, _FIRST), _LAST)
    return _EPOCH + timedelta(microseconds=nearest)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = ((at - _EPOCH) // timedelta(microseconds=1)
                 for at in (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)))  # fmt: skip


def _words(compiler: Compiler, condition: Words) -> Selection:
    t = compiler.alias("w")
    found = compiler.resources(condition.types if len(condition.types) < len(all_types()) else ())
    column = "narrative" if condition.narrative else "content"
    query = " & ".join(condition.words)      # letters and digits only
    mine = open_resource(compiler.scope, compiler.params, t, f"{t}.resource")
    tests = (f"{found.resource} = {t}.resource", mine,
             f"{t}.{column} @@ {compiler.add(query)}::tsquery")  # fmt: skip
    return Selection(f"fhir_text {t}, {found.source}", (*found.conditions, *tests), found.resource)


def _not(compiler: Compiler, condition: Not) -> Selection:
    return compiler.resources((), [condition])


def _all_of(compiler: Compiler, condition: AllOf) -> Selection:
    if not condition.conditions:
        return compiler.resources()
    first, *rest = condition.conditions
    selected = compiler.select(first)
    return Selection(selected.source, (*selected.conditions, *(compiler.where(one, selected.resource) for one in rest)),
                     selected.resource)  # fmt: skip


def _any_of(compiler: Compiler, condition: AnyOf) -> Selection:
    parts = [compiler.select(one) for one in condition.conditions]
    if not parts:
        nothing = compiler.resources()
        return Selection(nothing.source, ("false",), nothing.resource)
    return parts[0] if len(parts) == 1 else _united(compiler, parts)


def _united(compiler: Compiler, parts: Iterable[Selection]) -> Selection:
    u = compiler.alias("u")
    return Selection(f"({' union all '.join(one.sql for one in parts)}) {u} (resource)", ("true",), f"{u}.resource")


_SELECT: Mapping[type, Callable[[Compiler, Any], Selection]] = {
    Match: _match, Composite: _composite, Present: _present, Chain: _chain, ReverseChain: _reverse_chain, Ids: _ids,
    Updated: _updated, Words: _words, OfTypes: _of_types, Not: _not, AnyOf: _any_of, AllOf: _all_of,
}  # fmt: skip
