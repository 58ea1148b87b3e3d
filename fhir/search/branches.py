"""Search expressions as ways through a resource's JSON, where that is all they are.

Nearly all of R4's are: elements, `ofType`, `as`, `where` on a code or on the type a reference tells, and unions. With
the types known from the definitions each is a list of JSON keys; what is more goes to `fhir.path`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fhir.definitions.structures import Element, structures
from fhir.path.errata import ERRATA
from fhir.path.nodes import is_a, type_named
from fhir.path.references import target
from fhir.path.syntax import Binary, Call, Literal, Member, OfType, Path, Tree, Variable, parse


@dataclass(frozen=True, slots=True)
class Same:
    """Those elements one of whose own is a given string."""

    name: str
    value: str

    def holds(self, value: Mapping[str, Any], resource: Mapping[str, Any]) -> bool:
        return bool(value.get(self.name) == self.value)


@dataclass(frozen=True, slots=True)
class Leads:
    """Those references that lead to a resource of a type."""

    type: str

    def holds(self, value: Mapping[str, Any], resource: Mapping[str, Any]) -> bool:
        told = value.get("reference")
        if type(told) is not str:
            return value.get("type") == self.type
        if told.startswith("#"):
            contained = resource.get("contained")
            return any(type(one) is dict and one.get("id") == told[1:] and one.get("resourceType") == self.type
                       for one in (contained if type(contained) is list else ()))
        return (target(told).type or value.get("type")) == self.type


Step = str | Same | Leads                # a JSON key, or which of the elements


@dataclass(frozen=True, slots=True)
class Branch:
    """Steps from an element to others of one type; `top` where they start at the resource instead."""

    steps: tuple[Step, ...]
    type: str
    element: Element | None = None
    top: bool = False


def branches(expression: str, start: str, resource: str) -> list[Branch] | None:
    """The ways an expression takes from an element of a type; None if it takes more than ways."""
    try:
        return list(_ways(parse(ERRATA.get(expression, expression)), start, resource))
    except _MoreThanWays:
        return None


class _MoreThanWays(Exception):
    pass


def _ways(tree: Tree, start: str, resource: str) -> Iterator[Branch]:
    compute: Callable[..., Iterator[Branch]] | None = _KINDS.get(type(tree))
    if compute is None:
        raise _MoreThanWays
    yield from compute(tree, start, resource)


def _member(tree: Member, start: str, resource: str) -> Iterator[Branch]:
    itself = Branch((), start)
    if tree.name[:1].isupper() and type_named(tree.name):
        if is_a(start, tree.name):
            yield itself
    else:
        yield from _children(itself, tree.name)


def _children(branch: Branch, name: str) -> Iterator[Branch]:
    if branch.type not in structures() or structures()[branch.type].primitive:
        return
    structure = structures()[branch.type]
    for key, kind in structure.key_of.get(name, ()):
        yield Branch((*branch.steps, key), kind, structure.elements[name], branch.top)


def _path(tree: Path, start: str, resource: str) -> Iterator[Branch]:
    for branch in _ways(tree.left, start, resource):
        if isinstance(tree.step, Member):
            yield from _children(branch, tree.step.name)
        elif isinstance(tree.step, Call) and tree.step.name in ("ofType", "as") and len(tree.step.arguments) == 1:
            yield from _typed(branch, tree.step.arguments[0])
        elif isinstance(tree.step, Call) and tree.step.name == "where" and len(tree.step.arguments) == 1:
            yield replace(branch, steps=(*branch.steps, _condition(tree.step.arguments[0], branch)))
        else:
            raise _MoreThanWays


def _typed(branch: Branch, kind: Tree) -> Iterator[Branch]:
    if not isinstance(kind, Member):
        raise _MoreThanWays
    if is_a(branch.type, kind.name):
        yield branch


def _of_type(tree: OfType, start: str, resource: str) -> Iterator[Branch]:
    if tree.operator != "as":
        raise _MoreThanWays
    return (one for one in _ways(tree.left, start, resource) if is_a(one.type, tree.type))


def _condition(tree: Tree, branch: Branch) -> Step:
    if isinstance(tree, Binary) and tree.operator == "=" and isinstance(tree.left, Member) \
            and isinstance(tree.right, Literal) and tree.right.kind == "string":
        ways = list(_children(Branch((), branch.type), tree.left.name))
        if len(ways) == 1 and ways[0].element is not None and not ways[0].element.repeats:
            return Same(str(ways[0].steps[0]), tree.right.text)
    if isinstance(tree, OfType) and tree.operator == "is" and tree.left == Call("resolve", ()) \
            and branch.type == "Reference":
        return Leads(tree.type)
    raise _MoreThanWays


def _union(tree: Binary, start: str, resource: str) -> Iterator[Branch]:
    if tree.operator != "|":
        raise _MoreThanWays
    yield from _ways(tree.left, start, resource)
    yield from _ways(tree.right, start, resource)


def _top(tree: Variable, start: str, resource: str) -> Iterator[Branch]:
    if tree.name != "resource":
        raise _MoreThanWays
    yield Branch((), resource, top=True)


_KINDS: Mapping[type, Callable[..., Iterator[Branch]]] = {
    Member: _member, Path: _path, OfType: _of_type, Binary: _union, Variable: _top}
