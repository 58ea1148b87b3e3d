"""The Native DICOM Model (PS3.19 A.1) read into the DICOM JSON Model, from text that nobody need trust."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lxml import etree

from pacsd.faults import Fault, PacsdError
from pacsd.web.xml_model import NAME_PARTS, NAMESPACE

MAX_DOCUMENT_BYTES = 16 << 20
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_MAX_GAP = 16                            # numbers may leave out empty values, and not make up a million of them
_FIRST_BLOCK, _LAST_BLOCK = 0x10, 0xFF

Attributes = dict[str, dict[str, Any]]


def read_native_model(document: bytes) -> Attributes:
    """The attributes of a NativeDicomModel document. Raises PacsdError MALFORMED.

    No DTD, no entity but XML's own five, nothing fetched, and depth and text are limited by the parser.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise PacsdError(Fault.MALFORMED, "the metadata is no well-formed XML within the parser's limits") from error
    if root.getroottree().docinfo.doctype or root.getroottree().docinfo.internalDTD is not None:
        raise PacsdError(Fault.MALFORMED, "the metadata holds a document type declaration")
    if _name(root) != "NativeDicomModel":
        raise PacsdError(Fault.MALFORMED, "the metadata is no NativeDicomModel")
    return _dataset(root)


def _dataset(parent: Any) -> Attributes:
    found: Attributes = {}
    private: list[tuple[str, str, dict[str, Any]]] = []
    for element in parent:
        if _name(element) != "DicomAttribute":
            raise PacsdError(Fault.MALFORMED, "something stands where a DicomAttribute should")
        tag, creator = str(element.get("tag", "")).upper(), element.get("privateCreator")
        if len(tag) != 8 or any(digit not in "0123456789ABCDEF" for digit in tag) or tag in found:
            raise PacsdError(Fault.MALFORMED, "a DicomAttribute without a tag of its own")
        if creator is not None and int(tag[:4], 16) % 2:
            private.append((tag, creator, _attribute(element)))
        else:
            found[tag] = _attribute(element)
    for tag, creator, attribute in private:
        found[_placed(found, tag, creator)] = attribute
    return found


def _placed(found: Attributes, tag: str, creator: str) -> str:
    """The tag in the block that its creator has reserved, or reserves now (PS3.5 7.8.1)."""
    group, element = tag[:4], tag[6:]
    wanted = int(tag[4:6], 16)
    order = [*([wanted] if wanted >= _FIRST_BLOCK else []), *range(_FIRST_BLOCK, _LAST_BLOCK + 1)]
    for block in order:
        if found.get(f"{group}00{block:02X}", {}).get("Value") == [creator]:
            return f"{group}{block:02X}{element}"
    for block in order:
        if f"{group}00{block:02X}" not in found:
            found[f"{group}00{block:02X}"] = {"vr": "LO", "Value": [creator]}
            return f"{group}{block:02X}{element}"
    raise PacsdError(Fault.MALFORMED, "more private creators than a group has blocks")


def _attribute(element: Any) -> dict[str, Any]:
    attribute: dict[str, Any] = {"vr": element.get("vr")} if element.get("vr") else {}
    kinds = {_name(child) for child in element}
    if len(kinds) > 1:
        raise PacsdError(Fault.MALFORMED, "a DicomAttribute holds values of several kinds")
    for kind in kinds:
        read = _KINDS.get(kind)
        if read is None:
            raise PacsdError(Fault.MALFORMED, "a DicomAttribute holds something that is no value")
        attribute.update(read(element))
    return attribute


def _values(element: Any) -> dict[str, Any]:
    return {"Value": _numbered((child, _text(child) or None) for child in element)}


def _items(element: Any) -> dict[str, Any]:
    return {"Value": _numbered((child, _dataset(child)) for child in element)}


def _person_names(element: Any) -> dict[str, Any]:
    return {"Value": _numbered((child, _person_name(child) or None) for child in element)}


def _person_name(name: Any) -> dict[str, str]:
    groups = {}
    for group in name:
        if _name(group) not in _GROUPS:
            raise PacsdError(Fault.MALFORMED, "a PersonName holds something that is no component group")
        parts = {_name(part): _text(part) for part in group}
        groups[_name(group)] = "^".join(parts.get(part, "") for part in NAME_PARTS).rstrip("^")
    return {group: text for group, text in groups.items() if text}


def _bulk(element: Any) -> dict[str, Any]:
    uri = element[0].get("uri")
    if len(element) != 1 or uri is None:
        raise PacsdError(Fault.MALFORMED, "a BulkData without the uri of its value")
    return {"BulkDataURI": uri}


def _inline(element: Any) -> dict[str, Any]:
    if len(element) != 1:
        raise PacsdError(Fault.MALFORMED, "more than one InlineBinary in a DicomAttribute")
    return {"InlineBinary": "".join(_text(element[0]).split())}


_KINDS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "Value": _values,
    "Item": _items,
    "PersonName": _person_names,
    "BulkData": _bulk,
    "InlineBinary": _inline,
}


def _numbered(values: Iterable[tuple[Any, Any]]) -> list[Any]:
    """Values at the places that their numbers say (from 1); places left out are empty values."""
    placed: dict[int, Any] = {}
    for place, (element, value) in enumerate(values, 1):
        number = element.get("number", str(place))
        if not (number.isascii() and number.isdigit() and 0 < len(number) < 10) or int(number) in placed:
            raise PacsdError(Fault.MALFORMED, "a value without a number of its own")
        placed[int(number)] = value
    last = max(placed, default=0)
    if placed and (0 in placed or last > 2 * len(placed) + _MAX_GAP):
        raise PacsdError(Fault.MALFORMED, "the numbers of values do not count them")
    return [placed.get(number) for number in range(1, last + 1)]


def _text(element: Any) -> str:
    if len(element):
        raise PacsdError(Fault.MALFORMED, "markup stands where text should")
    return element.text or ""


def _name(element: Any) -> str:
    """The local name; of another namespace than ours, or none at all, as some send it: nothing."""
    if not isinstance(element.tag, str):
        return ""
    space, _, name = element.tag.rpartition("}")
    return name if space.lstrip("{") in ("", NAMESPACE) else ""
