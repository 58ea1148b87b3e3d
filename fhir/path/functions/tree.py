"""Tree navigation (http://hl7.org/fhirpath/N1/#tree-navigation)."""

from collections.abc import Mapping

from fhir.path.evaluation import Frame, Items
from fhir.path.functions.table import Function
from fhir.path.nodes import Node


def children(frame: Frame, items: Items) -> Items:
    """The elements of each."""
    found = [child for item in items for child in item.children()]
    frame.spend(len(found))
    return found


def descendants(frame: Frame, items: Items) -> Items:
    """The elements of each, and theirs, and so on, nearer ones first."""
    found: list[Node] = []
    level = items
    while level:
        level = children(frame, level)
        found += level
    return found


PLAIN: Mapping[str, Function] = {"children": Function(children), "descendants": Function(descendants)}
