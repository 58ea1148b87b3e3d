"""Which condition of a search leads to the resources, of which the others are then asked."""

from collections.abc import Mapping

from fhir.search.query import (
    AllOf,
    AnyOf,
    Chain,
    Composite,
    Condition,
    Ids,
    Links,
    Match,
    Not,
    OfTypes,
    Present,
    Query,
    ReverseChain,
    Tokens,
    Updated,
    Words,
)  # fmt: skip
from fhir.store.selection import Compiler, Selection


def matching_of(compiler: Compiler, query: Query) -> Selection:
    """All conditions: one leads to the resources, and the others are asked of them. The planner may turn them about."""
    first = min(query.conditions, key=rank, default=None)
    if first is None or rank(first) >= _ASKED:
        return compiler.resources(query.types, query.conditions)
    selected = compiler.select(first)
    others = [compiler.where(one, selected.resource) for one in query.conditions if one is not first]
    return Selection(selected.source, (*selected.conditions, *others), selected.resource)


def is_led_to(query: Query) -> bool:
    """Whether there is one way to a page, whatever the values: from a key that leaves a handful, nothing sorted."""
    return not query.sort and query.total == "none" and any(map(_is_key, query.conditions))


def _is_key(condition: Condition) -> bool:
    """Whether equality with a few values, of which each has a handful of rows, leads to it."""
    if isinstance(condition, Chain | ReverseChain):
        return _is_key(condition.condition)
    if isinstance(condition, AnyOf):
        return bool(condition.conditions) and all(map(_is_key, condition.conditions))
    if isinstance(condition, Match) and isinstance(condition.comparison, Tokens):
        return rank(condition) < FEW and all(one.code is not None for one in condition.comparison.values)
    return isinstance(condition, Ids) or (isinstance(condition, Match) and isinstance(condition.comparison, Links))


FEW = 28                                 # conditions below this leave a handful of resources
_ASKED = 90
_RANKS: Mapping[type, int] = {           # the fewer resources a condition usually leaves, the earlier
    Ids: 0, Composite: 30, ReverseChain: 25, Chain: 20, Words: 40, Updated: 60,
    Present: 95, OfTypes: 95, Not: 99,
}


def rank(condition: Condition) -> int:
    """How many resources a condition leaves, by its kind."""
    if isinstance(condition, AnyOf | AllOf):
        return (max if isinstance(condition, AnyOf) else min)(map(rank, condition.conditions), default=0)
    if not isinstance(condition, Match):
        return _RANKS[type(condition)]
    if any(one.endswith(".identifier") for one in condition.names):
        return 5
    return {"Links": 10, "Uris": 12, "Texts": 28, "Tokens": 30, "Numbers": 55, "Times": 57}[
        type(condition.comparison).__name__]
