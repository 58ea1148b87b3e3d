"""Store of metadata with bulk data (PS3.18 10.5.2): DICOM JSON or Native DICOM Model, turned into Part 10 objects.

All parts go to the disk as they come, as bulk data may stand before or behind the metadata that names it. When the
request has ended the objects are put together one after the other; in memory are the attributes of one at a time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pacsd.access.directory import Peer
from pacsd.codec.from_json import PIXEL_DATA, dataset_pieces, written
from pacsd.codec.part10 import build_meta
from pacsd.codec.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from pacsd.faults import Fault, PacsdError
from pacsd.web.json_objects import json_objects
from pacsd.web.media_types import DICOM_JSON, DICOM_XML, JSON, media_type
from pacsd.web.multipart import Event, PartData, PartStart
from pacsd.web.native_model_reader import MAX_DOCUMENT_BYTES, read_native_model
from pacsd.web.services import Ingest, Reception, Scratch
from pacsd.web.store_bulk import BulkPart, BulkParts, pixel_syntax
from pacsd.web.store_response import Outcome, failed

KINDS = (DICOM_JSON, DICOM_XML, JSON)
_ENCODING_TAGS = ("00020010", "00083002")       # Transfer Syntax UID, Available Transfer Syntax UID
_PIXEL_DATA = f"{PIXEL_DATA:08X}"

Attributes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Assembled:
    """An object that is written and may be committed, or why there is none."""

    reception: Reception | None
    outcome: Outcome | None = None


class Assembly:
    """The parts of one request. Synchronous, one call at a time; close it in any case."""

    def __init__(self, ingest: Ingest, peer: Peer, study: str | None, base_url: str, *, max_objects: int) -> None:
        self._ingest = ingest
        self._max_objects = max_objects
        self._peer = peer
        self._study = study
        self._scratch: Scratch | None = None
        self._bulk = BulkParts(base_url)
        self._metadata: list[BulkPart] = []
        self._headers: Mapping[str, str] = {}
        self._from = 0
        self._objects: Iterator[Assembled] | None = None
        self._current: Reception | None = None

    def apply(self, events: Sequence[Event]) -> None:
        """Put on the disk what came. Raises PacsdError FULL, UNAVAILABLE."""
        scratch = self._scratch = self._scratch or self._ingest.scratch()
        for event in events:
            if isinstance(event, PartData):
                scratch.write(event.data)
            elif isinstance(event, PartStart):
                self._headers, self._from = event.headers, scratch.size_bytes
            else:
                self._end_part(scratch)

    def next(self) -> Assembled | None:
        """The next object, written to the spool; None behind the last. Raises PacsdError for JSON that is none."""
        if self._objects is None:
            self._objects = self._assemble()
        return next(self._objects, None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the client should know beside the outcomes."""
        unused = self._bulk.unused
        return (f"{unused} parts with bulk data belong to no object and were not kept",) if unused else ()

    def close(self) -> None:
        """Give the room back, and forget the object that was being written."""
        if self._current is not None:
            self._current.abort()
            self._current = None
        if self._scratch is not None:
            self._scratch.close()

    def _end_part(self, scratch: Scratch) -> None:
        kind, parameters = media_type(self._headers.get("content-type", "application/octet-stream"))
        syntax = parameters.get("transfer-syntax", "")[:64]
        part = BulkPart(scratch, self._from, scratch.size_bytes - self._from, kind, syntax)
        if (kind in KINDS and "content-location" not in self._headers) or kind in (DICOM_JSON, DICOM_XML):
            self._metadata.append(part)
        else:
            self._bulk.add(self._headers, part)

    def _assemble(self) -> Iterator[Assembled]:
        count = 0
        for part in self._metadata:
            for text in _texts(part):
                count += 1
                if count > self._max_objects:
                    raise PacsdError(Fault.TOO_MUCH, f"more than {self._max_objects} objects in one request")
                yield self._assembled(part, text)

    def _assembled(self, part: BulkPart, text: bytes) -> Assembled:
        sop: tuple[str, str] = ("", "")
        try:
            attributes = _attributes(part, text)
            sop = _uid(attributes, "00080016"), _uid(attributes, "00080018")
            self._write(attributes, sop)
        except PacsdError as error:
            self._forget()
            return Assembled(None, failed(error, *sop))
        reception, self._current = self._current, None
        return Assembled(reception)

    def _write(self, attributes: Attributes, sop: tuple[str, str]) -> None:
        if not all(sop):
            raise PacsdError(Fault.MALFORMED, "SOP Class UID (0008,0016) or SOP Instance UID (0008,0018) is missing")
        syntax = self._syntax(attributes)
        encapsulated = transfer_syntax(syntax).encapsulated
        pieces = dataset_pieces(attributes, self._bulk.get, encapsulated=encapsulated)
        meta = build_meta(sop_class_uid=sop[0], sop_instance_uid=sop[1], transfer_syntax_uid=syntax)
        self._current = self._ingest.receive_part10(self._peer, study_instance_uid=self._study)
        self._current.write(meta.data)
        for chunk in written(pieces):
            self._current.write(chunk)

    def _syntax(self, attributes: Attributes) -> str:
        """The transfer syntax of the object: that of its Pixel Data, if this is bulk data of the request."""
        pixels = attributes.get(_PIXEL_DATA)
        if not isinstance(pixels, Mapping) or not isinstance(pixels.get("BulkDataURI"), str):
            return EXPLICIT_VR_LITTLE_ENDIAN
        parts = self._bulk.get(pixels["BulkDataURI"])
        syntax = pixel_syntax(parts, _declared(attributes))
        _check_frames(attributes, parts, syntax)
        return syntax

    def _forget(self) -> None:
        if self._current is not None:
            self._current.abort()
            self._current = None


def _texts(part: BulkPart) -> Iterable[bytes]:
    """The metadata of each object of a part, not yet parsed."""
    if part.kind != DICOM_XML:
        return json_objects(part.chunks())
    if part.size_bytes > MAX_DOCUMENT_BYTES:
        return (b"",)                    # not read: it will be said that it cannot be
    return (b"".join(part.chunks()),)


def _attributes(part: BulkPart, text: bytes) -> Attributes:
    if part.kind == DICOM_XML:
        return read_native_model(text)
    try:
        attributes: Attributes = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise PacsdError(Fault.MALFORMED, "the metadata is no JSON") from error
    return attributes


def _uid(attributes: Attributes, tag: str) -> str:
    values = attributes[tag].get("Value") if isinstance(attributes.get(tag), Mapping) else None
    text = str(values[0]) if isinstance(values, list) and values and values[0] is not None else ""
    if len(text) > 64 or not text.isascii():
        raise PacsdError(Fault.MALFORMED, f"({tag[:4]},{tag[4:]}) is no UID")
    return text


def _declared(attributes: Attributes) -> str:
    """What metadata says of the encoding, where bulk data does not: only as far as it means compression."""
    for tag in _ENCODING_TAGS:
        uid = _uid(attributes, tag)
        if uid and transfer_syntax(uid).encapsulated:
            return uid
    return ""


def _check_frames(attributes: Attributes, parts: Sequence[BulkPart], syntax: str) -> None:
    """Pixel Data that cannot be what the attributes describe is refused, not kept. Raises PacsdError MISMATCH."""
    frames = max(1, _number(attributes, "00280008") or 1)
    known = transfer_syntax(syntax)
    if known.encapsulated and not known.video and len(parts) != frames:
        raise PacsdError(Fault.MISMATCH, f"{frames} compressed frames need {frames} parts, and {len(parts)} came")
    described = [_number(attributes, tag) for tag in ("00280010", "00280011", "00280002", "00280100")]
    if known.encapsulated or any(number is None for number in described):
        return
    rows, columns, samples, bits = (number or 0 for number in described)
    subsampled = "422" in _uid(attributes, "00280004")
    pixels = rows * columns * (2 if subsampled else samples)
    size = sum(part.size_bytes for part in parts)
    expected = (frames * pixels * bits + 7) // 8
    if size not in (expected, expected + expected % 2):
        raise PacsdError(Fault.MISMATCH, f"Pixel Data of {expected} bytes is described, and {size} came")


def _number(attributes: Attributes, tag: str) -> int | None:
    attribute = attributes.get(tag)
    values = attribute.get("Value") if isinstance(attribute, Mapping) else None
    try:
        return int(values[0]) if isinstance(values, list) and values else None
    except (TypeError, ValueError, OverflowError):
        return None
