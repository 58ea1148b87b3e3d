"""Encapsulated documents (PS3.3 C.24.2): which bytes of the value are the document, and what it is."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable

from pacsd.codec.documents.json_model import Attributes, numbers
from pacsd.codec.documents.sop_classes import ENCAPSULATED

DOCUMENT, _LENGTH = "00420011", "00420015"


def media_type(sop_class_uid: str) -> str:
    """What a SOP class holds; what the instance says of itself (0042,0012) could make a browser run it."""
    return ENCAPSULATED[sop_class_uid]


def inline(attributes: Attributes) -> bytes | None:
    """The value of a document so short that metadata holds it."""
    attribute = attributes.get(DOCUMENT)
    text = attribute.get("InlineBinary") if isinstance(attribute, dict) else None
    try:
        return b64decode(text, validate=True) if isinstance(text, str) else None
    except Base64Error:
        return None


def document_bytes(attributes: Attributes, size_bytes: int, last: Callable[[], bytes]) -> int:
    """How many of a value's bytes are the document: without the byte that makes it even.

    Encapsulated Document Length says it, where it is there and no lie; else a zero at the end is padding, as no
    document of these types ends in one. `last` reads the value's last byte.
    """
    told = next(iter(numbers(attributes, _LENGTH)), None)
    if told is not None and told in (size_bytes, size_bytes - 1):
        return int(told)
    return size_bytes - 1 if size_bytes and last() == b"\0" else size_bytes
