"""A data set into another transfer syntax, as a stream: one frame in memory at a time (PS3.5 A.4, PS3.18 8.7.3).

What does not depend on how pixels are coded is passed on byte for byte.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pacsd.codec import codestream, decoders, derivation, encoders
from pacsd.codec.convert import CONVERTIBLE, converted, is_convertible
from pacsd.codec.elements import encode_element, encode_header
from pacsd.codec.encapsulated import (
    as_fragments,
    as_native_value,
    encapsulated_frames,
    native_bytes,
    native_frames,
)
from pacsd.codec.forward import Forward
from pacsd.codec.header import MAX_HEADER_BYTES
from pacsd.codec.image_pixel import DESCRIBING, VALUE_TYPES, PixelDescription, Pixels
from pacsd.codec.pixels import Loss, decode_cells, decoded_description, encode_frame
from pacsd.codec.structure import (
    MAX_ELEMENTS,
    UNDEFINED,
    ElementHead,
    MalformedDataset,
    NeedMoreData,
    element_head,
    looks_implicit,
    skip_undefined,
)
from pacsd.codec.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from pacsd.faults import Fault, PacsdError

__all__ = ["TARGETS", "Edit", "Identity", "Loss", "check", "identity", "is_transcodable", "result_uid", "transcoded"]

TARGETS = tuple(dict.fromkeys((          # what an object may be transcoded into for the web (PS3.18 8.7.3.5)
    EXPLICIT_VR_LITTLE_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, *encoders.ENCODERS,
)))  # fmt: skip

Edit = Callable[[Pixels, PixelDescription], Pixels]

_PIXEL_GROUP = 0x7FE0
_EXTENDED_OFFSETS = 0x7FE00001
_OFFSET_TABLES = frozenset((0x7FE00001, 0x7FE00002, 0x7FE00003))
_AHEAD_BYTES = 1 << 16
_PHOTOMETRIC, _PLANAR = 0x00280004, 0x00280006
_IMAGE_TYPE, _SOP_CLASS, _SOP_INSTANCE = 0x00080008, 0x00080016, 0x00080018
_OF_CODING = _OFFSET_TABLES | {_PHOTOMETRIC, _PLANAR}
_READ = DESCRIBING | frozenset((
    _IMAGE_TYPE, _SOP_CLASS, _SOP_INSTANCE,
    derivation.LOSSY, derivation.RATIO, derivation.METHOD, _EXTENDED_OFFSETS,
))  # fmt: skip


def is_transcodable(source: str, target: str) -> bool:
    """Whether there is a decoder and an encoder between two syntaxes; whether an object fits is seen in its header."""
    if source == target or is_convertible(source, target):
        return True
    return source in decoders.DECODERS and (target in CONVERTIBLE or target in encoders.ENCODERS)


def result_uid(sop_instance_uid: str, source: str, target: str, *, loss: Loss | None = None) -> str:
    """The SOP Instance UID of the transcoded object: its own, unless something is lost (PS3.3 C.7.6.1.1.5)."""
    if source == target or (loss is None and not encoders.is_always_lossy(target)):
        return sop_instance_uid
    return derivation.derived_uid(sop_instance_uid, target, repr(loss or Loss()))


def transcoded(
    chunks: Iterable[bytes],
    *,
    source: str,
    target: str,
    length_bytes: int | None = None,
    loss: Loss | None = None,
    edit: Edit | None = None,
) -> Iterator[bytes]:
    """The data set in the target syntax, from the chunks of one in the source syntax.

    Pixels are bit for bit the same unless `loss` is given or the target always loses; a lossy source stays what it
    decodes to. `edit` makes other cells of those of each frame, of the same description.
    Raises PacsdError UNSUPPORTED, MALFORMED or TOO_MUCH: what is wrong with the header or the first frame before the
    first bytes are yielded.
    """
    if is_convertible(source, target) and loss is None and edit is None:
        return converted(chunks, source=source, target=target, length_bytes=length_bytes)
    through = EXPLICIT_VR_LITTLE_ENDIAN if target in CONVERTIBLE else target
    pieces = _begun(chunks, source, through, length_bytes, loss, edit).run()
    if through == target:
        return pieces
    return converted(pieces, source=through, target=target)


def check(chunks: Iterable[bytes], *, source: str, target: str, length_bytes: int | None = None) -> None:
    """Raises PacsdError where the header already shows that the object cannot be given in the target syntax."""
    if not is_convertible(source, target):
        through = EXPLICIT_VR_LITTLE_ENDIAN if target in CONVERTIBLE else target
        _begun(chunks, source, through, length_bytes, None).check()


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same in every lossless coding of an object; both SHA-256.

    `header` is of all that is not pixels, but for what says how these are coded: Photometric Interpretation, Planar
    Configuration, group lengths and offset tables. `pixels` is of the decoded cells, and of their colours.
    """

    header: bytes
    pixels: bytes


def identity(chunks: Iterable[bytes], *, source: str, length_bytes: int | None = None) -> Identity:
    """The identity of a data set with pixels; equal ones differ in nothing but their coding.

    Raises PacsdError UNSUPPORTED, also where there are no pixels; MALFORMED, TOO_MUCH.
    """
    return _begun(chunks, source, EXPLICIT_VR_LITTLE_ENDIAN, length_bytes, None).identity()


def _begun(
    chunks: Iterable[bytes], source: str, target: str, length_bytes: int | None, loss: Loss | None,
    edit: Edit | None = None,
) -> _Transcoding:
    if not is_transcodable(source, target):
        wanted, stored = transfer_syntax(target).name, transfer_syntax(source).name
        raise PacsdError(Fault.UNSUPPORTED, f"no transcoding from {stored} into {wanted}")
    if is_convertible(source, EXPLICIT_VR_LITTLE_ENDIAN):
        chunks = converted(chunks, source=source, target=EXPLICIT_VR_LITTLE_ENDIAN, length_bytes=length_bytes)
        source, length_bytes = EXPLICIT_VR_LITTLE_ENDIAN, None
    return _Transcoding(Forward(chunks, length_bytes), source, target, loss, edit)


@dataclass(frozen=True, slots=True)
class _Element:
    """One element of the header, with where it stands in it."""

    tag: int
    start: int
    end: int


class _Transcoding:
    """One pass over an explicit VR little endian data set."""

    def __init__(
        self, data: Forward, source: str, target: str, loss: Loss | None, edit: Edit | None = None
    ) -> None:
        self._data = data
        self._source = source
        self._target = target
        self._loss = Loss() if loss is None and encoders.is_always_lossy(target) else loss
        self._edit = edit
        self._header = b""
        self._elements: list[_Element] = []
        self._values: dict[int, bytes] = {}

    def check(self) -> None:
        """Read the header, no further. Raises PacsdError."""
        pixel_data = self._read_header()
        if pixel_data is not None:
            self._descriptions(pixel_data)
        elif transfer_syntax(self._target).encapsulated:
            raise _nothing_to_compress()

    def run(self) -> Iterator[bytes]:
        """Header, pixel data, what comes behind."""
        pixel_data = self._read_header()
        if pixel_data is None:
            yield from self._without_pixels()
            return
        stored, decoded, coded = self._descriptions(pixel_data)
        frames = self._frames(pixel_data, stored)
        first = next(frames)
        changed = self._changes(stored, coded, first, first_coded := self._coded(first, stored, decoded))
        rest = self._all_coded(first_coded, frames, stored, decoded)
        body = as_fragments(rest) if transfer_syntax(self._target).encapsulated else as_native_value(rest, coded)
        head = self._pixel_header(pixel_data.tag, coded)
        yield self._edited(changed) + head
        yield from body
        yield from map(bytes, self._data.rest())

    def identity(self) -> Identity:
        """Read all of it."""
        pixel_data = self._read_header()
        if pixel_data is None:
            raise _nothing_to_compress()
        header, pixels = hashlib.sha256(), hashlib.sha256()
        for element in self._elements:
            if element.tag not in _OF_CODING and element.tag & 0xFFFF:
                header.update(self._header[element.start : element.end])
        stored = self._description(pixel_data)
        decoded = decoded_description(self._source, stored)
        pixels.update(f"{pixel_data.tag} {decoded.photometric_interpretation}".encode())
        for frame in self._frames(pixel_data, stored):
            cells = decode_cells(frame, self._source, stored)
            pixels.update(f"{cells.shape} {cells.dtype.str}".encode())
            pixels.update(cells.tobytes())
        for chunk in self._data.rest():
            header.update(chunk)
        return Identity(header.digest(), pixels.digest())

    def _without_pixels(self) -> Iterator[bytes]:
        """Some objects lie about being compressed; that is mended, not imitated (PS3.5 A.4)."""
        if transfer_syntax(self._target).encapsulated:
            raise _nothing_to_compress()
        yield from map(bytes, self._data.rest())

    def _read_header(self) -> ElementHead | None:
        """Everything before Pixel Data into memory, the head of Pixel Data behind us; None if there is none."""
        data, size = self._data, _AHEAD_BYTES
        at = 0
        if looks_implicit(bytes(data.peek(8)), implicit=False):
            raise PacsdError(Fault.UNSUPPORTED, "an encapsulated object is not in explicit VR")
        while True:
            front = memoryview(data.peek(size))
            ended = len(front) < size
            try:
                at, head = self._walk(front, at)
            except _Short as short:
                at = short.at
                if ended:
                    if at < len(front):
                        raise MalformedDataset("the data set ends inside an element") from short
                    return None
                if size >= MAX_HEADER_BYTES:
                    raise PacsdError(Fault.TOO_MUCH, f"no pixel data within {MAX_HEADER_BYTES} bytes") from short
                size = min(size * 4, MAX_HEADER_BYTES)
                continue
            self._header = bytes(front[:at])
            data.skip(head.value_at)
            return head

    def _walk(self, front: memoryview, at: int) -> tuple[int, ElementHead]:
        """To Pixel Data, noting elements on the way. Raises _Short at the end of what is there."""
        end = len(front)
        while end - at >= 8:
            try:
                head = element_head(front, at, end, implicit=False, big_endian=False)
                if head.tag in VALUE_TYPES:
                    return at, head
                following = head.value_at + head.length
                if head.length == UNDEFINED:
                    following = skip_undefined(front, head.value_at, end, implicit=False, big_endian=False)
            except NeedMoreData:
                break
            if following > end:
                break
            self._elements.append(_Element(head.tag, at, following))
            if len(self._elements) > MAX_ELEMENTS:
                raise PacsdError(Fault.TOO_MUCH, f"a header of more than {MAX_ELEMENTS} elements")
            if head.tag in _READ:
                self._values[head.tag] = bytes(front[head.value_at : following])
            at = following
        raise _Short(at)

    def _texts(self, tag: int) -> list[str]:
        """The values of a text, those that are not empty."""
        values = (value.strip(" \0") for value in self._values.get(tag, b"").decode("latin_1").split("\\"))
        return [value for value in values if value]

    def _descriptions(self, pixel_data: ElementHead) -> tuple[PixelDescription, PixelDescription, PixelDescription]:
        """The image as it is stored, decoded, and coded."""
        stored = self._description(pixel_data)
        decoded = decoded_description(self._source, stored)
        coded = encoders.coded_description(self._target, decoded, loss=self._loss)
        if not transfer_syntax(self._target).encapsulated:
            native_bytes(coded)
        return stored, decoded, coded

    def _description(self, pixel_data: ElementHead) -> PixelDescription:
        return PixelDescription.of_elements(self._values, value_type=VALUE_TYPES[pixel_data.tag])

    def _frames(self, pixel_data: ElementHead, stored: PixelDescription) -> Iterator[bytes]:
        if pixel_data.length == UNDEFINED:
            offsets = self._extended_offsets()
            return encapsulated_frames(self._data, self._source, stored.number_of_frames, offsets)
        if transfer_syntax(self._source).encapsulated:
            raise MalformedDataset("the pixel data of an encapsulated transfer syntax is not encapsulated")
        return native_frames(self._data, pixel_data.length, stored)

    def _extended_offsets(self) -> tuple[int, ...]:
        raw = self._values.get(_EXTENDED_OFFSETS, b"")
        return struct.unpack_from(f"<{len(raw) // 8}Q", raw)

    def _coded(self, frame: bytes, stored: PixelDescription, decoded: PixelDescription) -> bytes:
        cells = decode_cells(frame, self._source, stored)
        if self._edit is not None:
            cells = self._edit(cells, decoded)
        return encode_frame(cells, self._target, decoded, loss=self._loss)

    def _all_coded(
        self, first: bytes, frames: Iterator[bytes], stored: PixelDescription, decoded: PixelDescription
    ) -> Iterator[bytes]:
        yield first
        for frame in frames:
            yield self._coded(frame, stored, decoded)

    def _pixel_header(self, tag: int, coded: PixelDescription) -> bytes:
        how = {"implicit": False, "big_endian": False}
        if transfer_syntax(self._target).encapsulated:
            return encode_header(tag, "OB", UNDEFINED, **how)
        vr = "OW" if coded.bits_allocated > 8 else "OB"
        return encode_header(tag, vr, native_bytes(coded), **how)

    def _changes(
        self, stored: PixelDescription, coded: PixelDescription, frame: bytes, coded_frame: bytes
    ) -> dict[int, Mapping[str, Any]]:
        """The attributes that have to say something else; the loss is told from the first frame, as it may be
        approximate (PS3.3 C.7.6.1.1.5.2)."""
        changed: dict[int, Mapping[str, Any]] = {}
        if coded.photometric_interpretation != stored.photometric_interpretation:
            changed[_PHOTOMETRIC] = {"vr": "CS", "Value": [coded.photometric_interpretation]}
        if coded.planar_configuration != stored.planar_configuration:
            changed[_PLANAR] = {"vr": "US", "Value": [coded.planar_configuration]}
        if self._loss is not None:
            changed |= self._derived(coded, coded_frame)
        elif codestream.loses(frame, self._source) and self._texts(derivation.LOSSY) != ["01"]:
            changed |= derivation.once_lossy()
        return changed

    def _derived(self, coded: PixelDescription, coded_frame: bytes) -> Mapping[int, Mapping[str, Any]]:
        one = replace(coded, number_of_frames=1)
        original = "".join(self._texts(_SOP_INSTANCE))
        return derivation.derived(
            new_uid=result_uid(original, self._source, self._target, loss=self._loss),
            sop_class_uid="".join(self._texts(_SOP_CLASS)),
            sop_instance_uid=original,
            image_type=self._texts(_IMAGE_TYPE),
            ratios=self._texts(derivation.RATIO),
            methods=self._texts(derivation.METHOD),
            ratio=one.samples * one.bits_allocated / 8 / max(len(coded_frame), 1),
            method=encoders.ENCODERS[self._target].method,
        )

    def _edited(self, changed: Mapping[int, Mapping[str, Any]]) -> bytes:
        """The header with the changed attributes in their places; offset tables and lying group lengths gone."""
        new = {
            tag: encode_element(tag, attribute, implicit=False, big_endian=False, character_sets=())
            for tag, attribute in changed.items()
        }
        groups = {tag >> 16 for tag in new} | {_PIXEL_GROUP}
        out: list[bytes] = []
        waiting = sorted(new)
        for element in self._elements:
            while waiting and waiting[0] < element.tag:
                out.append(new[waiting.pop(0)])
            if element.tag in new:
                if waiting and waiting[0] == element.tag:
                    out.append(new[waiting.pop(0)])
            elif element.tag not in _OFFSET_TABLES and not (element.tag & 0xFFFF == 0 and element.tag >> 16 in groups):
                out.append(self._header[element.start : element.end])
        return b"".join((*out, *(new[tag] for tag in waiting)))


def _nothing_to_compress() -> PacsdError:
    return PacsdError(Fault.UNSUPPORTED, "the object has no pixel data to compress")


class _Short(Exception):
    """What is there ends before Pixel Data; the next element begins at `at`."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
