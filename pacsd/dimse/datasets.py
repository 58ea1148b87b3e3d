"""Data sets of DIMSE-N messages (PS3.7 6.3.2): bytes to DICOM JSON attributes and back.

They are small and read as a whole, and strictly: what is cut short, lies about a length or nests too deeply is refused,
for what it would change is kept as a fact. Values are not looked at here: a service knows what it may hold.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from pacsd.codec.dicom_json import members
from pacsd.codec.header import inflate_front
from pacsd.codec.structure import (
    UNDEFINED,
    Bytes,
    MalformedDataset,
    NeedMoreData,
    element_head,
    looks_implicit,
    show,
    skip_undefined,
    vr_of,
)
from pacsd.codec.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from pacsd.dimse.identifier import SPECIFIC_CHARACTER_SET, Identifier, Key
from pacsd.dimse.identifier_answer import AnswerWriter
from pacsd.faults import Fault, PacsdError

Dataset = dict[str, dict[str, Any]]      # DICOM JSON by tag, eight upper-case hex digits
MAX_DATASET_BYTES = 1 << 20              # what a service takes if it does not say otherwise
_INFLATES = 4


def decoded(
    data: bytes, transfer_syntax_uid: str, *, character_set: str | None = None, max_bytes: int = MAX_DATASET_BYTES
) -> Dataset:
    """The attributes of a data set, group lengths left out, text decoded; `character_set` overrides what it declares.

    Raises PacsdError: MALFORMED, TOO_MUCH (nested too deeply, inflates to too much, too many attributes).
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    if syntax.deflated:
        data, whole = inflate_front(data, _INFLATES * max_bytes)
        if not whole:
            raise PacsdError(Fault.TOO_MUCH, f"a deflated data set of more than {_INFLATES * max_bytes} bytes")
        transfer_syntax_uid = EXPLICIT_VR_LITTLE_ENDIAN
    implicit = looks_implicit(data, implicit=syntax.implicit)
    try:
        _check_whole(data, implicit=implicit, big_endian=syntax.big_endian)
        found = members(data, transfer_syntax_uid, override=character_set, by_uri=False)
    except NeedMoreData as error:
        raise MalformedDataset("the data set ends inside an element") from error
    return {tag: _attribute(tag, text) for tag, text in found}


def encoded(
    attributes: Mapping[str, Mapping[str, Any]], transfer_syntax_uid: str, *, character_set: str | None = None
) -> bytes:
    """A data set of these attributes; in UTF-8 unless `character_set` holds all its text."""
    tags = (int(tag, 16) for tag in attributes)
    keys = {tag: Key(tag, vr_of(tag)) for tag in tags if tag != SPECIFIC_CHARACTER_SET}
    writer = AnswerWriter(
        Identifier("", keys), transfer_syntax_uid, retrieve_ae_title="", character_set=character_set
    )
    return writer.write(attributes)


def _check_whole(data: Bytes, *, implicit: bool, big_endian: bool) -> None:
    """Whether the elements fill the data set, none of them there twice. Raises NeedMoreData, PacsdError."""
    at, end = 0, len(data)
    seen: set[int] = set()
    while at < end:
        head = element_head(data, at, end, implicit=implicit, big_endian=big_endian)
        if head.tag in seen or head.tag >> 16 in (0, 2, 0xFFFE):
            raise MalformedDataset(f"{show(head.tag)} stands there twice, or where it may not")
        seen.add(head.tag)
        at = head.value_at + head.length
        if head.length == UNDEFINED:
            at = skip_undefined(data, head.value_at, end, implicit=implicit, big_endian=big_endian)
        if at > end:
            raise NeedMoreData(at)


def _attribute(tag: str, text: bytes) -> dict[str, Any]:
    attribute: dict[str, Any] = orjson.loads(text)
    _check_read(tag, attribute)
    return attribute


def _check_read(tag: str, attribute: Mapping[str, Any]) -> None:
    """Raises PacsdError MALFORMED for a sequence that could not be read: it came back as its bytes."""
    if attribute["vr"] == "UN" and vr_of(int(tag, 16)) == "SQ":
        raise MalformedDataset(f"the items of {show(int(tag, 16))} cannot be read")
    if attribute["vr"] == "SQ":
        for item in attribute.get("Value", ()):
            for inner, one in item.items():
                _check_read(inner, one)
