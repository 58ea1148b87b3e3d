"""XML Patch (RFC 5261) on a resource's XML (http://hl7.org/fhir/R4/http.html#patch)."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from lxml import etree

from fhir.format import xml
from fhir.patch.locator import Attribute, Place, Text, found, qualified
from pacsd.faults import Fault, PacsdError

MAX_OPERATIONS = 1_000
_PREFIX = "f"                            # as FHIR's own examples have it for FHIR's namespace, declared or not


def read(body: bytes) -> Any:
    """The patch of a body, as `apply` takes it. Raises PacsdError: MALFORMED for what is none, TOO_MUCH if too long."""
    patch = _parsed(body)
    if etree.QName(patch).localname not in ("diff", "patch"):
        raise PacsdError(Fault.MALFORMED, "an XML Patch is a <diff> or <patch> of operations")
    if len(patch) > MAX_OPERATIONS:
        raise PacsdError(Fault.TOO_MUCH, f"a patch of more than {MAX_OPERATIONS} operations")
    return patch


def apply(resource: Mapping[str, Any], patch: Any) -> dict[str, Any]:
    """A resource after all operations of a patch; the one given stays as it is.

    Comments, processing instructions and namespaces are no part of a resource: operations on them are refused.
    Raises PacsdError: MALFORMED for what is no operation, UNSUPPORTED for a location this does not find, MISMATCH
    where a location finds no node or several, or the outcome is no resource in FHIR's XML.
    """
    root = _parsed(xml.write(resource))
    for operation in patch:
        name = etree.QName(operation)
        apply_one = _OPERATIONS.get(name.localname) if name.namespace == etree.QName(patch).namespace else None
        if apply_one is None:
            raise PacsdError(Fault.MALFORMED, f"<{name.localname}> is none of add, replace, remove")
        namespaces: dict[str | None, str] = {_PREFIX: xml.NAMESPACE, **operation.nsmap}
        place = found(root, operation.get("sel") or "", namespaces)
        if place is root and name.localname != "add":
            raise PacsdError(Fault.MISMATCH, "a patch neither removes nor replaces the resource itself")
        apply_one(place, operation, namespaces)
    return _outcome(root, str(resource.get("resourceType")))


def _parsed(body: bytes) -> Any:
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise PacsdError(Fault.MALFORMED, "a patch declares no document type and no entities")
    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False,
                             huge_tree=False, remove_comments=True, remove_pis=True)
    try:
        return etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise PacsdError(Fault.MALFORMED, f"not XML: {error}") from error


def _outcome(root: Any, kind: str) -> dict[str, Any]:
    try:
        patched = xml.read(etree.tostring(root, encoding="utf-8"))
    except PacsdError as error:
        raise PacsdError(Fault.MISMATCH, f"after the patch: {error.message}") from error
    if patched.get("resourceType") != kind:
        raise PacsdError(Fault.MISMATCH, f"the patch leaves no {kind}")
    return patched


def _content(operation: Any) -> tuple[str, list[Any]]:
    """The text at the beginning of an operation, and its elements; space between elements is none of it."""
    elements = [deepcopy(one) for one in operation]
    for one in elements:
        if one.tail and not one.tail.strip():
            one.tail = None
    text = operation.text or ""
    return ("" if elements and not text.strip() else text), elements


def _add(place: Place, operation: Any, namespaces: Mapping[str | None, str]) -> None:
    kind, position = operation.get("type", ""), operation.get("pos", "")
    if isinstance(place, Text | Attribute):
        raise PacsdError(Fault.MISMATCH, "add works at an element")
    if kind.startswith("@") and not position:
        name = qualified(kind[1:], namespaces, attribute=True)
        try:
            there = name in place.attrib
            if not there:
                place.set(name, operation.text or "")
        except ValueError as error:
            raise PacsdError(Fault.MALFORMED, f"there is no attribute {kind[1:]!r}: {error}") from error
        if there:
            raise PacsdError(Fault.MISMATCH, f"there is already an attribute {kind[1:]}")
    elif kind:
        raise PacsdError(Fault.UNSUPPORTED, f"add does not take the type {kind!r}")
    elif position in _POSITIONS:
        _POSITIONS[position](place, *_content(operation))
    else:
        raise PacsdError(Fault.MALFORMED, "add works before, after or in an element: pos is before, after or prepend")


def _append(place: Any, text: str, elements: list[Any]) -> None:
    if text and len(place):
        place[-1].tail = (place[-1].tail or "") + text
    elif text:
        place.text = (place.text or "") + text
    place.extend(elements)


def _prepend(place: Any, text: str, elements: list[Any]) -> None:
    rest, place.text = place.text or "", text or None
    if elements:
        elements[-1].tail = (elements[-1].tail or "") + rest or None
    else:
        place.text = text + rest
    for index, one in enumerate(elements):
        place.insert(index, one)


def _before(place: Any, text: str, elements: list[Any]) -> None:
    parent = _parent(place)
    previous = place.getprevious()
    if text and previous is not None:
        previous.tail = (previous.tail or "") + text
    elif text:
        parent.text = (parent.text or "") + text
    for one in elements:
        parent.insert(parent.index(place), one)


def _after(place: Any, text: str, elements: list[Any]) -> None:
    parent = _parent(place)
    rest, place.tail = place.tail or "", text or None
    index = parent.index(place) + 1
    for one in reversed(elements):
        parent.insert(index, one)
    last = elements[-1] if elements else place
    last.tail = (last.tail or "") + rest or None


def _parent(place: Any) -> Any:
    parent = place.getparent()
    if parent is None:
        raise PacsdError(Fault.MISMATCH, "there is nothing before or after the resource itself")
    return parent


def _replace(place: Place, operation: Any, namespaces: Mapping[str | None, str]) -> None:
    text, elements = _content(operation)
    if isinstance(place, Text | Attribute):
        if elements:
            raise PacsdError(Fault.MISMATCH, "an attribute or text is replaced by text")
        _write(place, text)
        return
    if len(elements) != 1 or text.strip():
        raise PacsdError(Fault.MISMATCH, "an element is replaced by one element")
    elements[0].tail = place.tail
    _parent(place).replace(place, elements[0])


def _write(place: Text | Attribute, text: str) -> None:
    if isinstance(place, Attribute):
        place.element.set(place.name, text)
    elif place.tail:
        place.element.tail = text or None
    else:
        place.element.text = text or None


def _remove(place: Place, operation: Any, namespaces: Mapping[str | None, str]) -> None:
    if len(operation) or (operation.text or "").strip():
        raise PacsdError(Fault.MALFORMED, "remove has no content")
    if isinstance(place, Attribute):
        del place.element.attrib[place.name]
    elif isinstance(place, Text):
        _write(place, "")
    else:
        parent, previous, tail = _parent(place), place.getprevious(), place.tail or ""
        if previous is not None:
            previous.tail = (previous.tail or "") + tail or None
        else:
            parent.text = (parent.text or "") + tail or None
        parent.remove(place)


_POSITIONS: Mapping[str, Callable[[Any, str, list[Any]], None]] = {
    "": _append, "prepend": _prepend, "before": _before, "after": _after}
_OPERATIONS: Mapping[str, Callable[[Place, Any, Mapping[str | None, str]], None]] = {
    "add": _add, "replace": _replace, "remove": _remove}
