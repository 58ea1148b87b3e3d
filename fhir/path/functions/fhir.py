"""What FHIR adds to FHIRPath (http://hl7.org/fhir/R4/fhirpath.html#functions)."""

from collections.abc import Iterator, Mapping
from typing import Any

from fhir.format import xhtml
from fhir.path.evaluation import FALSE, NONE, TRUE, Frame, Items, one, text_of, told
from fhir.path.functions.table import Function
from fhir.path.nodes import Node, is_a, of, resource
from fhir.path.references import target


def extension(frame: Frame, items: Items, url: Items) -> Items:
    """Extensions of a URL."""
    sought = text_of(url, "extension()")
    if sought is None:
        return NONE
    return [one for item in items for one in item.member("extension") if one.value.get("url") == sought]


def has_value(frame: Frame, items: Items) -> Items:
    """Whether it is one primitive with a value."""
    return told(len(items) == 1 and items[0].primitive and items[0].value is not None)


def get_value(frame: Frame, items: Items) -> Items:
    """The value of one primitive, as FHIRPath computes with it."""
    if len(items) != 1 or not items[0].primitive:
        return NONE
    value = items[0].system
    return NONE if value is None else (of(value),)


def resolve(frame: Frame, items: Items) -> Items:
    """What references lead to: a contained resource, one in the same bundle, one that the context finds.

    Of one that is not at hand only the type is known, from the reference itself.
    """
    return [node for item in items if (node := _resolved(frame, item)) is not None]


def _resolved(frame: Frame, item: Node) -> Node | None:
    text, kind = _reference(item)
    if text.startswith("#"):
        return frame.root if text == "#" else _contained(frame.root, text[1:])
    if text:
        entry = _entry(frame.root, text)
        if entry is not None:
            return entry
        found = frame.context.resolve(text)
        if found is not None:
            return resource(found)
        kind = target(text).type or kind
    return Node({"resourceType": kind}, kind) if kind and is_a(kind, "Resource") else None


def _reference(item: Node) -> tuple[str, str]:
    """The text of a Reference, canonical or URI, and the type a Reference tells."""
    if type(item.value) is dict:
        text, kind = item.value.get("reference"), item.value.get("type")
        return text if type(text) is str else "", kind if type(kind) is str else ""
    text = item.system
    return text if type(text) is str else "", ""


def _contained(root: Node, identifier: str) -> Node | None:
    return next((one for one in root.member("contained")
                 if type(one.value) is dict and one.value.get("id") == identifier), None)


def _entry(root: Node, text: str) -> Node | None:
    """The resource of a bundle's entry whose full URL is or ends with a reference."""
    if root.type != "Bundle":
        return None
    for url, node in _entries(root):
        if url == text or (url.endswith("/" + text) and ":" not in text):
            return node
    return None


def _entries(root: Node) -> Iterator[tuple[str, Node]]:
    for entry in root.member("entry"):
        url: Any = entry.value.get("fullUrl") if type(entry.value) is dict else None
        if type(url) is str:
            for node in entry.member("resource"):
                yield url, node


def html_checks(frame: Frame, items: Items) -> Items:
    """Whether one XHTML fragment keeps to the rules of narrative (http://hl7.org/fhir/R4/narrative.html#rules)."""
    text = text_of(items, "htmlChecks()")
    return NONE if text is None else told(_is_narrative(text))


def _is_narrative(text: str) -> bool:
    try:
        div = xhtml.parsed(text)
    except ValueError:
        return False
    return not xhtml.empty(div) and next(xhtml.problems(div), None) is None


def member_of(frame: Frame, items: Items, value_set: Items) -> Items:
    """Whether a code, Coding or CodeableConcept is in a value set, as far as the context can tell."""
    item, url = one(items, "memberOf()"), text_of(value_set, "memberOf()")
    if item is None or url is None:
        return NONE
    answers = [frame.context.member_of(url, system, code) for system, code in _codes(item)]
    if True in answers:
        return TRUE
    return NONE if None in answers else FALSE


def _codes(item: Node) -> list[tuple[str, str]]:
    if item.type == "CodeableConcept":
        return [code for coding in item.member("coding") for code in _codes(coding)]
    if type(item.value) is dict:
        system, code = item.value.get("system", ""), item.value.get("code")
        return [(system, code)] if type(code) is str and type(system) is str else []
    return [("", item.value)] if type(item.value) is str else []


def conforms_to(frame: Frame, items: Items, profile: Items) -> Items:
    """Whether one item conforms to a profile, as far as the context can tell; to a type of FHIR itself at once."""
    item, url = one(items, "conformsTo()"), text_of(profile, "conformsTo()")
    if item is None or url is None:
        return NONE
    base, _, name = url.rpartition("/")
    if base == "http://hl7.org/fhir/StructureDefinition" and is_a(name, "Resource"):
        return told(is_a(item.type, name))
    return told(frame.context.conforms(item.value, url)) if type(item.value) is dict else NONE


PLAIN: Mapping[str, Function] = {
    "extension": Function(extension, 1, 1), "hasValue": Function(has_value), "getValue": Function(get_value),
    "resolve": Function(resolve), "htmlChecks": Function(html_checks), "memberOf": Function(member_of, 1, 1),
    "conformsTo": Function(conforms_to, 1, 1),
}
