"""FHIRPath Patch (http://hl7.org/fhir/R4/fhirpatch.html): operations told by a Parameters resource."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from fhir import path
from fhir.definitions.structures import Element, structures
from fhir.path import Context, Node
from fhir.path.evaluation import Items
from fhir.path.nodes import is_a
from pacsd.faults import Fault, PacsdError

MAX_OPERATIONS = 1_000
MAX_STEPS = 50_000                       # of one operation's path
_MAX_NESTING = 20                        # parts within parts


class Operation(NamedTuple):
    """An operation: its type and path, and its other parts by name."""

    type: str
    path: str
    parts: Mapping[str, Mapping[str, Any]]


class _Value(NamedTuple):
    """What an operation adds: a value with the type it was told by, and what belongs beside a primitive."""

    type: str                            # empty: of parts, for an element without a type's name
    value: Any
    beside: Any = None


def apply(resource: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A resource after all operations, one after the other; the one given stays as it is.

    Raises PacsdError: MALFORMED for what is no operation, MISMATCH where a path finds nothing or too much or a value
    does not fit, TOO_MUCH beyond the bounds.
    """
    patched = deepcopy(dict(resource))
    for operation in _operations(parameters):
        _OPERATIONS[operation.type](patched, operation)
    if patched.get("resourceType") != resource.get("resourceType"):
        raise PacsdError(Fault.MISMATCH, "a patch does not change a resource's type")
    return patched


def _operations(parameters: Mapping[str, Any]) -> Iterator[Operation]:
    told = parameters.get("parameter", [])
    if parameters.get("resourceType") != "Parameters" or type(told) is not list:
        raise PacsdError(Fault.MALFORMED, "a FHIRPath Patch is a Parameters resource")
    if len(told) > MAX_OPERATIONS:
        raise PacsdError(Fault.TOO_MUCH, f"a patch of more than {MAX_OPERATIONS} operations")
    for one in told:
        if type(one) is not dict or one.get("name") != "operation":
            raise PacsdError(Fault.MALFORMED, "each parameter of a FHIRPath Patch is an operation")
        yield _operation(one)


def _operation(told: Mapping[str, Any]) -> Operation:
    rows = told.get("part")
    rows = rows if type(rows) is list else []
    if not all(type(row) is dict and type(row.get("name")) is str for row in rows):
        raise PacsdError(Fault.MALFORMED, "each part of an operation has a name")
    parts = {row["name"]: row for row in rows}
    if len(parts) != len(rows):
        raise PacsdError(Fault.MALFORMED, "a part of an operation stands there twice")
    kind, text = _text(parts, "type", "valueCode", "valueString"), _text(parts, "path", "valueString")
    if kind not in _OPERATIONS:
        raise PacsdError(Fault.MALFORMED, f"there is no operation {kind!r}: it is add, insert, delete, replace or move")
    return Operation(kind, text, parts)


def _text(parts: Mapping[str, Mapping[str, Any]], name: str, *keys: str) -> str:
    part = parts.get(name, {})
    for key in keys:
        if type(part.get(key)) is str:
            return str(part[key])
    raise PacsdError(Fault.MALFORMED, f"an operation has a part {name} with {keys[0]}")


def _number(parts: Mapping[str, Mapping[str, Any]], name: str) -> int:
    value = parts.get(name, {}).get("valueInteger")
    if type(value) is not int or value < 0:
        raise PacsdError(Fault.MALFORMED, f"an operation has a part {name} with valueInteger, from 0")
    return value


# -- values

def _value(operation: Operation) -> _Value:
    part = operation.parts.get("value")
    if part is None:
        raise PacsdError(Fault.MALFORMED, f"{operation.type} has a part value")
    return _of_part(part)


def _of_part(part: Mapping[str, Any], depth: int = 0) -> _Value:
    keys = structures()["Parameters.parameter"].keys
    for key, value in part.items():
        bare = key.removeprefix("_")
        if bare.startswith("value") and bare in keys:
            return _Value(keys[bare].type, deepcopy(part.get(bare)), deepcopy(part.get("_" + bare)))
        if key == "resource" and type(value) is dict:
            return _Value("Resource", deepcopy(value))
    if type(part.get("part")) is not list or depth > _MAX_NESTING:
        raise PacsdError(Fault.MALFORMED, "a part value has value[x], a resource, or parts")
    return _Value("", [(str(one.get("name")), _of_part(one, depth + 1)) for one in part["part"] if type(one) is dict])


def _put(container: dict[str, Any], kind: str, name: str, value: _Value) -> None:
    """Add a value to a container of a type: at the end of an element that repeats, else where there is none yet."""
    element, key, made = _fitting(kind, name, value)
    taken = [one for one, _ in structures()[kind].key_of[element.name] if one in container or f"_{one}" in container]
    if element.repeats:
        _insert(container, key, _length(container, key), made)
    elif taken:
        raise PacsdError(Fault.MISMATCH, f"there is already a {name}, which does not repeat")
    else:
        _set(container, key, made)


def _fitting(kind: str, name: str, value: _Value) -> tuple[Element, str, _Value]:
    """The element of a name, its JSON key for a value's type, and the value as it stands there."""
    structure = structures()[kind]
    element = structure.elements.get(name) or (structure.keys[name].element if name in structure.keys else None)
    if element is None:
        raise PacsdError(Fault.MISMATCH, f"a {kind} has no element {name}")
    for key, wanted in structure.key_of[element.name]:
        if _fits(wanted, value, choice=element.choice) and name in (key, element.name):
            return element, key, _built(wanted, value)
    raise PacsdError(Fault.MISMATCH, f"{kind}.{element.name} takes no {value.type or 'parts'}")


def _fits(wanted: str, value: _Value, *, choice: bool) -> bool:
    if not value.type:
        return not structures()[wanted].primitive
    if choice:
        return value.type == wanted
    if structures()[wanted].primitive or structures()[value.type].primitive:
        return structures()[wanted].primitive and structures()[value.type].primitive
    return is_a(value.type, wanted) or is_a(wanted, value.type)


def _built(kind: str, value: _Value) -> _Value:
    """A value of parts as an element of the type that is wanted."""
    if value.type:
        return value
    made: dict[str, Any] = {}
    for name, part in value.value:
        _put(made, kind, name, part)
    return _Value(kind, made)


# -- arrays of primitives have a second array beside them

def _length(container: Mapping[str, Any], key: str) -> int:
    return max((len(told) for one in (key, f"_{key}") if type(told := container.get(one)) is list), default=0)


def _set(container: dict[str, Any], key: str, made: _Value) -> None:
    for one, value in ((key, made.value), (f"_{key}", made.beside)):
        if value is not None:
            container[one] = value
        else:
            container.pop(one, None)


def _insert(container: dict[str, Any], key: str, index: int, made: _Value) -> None:
    size = _length(container, key)
    for one, value in ((key, made.value), (f"_{key}", made.beside)):
        told = container.get(one)
        if type(told) is not list:
            if value is None:
                continue
            told = container[one] = []
        told += [None] * (size - len(told))
        told.insert(index, value)


def _take(container: dict[str, Any], key: str, index: int | None) -> _Value:
    """Remove an element; empty arrays go with it."""
    taken = []
    for one in (key, f"_{key}"):
        told = container.get(one)
        if index is None or type(told) is not list:
            taken.append(container.pop(one, None))
            continue
        taken.append(told.pop(index) if index < len(told) else None)
        if all(left is None for left in told):
            del container[one]
    return _Value("", *taken)


# -- operations

def _found(resource: dict[str, Any], operation: Operation) -> Items:
    root = path.resource(resource)
    nodes = path.compile(operation.path).evaluate(root, Context(steps=MAX_STEPS))
    for node in nodes:
        if node.parent is None and node.value is not resource:
            raise PacsdError(Fault.MISMATCH, f"the path {operation.path[:200]} leads to no element of the resource")
    return nodes


def _only(resource: dict[str, Any], operation: Operation) -> Node:
    nodes = _found(resource, operation)
    if len(nodes) != 1:
        raise PacsdError(Fault.MISMATCH, f"the path {operation.path[:200]} leads to {len(nodes)} elements, not one")
    return nodes[0]


def _container(node: Node) -> tuple[dict[str, Any], str]:
    """The object an element stands in, and its type."""
    parent = node.parent
    if parent is None:
        raise PacsdError(Fault.MISMATCH, "a patch neither deletes nor replaces the resource itself")
    return (parent.value if type(parent.value) is dict else parent.beside), parent.type


def _add(resource: dict[str, Any], operation: Operation) -> None:
    node = _only(resource, operation)
    name, value = _text(operation.parts, "name", "valueString", "valueCode"), _value(operation)
    if type(node.value) is dict:
        _put(node.value, node.type, name, value)
        return
    container, _ = _container(node)
    beside = dict(node.beside) if type(node.beside) is dict else {}
    _put(beside, node.type, name, value)
    _change(container, node, _Value(node.type, node.value, beside))


def _change(container: dict[str, Any], node: Node, made: _Value) -> None:
    if node.index is None:
        _set(container, node.key, made)
    else:
        _take(container, node.key, node.index)
        _insert(container, node.key, node.index, made)


def _list(resource: dict[str, Any], operation: Operation) -> tuple[dict[str, Any], str, str]:
    """The object, its type and the key of the list that a path leads to: all of an element that repeats."""
    nodes = _found(resource, operation)
    places = {(id(node.parent.value if node.parent else None), node.key) for node in nodes}
    if not nodes or len(places) != 1 or nodes[0].index is None:
        raise PacsdError(Fault.MISMATCH, f"the path {operation.path[:200]} leads to no list")
    container, kind = _container(nodes[0])
    if _length(container, nodes[0].key) != len(nodes):
        raise PacsdError(Fault.MISMATCH, f"the path {operation.path[:200]} leads to a part of a list")
    return container, kind, nodes[0].key


def _insert_at(resource: dict[str, Any], operation: Operation) -> None:
    index, value = _number(operation.parts, "index"), _value(operation)
    container, kind, key = _list(resource, operation)
    if index > _length(container, key):
        raise PacsdError(Fault.MISMATCH, f"the list has no place {index}")
    _, _, made = _fitting(kind, key, value)
    _insert(container, key, index, made)


def _delete(resource: dict[str, Any], operation: Operation) -> None:
    """One element, or none: what is not there need not be deleted."""
    nodes = _found(resource, operation)
    if not nodes:
        return
    node = _only(resource, operation)
    _take(_container(node)[0], node.key, node.index)
    _emptied(node.parent)


def _emptied(node: Node | None) -> None:
    """Take away an element that has nothing left, and those around it that have nothing but it."""
    while node is not None and node.parent is not None:
        container, _ = _container(node)
        if node.beside == {} and node.value is not None and node.value != {}:
            _change(container, node, _Value(node.type, node.value))
            return
        if {} not in (node.value, node.beside):
            return
        _take(container, node.key, node.index)
        node = node.parent


def _replace(resource: dict[str, Any], operation: Operation) -> None:
    node, value = _only(resource, operation), _value(operation)
    container, kind = _container(node)
    name = structures()[kind].keys[node.key].element.name
    _, key, made = _fitting(kind, name, value)
    if key != node.key:
        _take(container, node.key, None)
        _set(container, key, made)
    else:
        _change(container, node, made)


def _move(resource: dict[str, Any], operation: Operation) -> None:
    source, destination = _number(operation.parts, "source"), _number(operation.parts, "destination")
    container, _, key = _list(resource, operation)
    if max(source, destination) >= _length(container, key):
        raise PacsdError(Fault.MISMATCH, f"the list has no place {max(source, destination)}")
    taken = _take(container, key, source)
    _insert(container, key, destination, taken)


_OPERATIONS: Mapping[str, Callable[[dict[str, Any], Operation], None]] = {
    "add": _add, "insert": _insert_at, "delete": _delete, "replace": _replace, "move": _move}
