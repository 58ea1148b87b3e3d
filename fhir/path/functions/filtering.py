"""Filtering and projection (http://hl7.org/fhirpath/N1/#filtering-and-projection), aggregate."""

from collections import deque
from collections.abc import Mapping

from fhir.path import equality
from fhir.path.evaluation import NONE, Frame, Items, Lambda, truth
from fhir.path.functions.table import Function
from fhir.path.nodes import Node


def where(frame: Frame, items: Items, criteria: Lambda) -> Items:
    """Those for which the criteria are true."""
    if not items:
        return NONE
    frame.spend(len(items))
    outer, found = frame.index, []
    for frame.index, item in enumerate(items):
        if truth(criteria(frame, (item,))):
            found.append(item)
    frame.index = outer
    return found


def select(frame: Frame, items: Items, projection: Lambda) -> Items:
    """What the projection finds of each, all together."""
    outer = frame.index
    found: list[Node] = []
    for frame.index, item in enumerate(items):
        some = projection(frame, (item,))
        frame.spend(1 + len(some))
        found += some
    frame.index = outer
    return found


def repeat(frame: Frame, items: Items, projection: Lambda) -> Items:
    """What the projection finds, and finds of that, and so on; each value once."""
    found: dict[object, Node] = {}
    waiting = deque(items)
    while waiting:
        some = projection(frame, (waiting.popleft(),))
        frame.spend(1 + len(some))
        for item in some:
            key = equality.key(item)
            if key not in found:
                found[key] = item
                waiting.append(item)
    return tuple(found.values())


def aggregate(frame: Frame, items: Items, aggregator: Lambda, initial: Lambda | None = None) -> Items:
    """`$total` after the aggregator has been evaluated for each item."""
    outer = frame.index, frame.total
    frame.total = initial(frame, (frame.node,)) if initial else NONE
    for frame.index, item in enumerate(items):
        frame.total = aggregator(frame, (item,))
        frame.spend(1 + len(frame.total))
    total = frame.total
    frame.index, frame.total = outer
    return total


ITERATING: Mapping[str, Function] = {
    "where": Function(where, 1, 1), "select": Function(select, 1, 1), "repeat": Function(repeat, 1, 1),
    "aggregate": Function(aggregate, 1, 2),
}
