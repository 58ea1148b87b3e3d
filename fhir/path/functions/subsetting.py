"""Subsetting and combining (http://hl7.org/fhirpath/N1/#subsetting, #combining)."""

from collections.abc import Mapping

from fhir.path import equality
from fhir.path.evaluation import NONE, Frame, Items, integer_of, one
from fhir.path.functions.table import Function
from fhir.path.operators import distinct
from fhir.path.operators import union as _union


def single(frame: Frame, items: Items) -> Items:
    """The only item. Raises PacsdError (MISMATCH) if there are several."""
    node = one(items, "single()")
    return NONE if node is None else (node,)


def first(frame: Frame, items: Items) -> Items:
    """The first."""
    return items[:1]


def last(frame: Frame, items: Items) -> Items:
    """The last."""
    return items[-1:]


def tail(frame: Frame, items: Items) -> Items:
    """All but the first."""
    return items[1:]


def skip(frame: Frame, items: Items, number: Items) -> Items:
    """All but the first few."""
    return items[max(0, integer_of(number, "skip()") or 0):]


def take(frame: Frame, items: Items, number: Items) -> Items:
    """The first few."""
    return items[:max(0, integer_of(number, "take()") or 0)]


def intersect(frame: Frame, items: Items, other: Items) -> Items:
    """What is in both, each value once."""
    frame.spend(len(items) + len(other))
    keys = {equality.key(item) for item in other}
    return distinct([item for item in items if equality.key(item) in keys])


def exclude(frame: Frame, items: Items, other: Items) -> Items:
    """What is not in the other, as often as it is here."""
    frame.spend(len(items) + len(other))
    keys = {equality.key(item) for item in other}
    return [item for item in items if equality.key(item) not in keys]


def union(frame: Frame, items: Items, other: Items) -> Items:
    """All of both, each value once."""
    frame.spend(len(items) + len(other))
    return _union(items, other)


def combine(frame: Frame, items: Items, other: Items) -> Items:
    """All of both."""
    frame.spend(len(items) + len(other))
    return (*items, *other)


PLAIN: Mapping[str, Function] = {
    "single": Function(single), "first": Function(first), "last": Function(last), "tail": Function(tail),
    "skip": Function(skip, 1, 1), "take": Function(take, 1, 1), "intersect": Function(intersect, 1, 1),
    "exclude": Function(exclude, 1, 1), "union": Function(union, 1, 1), "combine": Function(combine, 1, 1),
}
