"""Where an operation of XML Patch works: the locations that its `sel` may tell (RFC 5261 section 4.1).

Elements by name or `*`, with predicates of position or equality, then at last an attribute or a text node; no other
axes, functions or operators of XPath, so that finding a place takes one walk down the tree.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pacsd.faults import Fault, PacsdError

MAX_LENGTH = 2_000                       # characters of a location
_NAME = r"(?:[A-Za-z_][\w.-]*:)?[A-Za-z_][\w.-]*"
_STEP = re.compile(rf"(?P<kind>@|text\(\)|comment\(\)|processing-instruction\(|namespace::|id\()?"
                   rf"(?P<name>{_NAME}|\*)?(?P<predicates>(?:\[[^\]'\"]*(?:'[^']*'|\"[^\"]*\")?\s*\])*)")
_PREDICATE = re.compile(
    rf"\[\s*(?:(?P<place>[1-9]\d{{0,8}})|(?:(?P<child>{_NAME}|\.)(?:/@(?P<of>{_NAME}))?|@(?P<attribute>{_NAME}))"
    r"\s*=\s*(?P<text>'[^']*'|\"[^\"]*\"))\s*\]")


class Text(NamedTuple):
    """A text node: before the first child of an element, or after a child (its tail)."""

    element: Any
    tail: bool


class Attribute(NamedTuple):
    """An attribute of an element that has it."""

    element: Any
    name: str


Place = Any                              # an element, Text or Attribute


@dataclass(frozen=True, slots=True)
class _Step:
    kind: str                            # empty: elements; @ or text()
    name: str                            # Clark notation, or *
    predicates: tuple[re.Match[str], ...]


def found(root: Any, location: str, namespaces: Mapping[str | None, str]) -> Place:
    """The one place that a location tells in a tree.

    Raises PacsdError: MALFORMED for what is no location, UNSUPPORTED for what this does not locate, MISMATCH where it
    finds no place or several.
    """
    steps = list(_steps(location, namespaces))
    places: list[Place] = [root] if _all([root], steps[0], namespaces) else []
    for step in steps[1:]:
        places = [one for place in places for one in _from(place, step, namespaces)]
    if len(places) != 1:
        raise PacsdError(Fault.MISMATCH, f"{location!r} locates {len(places)} nodes, not one")
    return places[0]


def qualified(name: str, namespaces: Mapping[str | None, str], *, attribute: bool = False) -> str:
    """A name in Clark notation; without prefix an element is in the patch's default namespace, an attribute in none."""
    prefix, colon, local = name.rpartition(":")
    if not colon:
        space = None if attribute else namespaces.get(None)
        return f"{{{space}}}{local}" if space else local
    if prefix not in namespaces:
        raise PacsdError(Fault.MALFORMED, f"the prefix {prefix!r} is not declared")
    return f"{{{namespaces[prefix]}}}{local}"


def _steps(location: str, namespaces: Mapping[str | None, str]) -> Iterator[_Step]:
    if len(location) > MAX_LENGTH:
        raise PacsdError(Fault.TOO_MUCH, f"a location longer than {MAX_LENGTH} characters")
    at = 1 if location.startswith("/") else 0
    while True:
        found = _STEP.match(location, at)
        if found is None or not found[0]:
            raise PacsdError(Fault.MALFORMED, f"{location!r} is no location of XML Patch")
        yield _step(found, location, namespaces)
        at = found.end()
        if at == len(location):
            return
        if location[at] != "/" or found["kind"]:
            raise PacsdError(Fault.MALFORMED, f"{location!r} is no location of XML Patch")
        at += 1


def _step(found: re.Match[str], location: str, namespaces: Mapping[str | None, str]) -> _Step:
    kind, name = found["kind"] or "", found["name"] or ""
    if kind not in ("", "@", "text()"):
        raise PacsdError(Fault.UNSUPPORTED, f"{location!r}: a resource is not patched at {kind}…")
    if bool(name) is (kind == "text()"):
        raise PacsdError(Fault.MALFORMED, f"{location!r} is no location of XML Patch")
    predicates = tuple(_predicates(found["predicates"], location))
    if name not in ("", "*"):
        name = qualified(name, namespaces, attribute=kind == "@")
    return _Step(kind, name, predicates)


def _predicates(text: str, location: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(text):
        found = _PREDICATE.match(text, at)
        if found is None:
            raise PacsdError(Fault.UNSUPPORTED, f"{location!r} has a predicate that XML Patch does not know")
        yield found
        at = found.end()


def _from(element: Any, step: _Step, namespaces: Mapping[str | None, str]) -> list[Place]:
    if step.kind == "@":
        return [Attribute(element, step.name)] if step.name in element.attrib else []
    if step.kind == "text()":
        texts = [Text(element, tail=False)] if element.text else []
        texts += [Text(child, tail=True) for child in element if child.tail]
        return _picked(texts, step)
    return _all(list(element), step, namespaces)


def _picked(texts: list[Place], step: _Step) -> list[Place]:
    for predicate in step.predicates:
        if predicate["place"] is None:
            raise PacsdError(Fault.UNSUPPORTED, "a text node is picked by its position only")
        place = int(predicate["place"])
        texts = texts[place - 1 : place]
    return texts


def _all(elements: list[Any], step: _Step, namespaces: Mapping[str | None, str]) -> list[Any]:
    if step.kind:
        return []
    chosen = [one for one in elements if step.name == "*" or one.tag == step.name]
    for predicate in step.predicates:
        if predicate["place"] is not None:
            place = int(predicate["place"])
            chosen = chosen[place - 1 : place]
        else:
            chosen = [one for one in chosen if _equals(one, predicate, namespaces)]
    return chosen


def _equals(element: Any, predicate: re.Match[str], namespaces: Mapping[str | None, str]) -> bool:
    text = predicate["text"][1:-1]
    if predicate["attribute"]:
        return bool(element.get(qualified(predicate["attribute"], namespaces, attribute=True)) == text)
    if predicate["child"] == ".":
        return "".join(element.itertext()) == text
    children = element.findall(qualified(predicate["child"], namespaces))
    if predicate["of"]:
        attribute = qualified(predicate["of"], namespaces, attribute=True)
        return any(child.get(attribute) == text for child in children)
    return any("".join(child.itertext()) == text for child in children)
