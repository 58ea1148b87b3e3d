"""Resources and types of FHIR R4, element by element (http://hl7.org/fhir/R4/elementdefinition.html)."""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

CHOICE = "[x]"


class Constraint(NamedTuple):
    """An invariant: a FHIRPath expression that must be true of the element it stands at."""

    key: str
    severity: str                        # error or warning
    human: str
    expression: str


class Binding(NamedTuple):
    """Where an element's codes come from; `required`, `extensible`, `preferred` or `example`."""

    strength: str
    value_set: str                       # canonical URL without version


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a structure. `types` are names of structures: of data types, or of the backbone it opens itself.

    A choice (`value[x]`) has its name without the brackets, `choice` set, and one key for each type.
    """

    name: str
    min: int
    max: int | None                      # None: any number
    types: tuple[str, ...]
    choice: bool = False
    targets: tuple[str, ...] = ()        # resource types that a Reference or canonical may name; none: any
    binding: Binding | None = None
    constraints: tuple[Constraint, ...] = ()
    summary: bool = False
    modifier: bool = False
    pattern: str = ""                    # regular expression of a primitive's value

    @property
    def repeats(self) -> bool:
        """Whether it is an array in JSON."""
        return self.max is None or self.max > 1


class Key(NamedTuple):
    """What a key of a JSON object stands for."""

    element: Element
    type: str                            # name of a structure


@dataclass(frozen=True)
class Structure:
    """A resource type, a data type, or a backbone element, whose name is its path: `Patient.contact`."""

    name: str
    kind: str                            # resource, complex-type, primitive-type, backbone
    base: str
    abstract: bool
    constraints: tuple[Constraint, ...]
    elements: Mapping[str, Element]      # by name, inherited ones among them, in the order of XML

    @property
    def primitive(self) -> bool:
        """Whether a JSON value is a string, number or boolean, with id and extensions beside it under `_name`."""
        return self.kind == "primitive-type"

    @cached_property
    def keys(self) -> Mapping[str, Key]:
        """JSON keys, in the order of XML: a choice has one for each type (`valueQuantity`)."""
        found = {}
        for element in self.elements.values():
            for one in element.types:
                name = element.name + one[0].upper() + one[1:] if element.choice else element.name
                found[name] = Key(element, one)
        return found

    @cached_property
    def key_of(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """Element name to its JSON keys, each with the type it stands for."""
        found: dict[str, list[tuple[str, str]]] = {}
        for key, (element, kind) in self.keys.items():
            found.setdefault(element.name, []).append((key, kind))
        return {name: tuple(keys) for name, keys in found.items()}


class Structures(Mapping[str, Structure]):
    """All structures by name, each made when it is first asked for."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told: Mapping[str, Any] = told["structures"]
        self._constraints = [Constraint(*one) for one in told["constraints"]]
        self._made: dict[str, Structure] = {}

    def __getitem__(self, name: str) -> Structure:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._structure(name, self._told[name])
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)

    @cached_property
    def resource_types(self) -> tuple[str, ...]:
        """Types of which resources may be, in alphabetical order."""
        return tuple(sorted(
            name for name, one in self._told.items() if one["kind"] == "resource" and not one["abstract"]))

    def is_a(self, name: str, other: str) -> bool:
        """Whether a type is another or descends from it: Patient is a DomainResource, Age a Quantity, id a string."""
        while name != other:
            one = self._told.get(name)
            if one is None or not one["base"]:
                return False
            name = one["base"]
        return True

    def _structure(self, name: str, told: Mapping[str, Any]) -> Structure:
        elements = [self._element(one) for one in told["elements"]]
        return Structure(name, told["kind"], told["base"], bool(told["abstract"]), self._of(told),
                         {one.name: one for one in elements})

    def _element(self, told: Mapping[str, Any]) -> Element:
        content = told.get("content")
        return Element(
            told["name"].removesuffix(CHOICE), told["min"], told.get("max"),
            types=(content,) if content else tuple(told["types"]), choice=told["name"].endswith(CHOICE),
            targets=tuple(told.get("targets", ())), binding=Binding(*told["binding"]) if "binding" in told else None,
            constraints=self._of(told), summary=told.get("summary", False), modifier=told.get("modifier", False),
            pattern=told.get("pattern", ""))

    def _of(self, told: Mapping[str, Any]) -> tuple[Constraint, ...]:
        return tuple(self._constraints[number] for number in told.get("constraints", ()))


def read(name: str) -> Any:
    """A file of data/."""
    return orjson.loads(gzip.decompress(files("fhir.definitions").joinpath(f"data/{name}.json.gz").read_bytes()))


@cache
def structures() -> Structures:
    """The structures of FHIR 4.0.1."""
    return Structures(read("structures"))
