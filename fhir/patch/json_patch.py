"""JSON Patch (RFC 6902) with JSON Pointers (RFC 6901), on a resource's JSON (http://hl7.org/fhir/R4/http.html#patch)."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from fhir.format import json
from pacsd.faults import Fault, PacsdError

MAX_OPERATIONS = 1_000
MAX_COPIED = 100_000                     # values that copy operations make, all together
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_ESCAPE = re.compile(r"~(?![01])")
_REST = "-"                              # after the last element of an array


def read(body: bytes) -> list[Any]:
    """The operations of a body. Raises PacsdError (MALFORMED) for what is no JSON array."""
    told = json.read(b'{"patch":' + body + b"}")
    if len(told) != 1 or type(told["patch"]) is not list:
        raise PacsdError(Fault.MALFORMED, "a JSON Patch is an array of operations")
    return told["patch"]


def apply(resource: Mapping[str, Any], operations: list[Any]) -> dict[str, Any]:
    """A resource after all operations; the one given stays as it is.

    Raises PacsdError: MALFORMED for what is no operation, MISMATCH where a pointer leads nowhere, CONFLICT where a
    test fails, TOO_MUCH beyond the bounds.
    """
    if len(operations) > MAX_OPERATIONS:
        raise PacsdError(Fault.TOO_MUCH, f"a patch of more than {MAX_OPERATIONS} operations")
    document = _Document(deepcopy(dict(resource)))
    for number, operation in enumerate(operations, 1):
        apply_one = _OPERATIONS.get(operation.get("op")) if _is_operation(operation) else None
        if apply_one is None:
            raise PacsdError(Fault.MALFORMED, f"operation {number} is none of JSON Patch")
        apply_one(document, operation)
    return document.resource(str(resource.get("resourceType")))


def _is_operation(operation: Any) -> bool:
    return type(operation) is dict and type(operation.get("op")) is str


class _Document:
    """A resource on the way; `root` is replaced as a whole by the empty pointer."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._copied = 0

    def resource(self, kind: str) -> dict[str, Any]:
        """What became of it, still a resource of its type, that can be written."""
        if type(self.root) is not dict or self.root.get("resourceType") != kind:
            raise PacsdError(Fault.MISMATCH, f"the patch leaves no {kind}")
        if _size(self.root, 0) is None:
            raise PacsdError(Fault.TOO_MUCH, f"the patch nests deeper than {json.MAX_DEPTH} levels")
        return self.root

    def get(self, pointer: list[str]) -> Any:
        value = self.root
        for token in pointer:
            value = _child(value, token, pointer)
        return value

    def add(self, pointer: list[str], value: Any) -> None:
        if not pointer:
            self.root = value
            return
        parent, token = self.get(pointer[:-1]), pointer[-1]
        if type(parent) is dict:
            parent[token] = value
        elif type(parent) is list:
            parent.insert(len(parent) if token == _REST else _index(token, len(parent) + 1, pointer), value)
        else:
            raise _nowhere(pointer)

    def replace(self, pointer: list[str], value: Any) -> None:
        if not pointer:
            self.root = value
            return
        parent, token = self.get(pointer[:-1]), pointer[-1]
        _child(parent, token, pointer)
        parent[int(token) if type(parent) is list else token] = value

    def remove(self, pointer: list[str]) -> Any:
        if not pointer:
            raise PacsdError(Fault.MISMATCH, "a patch does not remove the resource itself")
        parent, token = self.get(pointer[:-1]), pointer[-1]
        _child(parent, token, pointer)
        return parent.pop(int(token) if type(parent) is list else token)

    def copy(self, pointer: list[str]) -> Any:
        value = self.get(pointer)
        size = _size(value, 0)
        self._copied += MAX_COPIED + 1 if size is None else size
        if self._copied > MAX_COPIED:
            raise PacsdError(Fault.TOO_MUCH, "a patch that copies too much")
        return deepcopy(value)


def _child(value: Any, token: str, pointer: list[str]) -> Any:
    if type(value) is dict and token in value:
        return value[token]
    if type(value) is list:
        return value[_index(token, len(value), pointer)]
    raise _nowhere(pointer)


def _index(token: str, limit: int, pointer: list[str]) -> int:
    if not _INDEX.fullmatch(token) or int(token) >= limit:
        raise _nowhere(pointer)
    return int(token)


def _nowhere(pointer: list[str]) -> PacsdError:
    return PacsdError(Fault.MISMATCH, f"there is nothing at /{'/'.join(pointer)[:200]}")


def _size(value: Any, depth: int) -> int | None:
    """How many values, None if they nest too deep."""
    if type(value) not in (dict, list):
        return 1
    if depth >= json.MAX_DEPTH:
        return None
    total = 1
    for one in value.values() if type(value) is dict else value:
        size = _size(one, depth + 1)
        if size is None:
            return None
        total += size
    return total


def _pointer(operation: Mapping[str, Any], name: str = "path") -> list[str]:
    told = operation.get(name)
    if type(told) is not str or (told and not told.startswith("/")) or _ESCAPE.search(told):
        raise PacsdError(Fault.MALFORMED, f"{name} is no JSON Pointer")
    return [token.replace("~1", "/").replace("~0", "~") for token in told.split("/")[1:]]


def _value(operation: Mapping[str, Any]) -> Any:
    if "value" not in operation:
        raise PacsdError(Fault.MALFORMED, f"{operation['op']} takes a value")
    return deepcopy(operation["value"])


def _add(document: _Document, operation: Mapping[str, Any]) -> None:
    document.add(_pointer(operation), _value(operation))


def _remove(document: _Document, operation: Mapping[str, Any]) -> None:
    document.remove(_pointer(operation))


def _replace(document: _Document, operation: Mapping[str, Any]) -> None:
    document.replace(_pointer(operation), _value(operation))


def _move(document: _Document, operation: Mapping[str, Any]) -> None:
    start, to = _pointer(operation, "from"), _pointer(operation)
    if to == start:
        document.get(start)
        return
    if to[: len(start)] == start:
        raise PacsdError(Fault.MISMATCH, "nothing moves into itself")
    document.add(to, document.remove(start))


def _copy(document: _Document, operation: Mapping[str, Any]) -> None:
    document.add(_pointer(operation), document.copy(_pointer(operation, "from")))


def _test(document: _Document, operation: Mapping[str, Any]) -> None:
    pointer = _pointer(operation)
    if not _same(document.get(pointer), _value(operation)):
        raise PacsdError(Fault.CONFLICT, f"the test of /{'/'.join(pointer)[:200]} failed")


def _same(left: Any, right: Any) -> bool:
    """RFC 6902 4.6: numbers by value; true is no 1."""
    if type(left) is dict and type(right) is dict:
        return left.keys() == right.keys() and all(_same(one, right[key]) for key, one in left.items())
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(_same(*pair) for pair in zip(left, right, strict=True))
    return bool((type(left) is bool) == (type(right) is bool) and left == right)


_OPERATIONS: Mapping[str, Callable[[_Document, Mapping[str, Any]], None]] = {
    "add": _add, "remove": _remove, "replace": _replace, "move": _move, "copy": _copy, "test": _test}
