"""The Native DICOM Model in XML (PS3.19 A.1) read into the JSON Model (PS3.18 F.3.1), and written from it."""

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from conformance.dicomweb.server import Model
from conformance.judging import Failed

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
FLOATS = {"FL", "FD"}
MAX_VALUES = 1 << 16


def parsed(document: bytes) -> Model:
    """The JSON Model of a NativeDicomModel document. Raises Failed where it is not one."""
    if re.search(rb"<!(DOCTYPE|ENTITY)", document):
        raise Failed("expected a document without a document type, got one with")
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError as error:
        raise Failed(f"expected XML, got {document[:80]!r}: {error}") from None
    if _name(root) != "NativeDicomModel":
        raise Failed(f"expected NativeDicomModel, got {root.tag}")
    return _model(root)


def _model(parent: ElementTree.Element) -> Model:
    return {one.get("tag", "").upper(): _attribute(one) for one in parent if _name(one) == "DicomAttribute"}


def _attribute(element: ElementTree.Element) -> dict[str, Any]:
    vr = element.get("vr", "")
    found: dict[str, Any] = {"vr": vr}
    for child in element:
        name = _name(child)
        if name == "BulkData":
            found["BulkDataURI"] = child.get("uri") or child.get("uuid")
        elif name == "InlineBinary":
            found["InlineBinary"] = "".join((child.text or "").split())
        else:
            _put(found.setdefault("Value", []), child.get("number", ""), _value(name, vr, child))
    return found


def _put(values: list[Any], number: str, value: Any) -> None:
    """A value at its number, from 1; those left out before it are null (PS3.19 Table A.1.5-2, PS3.18 F.3.1)."""
    at = int(number) if number.isascii() and number.isdigit() else 0
    if not 1 <= at <= MAX_VALUES:
        raise Failed(f"expected a number from 1 at each value, got {number!r}")
    values.extend([None] * (at - len(values)))
    values[at - 1] = value


def _value(name: str, vr: str, element: ElementTree.Element) -> Any:
    if name == "Item":
        return _model(element)
    if name == "PersonName":
        return {_name(group): _person_name(group) for group in element}
    text = element.text or ""
    return float(text) if vr in FLOATS and text else text


def _person_name(group: ElementTree.Element) -> str:
    parts = {_name(one): one.text or "" for one in group}
    return "^".join(parts.get(component, "") for component in COMPONENTS).rstrip("^")


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def written(model: Model) -> bytes:
    """A NativeDicomModel document of a JSON Model object, private attributes left out."""
    root = ElementTree.Element("NativeDicomModel", {"xmlns": NAMESPACE})
    _fill(root, model)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _fill(parent: ElementTree.Element, model: Model) -> None:
    for tag, attribute in model.items():
        if int(tag[:4], 16) % 2:
            continue
        element = ElementTree.SubElement(parent, "DicomAttribute", {"tag": tag, "vr": attribute["vr"]})
        for number, one in enumerate(attribute.get("Value", []), 1):
            _write_value(element, attribute["vr"], str(number), one)
        if "InlineBinary" in attribute:
            ElementTree.SubElement(element, "InlineBinary").text = attribute["InlineBinary"]
        if "BulkDataURI" in attribute:
            ElementTree.SubElement(element, "BulkData", {"uri": attribute["BulkDataURI"]})


def _write_value(element: ElementTree.Element, vr: str, number: str, one: Any) -> None:
    if vr == "SQ":
        _fill(ElementTree.SubElement(element, "Item", {"number": number}), one)
    elif vr == "PN":
        name = ElementTree.SubElement(element, "PersonName", {"number": number})
        for group, component, text in _name_parts(one or {}):
            holder = name.find(group)
            holder = ElementTree.SubElement(name, group) if holder is None else holder
            ElementTree.SubElement(holder, component).text = text
    else:
        ElementTree.SubElement(element, "Value", {"number": number}).text = "" if one is None else str(one)


def _name_parts(groups: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for group in GROUPS:
        for component, text in zip(COMPONENTS, groups.get(group, "").split("^"), strict=False):
            if text:
                yield group, component, text
