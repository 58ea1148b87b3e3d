"""Which condition of a search leads to the resources, of which the others are then asked."""

from collections.abc import Mapping

from fhir.search.query import (
    AllOf,
    AnyOf,
    Chain,
    Composite,
    Condition,
    Ids,
    Match,
    Not,
    OfTypes,
    Present,
    Query,
    ReverseChain,
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
