"""The Native DICOM Model (PS3.19 A.1) from the DICOM JSON Model (PS3.18 F.2)."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax import saxutils
from xml.sax.saxutils import quoteattr

from pydicom.datadict import keyword_for_tag

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")    # XML 1.0 2.2
_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")


def native_model(dataset: Mapping[str, Any]) -> bytes:
    """One data set as a NativeDicomModel document in UTF-8; `dataset` maps 8-hex tags to JSON attributes."""
    body = "".join(_attribute(tag, dataset[tag]) for tag in sorted(dataset))
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return f'{head}<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">{body}</NativeDicomModel>'.encode()


def _attribute(tag: str, attribute: Mapping[str, Any]) -> str:
    keyword = keyword_for_tag(int(tag, 16))
    named = f" keyword={quoteattr(keyword)}" if keyword else ""
    opening = f"<DicomAttribute tag={quoteattr(tag)} vr={quoteattr(attribute.get('vr', 'UN'))}{named}"
    content = _content(attribute)
    return f"{opening}>{content}</DicomAttribute>" if content else f"{opening}/>"


def _content(attribute: Mapping[str, Any]) -> str:
    if "BulkDataURI" in attribute:
        return f"<BulkData uri={quoteattr(_text(attribute['BulkDataURI']))}/>"
    if "InlineBinary" in attribute:
        return f"<InlineBinary>{_escaped(_text(attribute['InlineBinary']))}</InlineBinary>"
    values: Sequence[Any] = attribute.get("Value", ())
    write = _WRITERS.get(attribute.get("vr", ""), _value)
    return "".join(write(number, value) for number, value in enumerate(values, 1) if value is not None)


def _value(number: int, value: Any) -> str:
    return f'<Value number="{number}">{_escaped(_text(value))}</Value>'


def _item(number: int, value: Mapping[str, Any]) -> str:
    body = "".join(_attribute(tag, value[tag]) for tag in sorted(value))
    return f'<Item number="{number}">{body}</Item>'


def _person_name(number: int, value: Mapping[str, str]) -> str:
    groups = "".join(_name_group(group, value[group]) for group in _NAME_GROUPS if value.get(group))
    return f'<PersonName number="{number}">{groups}</PersonName>'


_WRITERS: dict[str, Callable[[int, Any], str]] = {"SQ": _item, "PN": _person_name}


def _name_group(group: str, text: str) -> str:
    parts = zip(NAME_PARTS, text.split("^"), strict=False)
    body = "".join(f"<{name}>{_escaped(_text(part))}</{name}>" for name, part in parts if part)
    return f"<{group}>{body}</{group}>"


def _escaped(text: str) -> str:
    """Character data; a reader makes a line feed of a carriage return that stands there itself (XML 1.0 2.11)."""
    return saxutils.escape(text, {"\r": "&#13;"})


def _text(value: object) -> str:
    return _NOT_XML.sub("\ufffd", str(value))
