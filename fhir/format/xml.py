"""Resources as XML (http://hl7.org/fhir/R4/xml.html): read into, and written from, the dictionaries that JSON tells."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, NamedTuple, NoReturn

from lxml import etree

from fhir.definitions.structures import structures
from fhir.format import xhtml
from fhir.format.json import MAX_DEPTH
from pacsd.faults import Fault, PacsdError

NAMESPACE = "http://hl7.org/fhir"
_FHIR = f"{{{NAMESPACE}}}"
_DIV = f"{{{xhtml.NAMESPACE}}}div"
_SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Row(NamedTuple):
    """A key of a structure, and where its element stands among the others."""

    position: int
    key: str
    type: str
    repeats: bool
    primitive: str                       # boolean, integer, decimal, string or xhtml; empty: it has elements of its own


@cache
def _rows(name: str) -> Mapping[str, _Row]:
    """The elements of a structure by key; of resources, `id` among them, elsewhere an attribute."""
    structure = structures()[name]
    attributes = () if structure.kind == "resource" else ("id", "url") if name == "Extension" else ("id",)
    positions = {element: number for number, element in enumerate(structure.elements)}
    return {key: _Row(positions[element.name], key, kind, element.repeats, _primitive(kind))
            for key, (element, kind) in structure.keys.items() if key not in attributes}


def _primitive(kind: str) -> str:
    if not structures()[kind].primitive:
        return ""
    return next((one for one in ("boolean", "integer", "decimal", "xhtml") if structures().is_a(kind, one)), "string")


def read(body: bytes) -> dict[str, Any]:
    """The resource of a body, as `fhir.format.json.read` gives one; numbers keep their precision.

    Raises PacsdError (MALFORMED) for what is not well-formed XML in UTF-8, declares a document type or entities, nests
    deeper than MAX_DEPTH, or holds elements, attributes, text or an order that the definitions do not know.
    """
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise PacsdError(Fault.MALFORMED, "a resource declares no document type and no entities")
    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False,
                             huge_tree=False, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise PacsdError(Fault.MALFORMED, f"not XML: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise PacsdError(Fault.MALFORMED, "a resource declares no document type and no entities")
    return _resource(root, 1)


def _resource(element: Any, depth: int) -> dict[str, Any]:
    name = element.tag.removeprefix(_FHIR)
    if element.tag[0] != "{" or name not in structures().resource_types:
        raise PacsdError(Fault.MALFORMED, f"<{element.tag}> is no resource of {NAMESPACE}")
    return _object(element, name, {"resourceType": name}, depth)


def _object(element: Any, name: str, told: dict[str, Any], depth: int) -> dict[str, Any]:
    """What an element of some structure tells, added to `told`."""
    if depth > MAX_DEPTH:
        raise PacsdError(Fault.MALFORMED, f"XML nested deeper than {MAX_DEPTH} levels")
    rows = _rows(name)
    _attributes(element, told, name)
    _no_text(element)
    lists: list[str] = []
    last = -1
    for child in element:
        row = _row(rows, child.tag)
        if row is None:
            _refuse(child, "no such element here")
        if row.position < last:
            _refuse(child, "out of order")
        last = row.position
        _child(child, row, told, lists, depth)
    for key in lists:
        _tidied(told, key)
    return told


def _child(child: Any, row: _Row, told: dict[str, Any], lists: list[str], depth: int) -> None:
    key = row.key
    if not row.repeats and (key in told or f"_{key}" in told):
        _refuse(child, "stands there twice")
    if row.primitive:
        _add_primitive(child, row, told, lists, depth)
    elif row.repeats:
        told.setdefault(key, []).append(_value(child, row.type, depth + 2))
    else:
        told[key] = _value(child, row.type, depth + 1)


def _value(child: Any, kind: str, depth: int) -> dict[str, Any]:
    if kind != "Resource":
        return _object(child, kind, {}, depth)
    _attributes(child, {}, "Resource")
    _no_text(child)
    if len(child) != 1:
        _refuse(child, "holds one resource")
    return _resource(child[0], depth)


def _add_primitive(child: Any, row: _Row, told: dict[str, Any], lists: list[str], depth: int) -> None:
    """A primitive's value, and its id and extensions, at the same place of two lists where it repeats."""
    if row.primitive == "xhtml":
        told[row.key] = xhtml.told(child)
        return
    value = child.get("value")
    if value is not None:
        value = _read_value(child, row.primitive, value)
    shadow = _object(child, "Element", {}, depth + 1 + row.repeats)
    if value is None and not shadow:
        _refuse(child, "neither a value nor an extension")
    if row.repeats:
        if row.key not in told:
            lists.append(row.key)
        told.setdefault(row.key, []).append(value)
        told.setdefault(f"_{row.key}", []).append(shadow or None)
    else:
        told.update({row.key: value} if value is not None else {}, **({f"_{row.key}": shadow} if shadow else {}))


def _read_value(child: Any, primitive: str, text: str) -> Any:
    if primitive == "boolean" and text in ("true", "false"):
        return text == "true"
    if primitive == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if primitive == "decimal" and _DECIMAL.fullmatch(text):
        try:
            return Decimal(text)
        except InvalidOperation:
            _refuse(child, "beyond all decimals")
    if primitive != "string":
        _refuse(child, f"{text[:40]!r} is no {primitive}")
    return text


def _tidied(told: dict[str, Any], key: str) -> None:
    """A list without values, or without ids and extensions, is left out (http://hl7.org/fhir/R4/json.html#primitive)."""
    for one in (key, f"_{key}"):
        if all(value is None for value in told[one]):
            del told[one]


def _row(rows: Mapping[str, _Row], tag: str) -> _Row | None:
    """What a tag stands for: a narrative is XHTML, all else of FHIR's own name space."""
    if tag.startswith(_FHIR):
        row = rows.get(tag[len(_FHIR):])
        return row if row is None or row.primitive != "xhtml" else None
    row = rows.get("div") if tag == _DIV else None
    return row if row is not None and row.primitive == "xhtml" else None


def _attributes(element: Any, told: dict[str, Any], kind: str) -> None:
    """Ids of elements and addresses of extensions; a primitive (an Element) has its value there too."""
    for name, value in element.attrib.items():
        if (name == "id" and structures()[kind].kind != "resource") or (name, kind) == ("url", "Extension"):
            told[name] = value
        elif name != _SCHEMA_LOCATION and not (name == "value" and kind == "Element"):
            _refuse(element, f"no such attribute here: {name}")


def _no_text(element: Any) -> None:
    texts = [element.text, *(child.tail for child in element)]
    if any(text and not text.isspace() for text in texts):
        _refuse(element, "text outside of attributes")


def _refuse(element: Any, why: str) -> NoReturn:
    names = [etree.QName(one).localname for one in (*reversed(list(element.iterancestors())), element)]
    raise PacsdError(Fault.MALFORMED, f"XML: {'/'.join(names)}: {why}")


def write(resource: Mapping[str, Any], *, pretty: bool = False) -> bytes:
    """A resource as XML in UTF-8, its elements in the order of their definition.

    Raises PacsdError (MALFORMED) for a resource whose keys are not of its type, or that XML cannot tell.
    """
    out = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write_resource(out, resource, f' xmlns="{NAMESPACE}"', "\n" if pretty else "")
    text = "".join(out)
    if _NO_XML.search(text):
        raise PacsdError(Fault.MALFORMED, "a character that XML does not know")
    return text.encode()


def _write_resource(out: list[str], resource: Any, namespace: str, pad: str) -> None:
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    if name not in structures().resource_types:
        raise PacsdError(Fault.MALFORMED, "a resource without a known resourceType")
    _write_object(out, name, {key: value for key, value in resource.items() if key != "resourceType"}, name,
                  namespace, pad)


def _write_object(out: list[str], tag: str, told: Any, kind: str, attributes: str, pad: str) -> None:
    """An element of some structure; `pad` is the end of line and indent where they are wanted."""
    if not isinstance(told, dict):
        raise PacsdError(Fault.MALFORMED, f"{tag} is no object")
    rows = _rows(kind)
    keys = {}
    for key in told:
        name = key.removeprefix("_")
        if name in rows:
            keys[name] = rows[name]
        elif key in ("id", "url") and isinstance(told[key], str):
            attributes += f' {key}="{told[key].translate(_ESCAPED)}"'
        else:
            raise PacsdError(Fault.MALFORMED, f"{kind} has no element {key!r}")
    out.append(f"{pad}<{tag}{attributes}")
    if not keys:
        out.append("/>")
        return
    out.append(">")
    inner = pad and pad + "  "
    for row in sorted(keys.values()):
        _write_element(out, row, told, inner)
    out.append(f"{pad}</{tag}>")


def _write_element(out: list[str], row: _Row, told: Mapping[str, Any], pad: str) -> None:
    values, shadows = told.get(row.key), told.get(f"_{row.key}")
    if not row.repeats:
        values, shadows = [values], [shadows]
    values, shadows = values or [], shadows or []
    if not isinstance(values, list) or not isinstance(shadows, list):
        raise PacsdError(Fault.MALFORMED, f"{row.key} is no list")
    for number in range(max(len(values), len(shadows))):
        value = values[number] if number < len(values) else None
        shadow = shadows[number] if number < len(shadows) else None
        if row.primitive:
            _write_primitive(out, row, value, shadow, pad)
        elif row.type == "Resource":
            out.append(f"{pad}<{row.key}>")
            _write_resource(out, value, "", pad and pad + "  ")
            out.append(f"{pad}</{row.key}>")
        else:
            _write_object(out, row.key, value, row.type, "", pad)


def _write_primitive(out: list[str], row: _Row, value: Any, shadow: Any, pad: str) -> None:
    if row.primitive == "xhtml":
        out.append(pad + _narrative(value))
        return
    told = f' value="{_written(row.key, value)}"' if value is not None else ""
    if shadow is None:
        out.append(f"{pad}<{row.key}{told}/>")
    else:
        _write_object(out, row.key, shadow, "Element", told, pad)


def _written(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.translate(_ESCAPED)
    if isinstance(value, int | Decimal):
        return str(value)
    raise PacsdError(Fault.MALFORMED, f"{key} is no primitive value")


def _narrative(value: Any) -> str:
    try:
        return xhtml.told(xhtml.parsed(value))
    except (ValueError, TypeError) as error:
        raise PacsdError(Fault.MALFORMED, f"a narrative that is no XHTML: {error}") from error
