"""A data set in the Native DICOM Model (PS3.19 A.1) as a client sends it, in the DICOM JSON Model."""

from collections.abc import Callable
from typing import Any

from lxml import etree

from pacsd.codec.json_dataset import Dataset, checked
from pacsd.faults import Fault, PacsdError
from pacsd.web.xml_model import NAMESPACE

_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_NUMBERS: dict[str, Callable[[str], float]] = (
    dict.fromkeys(("IS", "SL", "SS", "SV", "UL", "US", "UV"), int) | dict.fromkeys(("DS", "FL", "FD"), float)
)


def dataset(text: bytes) -> Dataset:
    """One NativeDicomModel document. Raises PacsdError MALFORMED, for any document type as well: no entities here."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(text, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise PacsdError(Fault.MALFORMED, "the body is not XML, or too deep") from error
    if root.getroottree().docinfo.doctype:
        raise PacsdError(Fault.MALFORMED, "a document type is not allowed")
    if _name(root) != "NativeDicomModel":
        raise PacsdError(Fault.MALFORMED, "the body is no NativeDicomModel")
    return checked(_attributes(root))


def _attributes(parent: etree._Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for element in parent:
        if _name(element) != "DicomAttribute" or element.get("tag", "") in found:
            raise PacsdError(Fault.MALFORMED, "something stands where one DicomAttribute should")
        found[element.get("tag", "")] = _attribute(element)
    return found


def _attribute(element: etree._Element) -> dict[str, Any]:
    vr = element.get("vr", "")
    numbered = sorted(element, key=_number)
    inline = [one for one in numbered if _name(one) == "InlineBinary"]
    if inline:
        return {"vr": vr, "InlineBinary": "".join((inline[0].text or "").split())}
    values = [_VALUES[_name(one)](vr, one) if _name(one) in _VALUES else _refuse() for one in numbered]
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _value(vr: str, element: etree._Element) -> Any:
    text = element.text or ""
    read = _NUMBERS.get(vr)
    if read is None:
        return text or None
    try:
        return read(text)
    except ValueError as error:
        raise PacsdError(Fault.MALFORMED, f"a value is not of VR {vr}") from error


def _item(vr: str, element: etree._Element) -> Any:
    return _attributes(element)


def _person_name(vr: str, element: etree._Element) -> Any:
    groups = {_name(group): group for group in element}
    return {name: _name_group(groups[name]) for name in _NAME_GROUPS if name in groups}


def _name_group(group: etree._Element) -> str:
    parts = {_name(part): part.text or "" for part in group}
    return "^".join(parts.get(name, "") for name in _NAME_PARTS).rstrip("^")


_VALUES: dict[str, Callable[[str, etree._Element], Any]] = {"Value": _value, "Item": _item, "PersonName": _person_name}


def _refuse() -> Any:
    raise PacsdError(Fault.MALFORMED, "bulk data and unknown elements are not taken here")


def _number(element: etree._Element) -> int:
    text = element.get("number", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _name(element: etree._Element) -> str:
    """The local name in the model's namespace, or in none, as some writers leave it."""
    tag = element.tag if isinstance(element.tag, str) else ""
    return tag.removeprefix(f"{{{NAMESPACE}}}")
