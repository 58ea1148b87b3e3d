"""Pixel data that is passed on: the described frames and nothing beside them.

Comments and application data in code streams, bytes behind a frame, and offset tables may hold anything (PS3.15 E.1.1
does not speak of them); what nobody here can look into is refused.
"""

import struct
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain

from pacsd.codec import native
from pacsd.codec.bare_frames import BARE, Bare
from pacsd.codec.elements import encode_header
from pacsd.codec.encapsulated import as_fragments, encapsulated_frames, native_bytes
from pacsd.codec.forward import Forward
from pacsd.codec.image_pixel import DESCRIBING, VALUE_TYPES, PixelDescription
from pacsd.codec.pixels import decode_cells, decoded_description, encode_frame
from pacsd.codec.structure import UNDEFINED, MalformedDataset
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.deidentify.incoming import PixelHead
from pacsd.faults import Fault, PacsdError

EXTENDED_OFFSETS = 0x7FE00001
WANTED = DESCRIBING | {EXTENDED_OFFSETS}
_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
_CODED_ANEW = ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1")       # RLE, deflated frames: nothing is lost


def pixel_element(
    data: Forward, head: PixelHead, values: Mapping[int, bytes], transfer_syntax_uid: str, *, bare: bool,
    implicit: bool, big_endian: bool,
) -> Iterator[bytes]:  # fmt: skip
    """The pixel data element whose value comes next in the stream, its offsets made anew. `values`: raw ones of WANTED.

    With `bare` nothing is left beside the pictures; without, frames come as they are, for who decodes them.
    Raises PacsdError UNSUPPORTED, MALFORMED, TOO_MUCH: what the first frame shows to be impossible at once.
    """
    described = PixelDescription.of_elements(values, value_type=VALUE_TYPES[head.tag], big_endian=big_endian)
    if transfer_syntax(transfer_syntax_uid).encapsulated != (head.length == UNDEFINED):
        raise MalformedDataset("the pixel data is not encapsulated as its transfer syntax has it")
    if head.length != UNDEFINED:
        return _native(data, head, described, implicit=implicit, big_endian=big_endian)
    make = _bare(transfer_syntax_uid, described) if bare else bytes
    raw = values.get(EXTENDED_OFFSETS, b"")
    offsets = struct.unpack_from(f"<{len(raw) // 8}Q", raw)
    frames = encapsulated_frames(data, transfer_syntax_uid, described.number_of_frames, offsets)
    made = map(make, frames)
    return _encapsulated(head, chain([next(made)], made))


def _native(
    data: Forward, head: PixelHead, described: PixelDescription, *, implicit: bool, big_endian: bool
) -> Iterator[bytes]:
    """As long as it is described; a shorter value stays as it is."""
    length = min(head.length, native_bytes(described))
    yield encode_header(head.tag, head.vr, length, implicit=implicit, big_endian=big_endian)
    yield from map(bytes, data.take(length))
    data.skip(head.length - length)


def _encapsulated(head: PixelHead, frames: Iterator[bytes]) -> Iterator[bytes]:
    yield encode_header(head.tag, "OB", UNDEFINED, implicit=False, big_endian=False)
    yield from as_fragments(frames)


def _bare(transfer_syntax_uid: str, described: PixelDescription) -> Bare:
    """What makes a clean frame of a stored one. Raises PacsdError UNSUPPORTED."""
    if transfer_syntax_uid in BARE:
        return BARE[transfer_syntax_uid]
    if transfer_syntax_uid == _UNCOMPRESSED:
        return partial(_cut, native.frame_bytes(described))
    if transfer_syntax_uid in _CODED_ANEW:
        return partial(_coded_anew, transfer_syntax_uid, described)
    name = transfer_syntax(transfer_syntax_uid).name
    raise PacsdError(Fault.UNSUPPORTED, f"nobody here can look through what is coded as {name}")


def _cut(size: int, frame: bytes) -> bytes:
    return frame[:size]


def _coded_anew(transfer_syntax_uid: str, described: PixelDescription, frame: bytes) -> bytes:
    cells = decode_cells(frame, transfer_syntax_uid, described)
    return encode_frame(cells, transfer_syntax_uid, decoded_description(transfer_syntax_uid, described))
