"""From an element to those a profile speaks of."""

import re
from collections.abc import Iterable

from fhir.definitions.structures import structures
from fhir.path import Node
from fhir.validation.profile.definition import Rule

_STEPS = re.compile(r"extension\('([^']*)'\)|ofType\((\w+)\)|([A-Za-z]\w*(?:\[x\])?)|\$this")
EXTENSION = "extension"


def members(node: Node, name: str) -> list[Node]:
    """The elements of a name, as profiles write it: `value[x]` a choice, `valueQuantity` one of its types."""
    bare = name.removesuffix("[x]")
    found = node.member(bare)
    if found or node.type not in structures() or bare in structures()[node.type].elements:
        return found
    key = structures()[node.type].keys.get(bare)
    return [] if key is None else [one for one in node.member(key.element.name) if one.type == key.type]


def place(node: Node) -> str:
    """Where an element stands in the one it was reached from."""
    index = "" if node.index is None else f"[{node.index}]"
    return f".{node.key}{index}"


def walked(nodes: Iterable[Node], path: str) -> list[Node]:
    """The elements at the path of a discriminator."""
    found = list(nodes)
    for url, kind, name in _STEPS.findall(path):
        if url:
            found = [one for node in found for one in members(node, EXTENSION) if _url(one) == url]
        elif kind:
            found = [node for node in found if node.type == kind]
        elif name:
            found = [one for node in found for one in members(node, name)]
    return found


def ruled(rule: Rule, path: str) -> Rule | None:
    """What a slice asks of the element at the path of its discriminator; None where it says nothing of it."""
    here = rule
    for url, kind, name in _STEPS.findall(path):
        if kind:
            continue
        below = _extension_slice(here, url) if url else _child(here, name) if name else here
        if below is None:
            return None
        here = below
    return here


def _child(rule: Rule, name: str) -> Rule | None:
    return rule.children.get(name) or rule.children.get(f"{name}[x]")


def _extension_slice(rule: Rule, url: str) -> Rule | None:
    told = rule.children.get(EXTENSION)
    if told is None:
        return None
    return next((one for one in told.slices.values() if extension_url(one) == url), None)


def extension_url(rule: Rule) -> str | None:
    """The address of the extensions that a slice is about: fixed, or that of its profile, which are the same."""
    child = rule.children.get("url")
    fixed = child.value("fixed") if child is not None else None
    if isinstance(fixed, str):
        return fixed
    named = [one for kind in rule.types for one in kind.get("profile", ())]
    return str(named[0]).partition("|")[0] if len(named) == 1 else None


def _url(node: Node) -> str | None:
    return node.value.get("url") if isinstance(node.value, dict) else None
