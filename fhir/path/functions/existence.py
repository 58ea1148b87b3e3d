"""Existence (http://hl7.org/fhirpath/N1/#existence)."""

from collections.abc import Mapping

from fhir.path import equality
from fhir.path.evaluation import FALSE, TRUE, Frame, Items, Lambda, told, truth
from fhir.path.functions.table import Function
from fhir.path.nodes import Node, of
from fhir.path.operators import distinct as _distinct
from pacsd.faults import Fault, PacsdError


def empty(frame: Frame, items: Items) -> Items:
    """Whether there is nothing."""
    return FALSE if items else TRUE


def negated(frame: Frame, items: Items) -> Items:
    """`not()`: the opposite; nothing of nothing."""
    value = truth(items, "not()")
    return told(None if value is None else not value)


def exists(frame: Frame, items: Items, criteria: Lambda | None = None) -> Items:
    """Whether there is something, for which the criteria hold."""
    if criteria is None:
        return TRUE if items else FALSE
    frame.spend(len(items))
    return told(any(_holds(frame, place, item, criteria) for place, item in enumerate(items)))


def every(frame: Frame, items: Items, criteria: Lambda) -> Items:
    """`all()`: whether the criteria hold for each; true of nothing."""
    frame.spend(len(items))
    return told(all(_holds(frame, place, item, criteria) for place, item in enumerate(items)))


def _holds(frame: Frame, place: int, item: Node, criteria: Lambda) -> bool:
    outer, frame.index = frame.index, place
    held = truth(criteria(frame, (item,)))
    frame.index = outer
    return held is True


def _booleans(items: Items) -> list[bool]:
    values = [item.system for item in items]
    if any(type(value) is not bool for value in values):
        raise PacsdError(Fault.MISMATCH, "FHIRPath: a collection of booleans is due")
    return values


def all_true(frame: Frame, items: Items) -> Items:
    """Whether all are true."""
    return told(all(_booleans(items)))


def any_true(frame: Frame, items: Items) -> Items:
    """Whether one is true."""
    return told(any(_booleans(items)))


def all_false(frame: Frame, items: Items) -> Items:
    """Whether all are false."""
    return told(not any(_booleans(items)))


def any_false(frame: Frame, items: Items) -> Items:
    """Whether one is false."""
    return told(not all(_booleans(items)))


def subset_of(frame: Frame, items: Items, other: Items) -> Items:
    """Whether the other collection has each item."""
    keys = {equality.key(item) for item in other}
    return told(all(equality.key(item) in keys for item in items))


def superset_of(frame: Frame, items: Items, other: Items) -> Items:
    """Whether each item of the other collection is here."""
    return subset_of(frame, other, items)


def count(frame: Frame, items: Items) -> Items:
    """How many."""
    return (of(len(items)),)


def distinct(frame: Frame, items: Items) -> Items:
    """Each value once."""
    return _distinct(items)


def is_distinct(frame: Frame, items: Items) -> Items:
    """Whether no value is there twice."""
    return told(len(items) < 2 or len(_distinct(items)) == len(items))


PLAIN: Mapping[str, Function] = {
    "empty": Function(empty), "not": Function(negated), "count": Function(count),
    "allTrue": Function(all_true), "anyTrue": Function(any_true), "allFalse": Function(all_false),
    "anyFalse": Function(any_false), "subsetOf": Function(subset_of, 1, 1), "supersetOf": Function(superset_of, 1, 1),
    "distinct": Function(distinct), "isDistinct": Function(is_distinct),
}
ITERATING: Mapping[str, Function] = {"exists": Function(exists, 0, 1), "all": Function(every, 1, 1)}
