"""The parts of a store request that hold bulk data, kept on the disk until metadata names them (PS3.18 10.5.2)."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

from xxhash import xxh3_128_digest

from pacsd.codec.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from pacsd.faults import Fault, PacsdError
from pacsd.web.frames import MEDIA_TYPES
from pacsd.web.media_types import OCTET_STREAM
from pacsd.web.services import Scratch

DEFAULT_SYNTAXES = {                     # PS3.18 Tables 8.7.3-4 and 8.7.3-5: of a type without parameter
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/jxl": "1.2.840.10008.1.2.4.110",
    "video/mpeg": "1.2.840.10008.1.2.4.100",
    "video/mp4": "1.2.840.10008.1.2.4.102",
    "video/H265": "1.2.840.10008.1.2.4.107",
}
_KINDS = {kind.lower(): kind for kind in DEFAULT_SYNTAXES} | {
    "image/x-dicom-rle": "image/dicom-rle",
    "image/x-jls": "image/jls",
    "image/dicom+rle": "image/dicom-rle",
    "image/dicom+jpeg": "image/jpeg",
}
_NATIVE = frozenset((EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN))      # the same octets in a value
_MAX_LOCATION = 4096


@dataclass(frozen=True, slots=True)
class BulkPart:
    """One part, complete. `transfer_syntax_uid` is "" for octets that do not say."""

    scratch: Scratch
    offset_bytes: int
    size_bytes: int
    kind: str
    transfer_syntax_uid: str

    def chunks(self) -> Iterator[bytes]:
        """Its bytes."""
        return self.scratch.read(self.offset_bytes, self.size_bytes)


class BulkParts:
    """Parts by where they say they are. Several with one location, or its `/frames/1`, `/frames/2` …, are frames."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url + "/"
        self._parts: dict[bytes, list[BulkPart]] = {}
        self._named: set[bytes] = set()
        self.unplaced = 0                # parts that say no place

    def add(self, headers: Mapping[str, str], part: BulkPart) -> None:
        """A part came to its end."""
        location = headers.get("content-location", "")
        if not location and (identifier := headers.get("content-id", "").strip("<> ")):
            location = f"cid:{identifier}"
        if not location or len(location) > _MAX_LOCATION:
            self.unplaced += 1
            return
        self._parts.setdefault(self._key(location), []).append(part)

    def get(self, uri: str) -> Sequence[BulkPart]:
        """The parts that a Bulk Data URI names; nothing is ever fetched from anywhere. Raises PacsdError MALFORMED."""
        found = self._at(uri)
        if found:
            return found
        frames: list[BulkPart] = []
        while more := self._at(f"{uri.rstrip('/')}/frames/{len(frames) + 1}"):
            frames += more[:1]
        if not frames:
            raise PacsdError(Fault.MALFORMED, "a Bulk Data URI names no part of the request")
        return frames

    @property
    def unused(self) -> int:
        """Parts that no metadata has asked for."""
        return self.unplaced + sum(len(parts) for key, parts in self._parts.items() if key not in self._named)

    def _at(self, uri: str) -> Sequence[BulkPart]:
        key = self._key(uri)
        self._named.add(key)
        return self._parts.get(key, ())

    def _key(self, location: str) -> bytes:
        with contextlib.suppress(ValueError):        # no URL at all, and yet the same text in both places
            location = urljoin(self._base, location)
        return xxh3_128_digest(location.encode("utf-8", "replace"))


def pixel_syntax(parts: Sequence[BulkPart], declared: str) -> str:
    """The transfer syntax that an object with such Pixel Data has; `declared` counts for octets that do not say.

    Raises PacsdError UNSUPPORTED for a type or a syntax that Pixel Data cannot have on the web (PS3.18 8.7.3).
    """
    syntaxes = {_syntax_of(part, declared) for part in parts}
    if len(syntaxes) > 1:
        raise PacsdError(Fault.MALFORMED, "the frames of one object are in several transfer syntaxes")
    return syntaxes.pop() if syntaxes else EXPLICIT_VR_LITTLE_ENDIAN


def _syntax_of(part: BulkPart, declared: str) -> str:
    kind = _KINDS.get(part.kind, part.kind)
    syntax = part.transfer_syntax_uid or DEFAULT_SYNTAXES.get(kind, declared) or EXPLICIT_VR_LITTLE_ENDIAN
    if syntax in _NATIVE and kind == OCTET_STREAM:
        return EXPLICIT_VR_LITTLE_ENDIAN
    known = transfer_syntax(syntax)
    if known.known and known.encapsulated and kind in (OCTET_STREAM, MEDIA_TYPES.get(syntax)):
        return syntax
    raise PacsdError(Fault.UNSUPPORTED, "the media type or transfer syntax of Pixel Data is not supported")
