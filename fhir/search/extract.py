"""What each search parameter finds in a resource (http://hl7.org/fhir/R4/search.html), in one walk through it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fhir import path
from fhir.definitions import search_parameters, value_sets
from fhir.definitions.structures import Element
from fhir.path.errata import COMPONENTS
from fhir.path.nodes import Node, resource_type
from fhir.search import elements
from fhir.search.branches import Branch, Step, branches
from fhir.search.elements import Convert, Settings, Systems
from fhir.search.values import Found, Value
from pacsd.faults import PacsdError

MAX_FOUND = 100_000                      # values of one resource
_PLAIN = Settings()
_NO_SYSTEMS: Systems = {}


class _Walk:
    """A walk through one resource: what was found, and how many elements of each composite.

    Several parameters, and composites of them, take the same elements: `taken` keeps what those with elements of
    their own were converted to.
    """

    __slots__ = ("found", "positions", "resource", "taken")

    def __init__(self, resource: Mapping[str, Any], taken: "_Taken | None" = None) -> None:
        self.resource = resource
        self.found: list[Found] = []
        self.positions: dict[str, int] = {}
        self.taken: _Taken = {} if taken is None else taken


_Taken = dict[tuple[int, Convert], list[tuple[str, Value]]]
Sink = Callable[[Any, _Walk], None]      # takes an element that a parameter leads to


@dataclass(slots=True)
class _Place:
    """A place in resources: who takes what stands there, and where it goes on."""

    sinks: list[Sink] = field(default_factory=list)
    keys: dict[str, "_Place"] = field(default_factory=dict)
    conditions: dict[Step, "_Place"] = field(default_factory=dict)

    def at(self, steps: Iterable[Step]) -> "_Place":
        place = self
        for step in steps:
            further = place.keys if isinstance(step, str) else place.conditions
            place = further.setdefault(step, _Place())  # type: ignore[arg-type]
        return place


def _visit(place: _Place, value: Any, walk: _Walk) -> None:
    if type(value) is list:
        for one in value:
            _visit(place, one, walk)
        return
    for sink in place.sinks:
        sink(value, walk)
    if type(value) is not dict:
        return
    for key, further in place.keys.items():
        one = value.get(key)
        if one is not None:
            _visit(further, one, walk)
    for condition, further in place.conditions.items():
        if condition.holds(value, walk.resource):  # type: ignore[union-attr]
            _visit(further, value, walk)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How resources of a type are walked, and the expressions that need more than a walk."""

    root: _Place
    others: tuple[tuple[path.Expression, Callable[[Node], Sink | None]], ...]


def extract(resource: dict[str, Any], settings: Settings = _PLAIN) -> list[Found]:
    """All that a resource's search parameters find in it, each value once.

    What cannot be compared, since it breaks its type's format or has more digits than are kept, is not found: it
    never raises. At most MAX_FOUND values are told.
    """
    plan = _plan(resource_type(resource), settings)
    walk = _Walk(resource)
    _visit(plan.root, resource, walk)
    if plan.others:
        _evaluated(plan, path.resource(resource), walk)
    return list(dict.fromkeys(walk.found))[:MAX_FOUND]


def _evaluated(plan: _Plan, root: Node, walk: _Walk) -> None:
    for expression, sink_of in plan.others:
        try:
            nodes = expression.evaluate(root)
        except PacsdError:               # elements that break their cardinality: not found by this parameter
            continue
        for node in nodes:
            sink = sink_of(node)
            if sink is not None:
                sink(node.value, walk)


@lru_cache(1024)
def _plan(kind: str, settings: Settings) -> _Plan:
    root, others = _Place(), []
    for parameter in search_parameters.parameters().get(kind, {}).values():
        ways = branches(parameter.expression, kind, kind) if parameter.expression else []
        if ways is not None:
            for way in ways:
                _add(root, way, _sink(parameter, way, settings))
        else:
            others.append((path.compile(parameter.expression), _sinks_by_type(parameter, settings)))
    return _Plan(root, tuple(others))


def _add(root: _Place, way: Branch, sink: Sink | None) -> None:
    if sink is not None:
        root.at(way.steps).sinks.append(sink)


def _sinks_by_type(parameter: search_parameters.Parameter, settings: Settings) -> Callable[[Node], Sink | None]:
    made: dict[str, Sink | None] = {}

    def sink_of(node: Node) -> Sink | None:
        if node.type not in made:
            made[node.type] = _sink(parameter, Branch((), node.type), settings)
        return made[node.type]
    return sink_of


def _sink(parameter: search_parameters.Parameter, way: Branch, settings: Settings) -> Sink | None:
    """Who takes the elements a parameter leads to; None if it has no use for such a type."""
    if parameter.type == "composite":
        return _composite(parameter, way, settings)
    return _single(parameter.type, parameter.code, way, settings)


def _single(kind: str, name: str, way: Branch, settings: Settings) -> Sink | None:
    convert = elements.conversion(kind, way.type)
    if convert is None:
        return None
    place = elements.Place(_systems(way.element) if kind == "token" else _NO_SYSTEMS, settings)
    names = {suffix: name + suffix for suffix in ("", ":text", ":of-type", ":identifier")}

    def sink(value: Any, walk: _Walk) -> None:
        if type(value) is not dict:
            walk.found += [Found(names[suffix], one) for suffix, one in convert(place, value)]
            return
        taken = walk.taken.get((id(value), convert))
        if taken is None:
            taken = walk.taken[id(value), convert] = list(convert(place, value))
        walk.found += [Found(names[suffix], one) for suffix, one in taken]
    return sink


def _systems(element: Element | None) -> Systems:
    """The systems of the codes that a required binding lists."""
    if element is None or element.binding is None or element.binding.strength != "required":
        return _NO_SYSTEMS
    return _systems_of(element.binding.value_set)


@lru_cache(1024)
def _systems_of(value_set: str) -> Systems:
    listed = value_sets.required_codes().get(value_set) or {}
    return {code: system for system, codes in listed.items() for code in codes}


def _composite(parameter: search_parameters.Parameter, way: Branch, settings: Settings) -> Sink | None:
    """Takes an element and finds the components from it, all under one position; nothing if one finds nothing."""
    expressions = COMPONENTS.get(parameter.url) or [part.expression for part in parameter.components]
    components = [_component(parameter, number, part._replace(expression=expression), way.type, settings)
                  for number, (part, expression) in enumerate(zip(parameter.components, expressions, strict=True), 1)]
    if not components or None in components:
        return None
    places = [place for place in reversed(components) if place is not None]     # codes are there more often than values

    def sink(value: Any, walk: _Walk) -> None:
        found: list[list[Found]] = []
        for name, top, place in places:
            part = _Walk(walk.resource, walk.taken)
            _visit(place, walk.resource if top else value, part)
            found.append([one for one in part.found if one.name == name])
            if not found[-1]:
                return
        position = walk.positions[parameter.code] = walk.positions.get(parameter.code, -1) + 1
        walk.found += [one._replace(position=position) for part in reversed(found) for one in part]
    return sink


def _component(parameter: search_parameters.Parameter, number: int, part: search_parameters.Component, start: str,
               settings: Settings) -> tuple[str, bool, _Place] | None:
    ways = branches(part.expression, start, parameter.resource)
    name, place = f"{parameter.code}#{number}", _Place()
    for way in ways or ():
        _add(place, way, _single(part.type, name, way, settings))
    return (name, bool(ways and ways[0].top), place) if ways else None
