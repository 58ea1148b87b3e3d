"""Values that FHIRPath works on: elements of a resource with their type, and values of its own (N1 "Type system")."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from fhir.definitions.structures import Key, structures
from fhir.path import temporal
from fhir.path.quantity import Quantity

SYSTEM = "System."
BOOLEAN, STRING, INTEGER, DECIMAL = "System.Boolean", "System.String", "System.Integer", "System.Decimal"
DATE, DATE_TIME, TIME, QUANTITY = "System.Date", "System.DateTime", "System.Time", "System.Quantity"
TYPE_INFO = "System.TypeInfo"            # what type() tells: a namespace and a name


class Node:
    """An element: `value` as JSON tells it, `type` the name of its structure, `beside` what stands under `_name`.

    A value that FHIRPath computed has a type of namespace System and a Python value: bool, str, int, Decimal,
    Temporal or Quantity. `parent`, `key` and `index` tell where an element stands, if it was reached from another
    (`index` None: no array).
    """

    __slots__ = ("beside", "index", "key", "parent", "type", "value")

    def __init__(self, value: Any, type: str, beside: Any = None, parent: "Node | None" = None,  # noqa: A002
                 key: str = "", index: int | None = None) -> None:
        self.value = value
        self.type = type
        self.beside = beside
        self.parent = parent
        self.key = key
        self.index = index

    def __repr__(self) -> str:
        return f"Node({self.value!r}, {self.type!r})"

    @property
    def system(self) -> Any:
        """The value as FHIRPath computes with it; a dictionary for what has elements; None if there is none.

        A primitive whose value breaks its type's format has none.
        """
        read = _AS_SYSTEM.get(self.type)
        if read is not None:
            return read(self.value)
        return _of_structure(self.value, self.type)

    @property
    def primitive(self) -> bool:
        """Whether it is a primitive of FHIR."""
        return self.type in _AS_SYSTEM and not self.type.startswith(SYSTEM)

    def member(self, name: str) -> list["Node"]:
        """Elements of a name, those of a choice under whatever key they stand."""
        value = self.value if type(self.value) is dict else self.beside
        if type(value) is not dict:
            return []
        keys = _members(self.type).get(name)
        if keys is None:
            return []
        if len(keys) == 1:
            (key, kind), = keys.items()
            return self._at(value, key, kind)
        return [node for key in value if (bare := key.removeprefix("_")) in keys
                and (bare is key or bare not in value) for node in self._at(value, bare, keys[bare])]

    def children(self) -> list["Node"]:
        """All elements, in the order in which they stand."""
        value = self.value if type(self.value) is dict else self.beside
        if type(value) is not dict:
            return []
        keys = structures()[self.type].keys if self.type in structures() else _NOTHING
        found: list[Node] = []
        for key in value:
            if key[:1] != "_":
                kind = keys.get(key)
            else:
                key = key[1:]
                kind = keys.get(key) if key not in value else None
            if kind is not None:
                found += self._at(value, key, kind.type)
        return found

    def _at(self, value: Mapping[str, Any], key: str, kind: str) -> list["Node"]:
        """The elements under a key."""
        told = value.get(key)
        read = kind in _AS_SYSTEM
        beside = value.get("_" + key) if read else None
        if told is None and beside is None:
            return []
        if type(told) is list or type(beside) is list:
            return list(self._all(told, beside, key, kind))
        if kind == "Resource":
            kind = resource_type(told)
        return [Node(told, kind, beside, self, key)]

    def _all(self, told: Any, beside: Any, key: str, kind: str) -> Iterator["Node"]:
        values = told if type(told) is list else ()
        others = beside if type(beside) is list else ()
        for index in range(max(len(values), len(others))):
            one = values[index] if index < len(values) else None
            other = others[index] if index < len(others) else None
            if one is not None or other is not None:
                yield Node(one, resource_type(one) if kind == "Resource" else kind, other, self, key, index)


_NOTHING: Mapping[str, Key] = {}


def resource(value: Mapping[str, Any]) -> Node:
    """The root of a resource."""
    return Node(value, resource_type(value))


def resource_type(value: Any) -> str:
    """The type a resource names itself; `Resource` if it names none that there is."""
    told = value.get("resourceType") if type(value) is dict else None
    return told if type(told) is str and told in structures() else "Resource"


@cache
def _members(kind: str) -> Mapping[str, Mapping[str, str]]:
    """Element name, its JSON keys, the type each stands for."""
    if kind == TYPE_INFO:
        return {name: {name: STRING} for name in ("namespace", "name")}
    if kind not in structures():
        return {}
    structure = structures()[kind]
    if structure.primitive:              # its value is itself
        return {name: dict(keys) for name, keys in structure.key_of.items() if name != "value"}
    return {name: dict(keys) for name, keys in structure.key_of.items()}


def _text(value: Any) -> str | None:
    return value if type(value) is str else None


def _integer(value: Any) -> int | None:
    return value if type(value) is int else None


def _decimal(value: Any) -> Decimal | None:
    if type(value) is int:
        return Decimal(value)
    return value if type(value) is Decimal else Decimal(repr(value)) if type(value) is float else None


def _boolean(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _date(value: Any) -> temporal.Temporal | None:
    return temporal.read_date(value) if type(value) is str else None


def _date_time(value: Any) -> temporal.Temporal | None:
    return temporal.read_date_time(value) if type(value) is str else None


def _time(value: Any) -> temporal.Temporal | None:
    return temporal.read_time(value) if type(value) is str else None


def _itself(value: Any) -> Any:
    return value


_AS_SYSTEM: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("base64Binary", "canonical", "code", "id", "markdown", "oid", "string", "uri", "url", "uuid",
                     "xhtml"), _text),
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), _integer),
    "decimal": _decimal, "boolean": _boolean, "date": _date, "dateTime": _date_time, "instant": _date_time,
    "time": _time, **dict.fromkeys((BOOLEAN, STRING, INTEGER, DECIMAL, DATE, DATE_TIME, TIME, QUANTITY), _itself),
}


def _of_structure(value: Any, kind: str) -> Any:
    """A FHIR Quantity as one of FHIRPath (http://hl7.org/fhir/R4/fhirpath.html#quantity); all others as they stand."""
    if type(value) is dict and is_a(kind, "Quantity") and "comparator" not in value:
        number = _decimal(value.get("value"))
        unit = value.get("code") if value.get("system") == UCUM else value.get("unit", value.get("code"))
        if number is not None:
            return Quantity(number, unit if type(unit) is str else "1")
    return value


UCUM = "http://unitsofmeasure.org"


@cache
def is_a(kind: str, other: str) -> bool:
    """Whether a type is another or descends from it."""
    return kind == other or (not kind.startswith(SYSTEM) and structures().is_a(kind, other))


_SYSTEM_TYPES = frozenset((BOOLEAN, STRING, INTEGER, DECIMAL, DATE, DATE_TIME, TIME, QUANTITY))


def type_named(name: str) -> str | None:
    """What a type specifier means: a structure's name, or one with `System.`; None if there is no such type."""
    space, _, rest = name.rpartition(".")
    if space in ("", "FHIR") and rest in structures():
        return rest
    if space in ("", "System") and SYSTEM + rest in _SYSTEM_TYPES:
        return SYSTEM + rest
    return "System.Any" if name in ("Any", "System.Any") else None


def of(value: Any) -> Node:
    """A value that FHIRPath computed."""
    return Node(value, _type_of(value))


def _type_of(value: Any) -> str:
    if type(value) is bool:
        return BOOLEAN
    if type(value) is str:
        return STRING
    if type(value) is int:
        return INTEGER
    if type(value) is Decimal:
        return DECIMAL
    if type(value) is Quantity:
        return QUANTITY
    return SYSTEM + str(value.kind)
