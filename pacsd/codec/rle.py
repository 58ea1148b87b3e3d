"""RLE Lossless (PS3.5 Annex G): byte planes, most significant first, each packed row by row."""

import struct

import imagecodecs
import numpy as np

from pacsd.codec.image_pixel import PixelDescription, Pixels
from pacsd.faults import Fault, PacsdError

_HEADER = struct.Struct("<16I")
MAX_SEGMENTS = 15


def decode(encoded: bytes, description: PixelDescription) -> Pixels:
    """The cells of a frame. Raises PacsdError MALFORMED: too few or too many segments, or bytes in them."""
    width = description.dtype.itemsize
    segments = _segments(encoded, description.samples_per_pixel * width)
    pixels = description.rows * description.columns
    planes = np.empty((description.samples_per_pixel, width, pixels), np.uint8)
    for number, (start, end) in enumerate(segments):
        plane = _unpacked(encoded[start:end], pixels)
        planes[number // width, width - 1 - number % width] = np.frombuffer(plane, np.uint8)
    cells = np.ascontiguousarray(planes.transpose(2, 0, 1)).view(description.dtype.newbyteorder("<"))
    return cells.astype(description.dtype, copy=False).reshape(description.shape)


def _segments(encoded: bytes, expected: int) -> list[tuple[int, int]]:
    if len(encoded) < _HEADER.size:
        raise PacsdError(Fault.MALFORMED, "an RLE frame is shorter than its header")
    count, *offsets = _HEADER.unpack_from(encoded)
    starts = offsets[:count]
    if count != expected or count > MAX_SEGMENTS:
        raise PacsdError(Fault.MALFORMED, f"an RLE frame of {count} segments should have {expected}")
    ends = [*starts[1:], len(encoded)]
    if starts[0] != _HEADER.size or any(start >= end for start, end in zip(starts, ends, strict=True)):
        raise PacsdError(Fault.MALFORMED, "the segments of an RLE frame lie")
    return list(zip(starts, ends, strict=True))


def _unpacked(segment: bytes, wanted_bytes: int) -> bytes:
    """One segment; an odd one may have been padded before it was packed."""
    room = bytearray(wanted_bytes + wanted_bytes % 2)
    try:
        plane = imagecodecs.packbits_decode(segment, out=room)
    except (RuntimeError, ValueError) as error:
        raise PacsdError(Fault.MALFORMED, "a segment of an RLE frame cannot be unpacked") from error
    if len(plane) < wanted_bytes:
        raise PacsdError(Fault.MALFORMED, f"a segment of an RLE frame has {len(plane)} of {wanted_bytes} bytes")
    return bytes(plane[:wanted_bytes])


def encode(cells: Pixels, description: PixelDescription) -> bytes:
    """The frame of even length. Raises PacsdError UNSUPPORTED when it would need more than 15 segments."""
    width = description.dtype.itemsize
    if description.samples_per_pixel * width > MAX_SEGMENTS:
        raise PacsdError(Fault.UNSUPPORTED, "RLE has no more than 15 segments")
    little = cells.astype(description.dtype.newbyteorder("<"), copy=False)
    planes = np.ascontiguousarray(little).view(np.uint8).reshape(
        description.rows, description.columns, description.samples_per_pixel, width
    )
    segments = [
        _packed(planes[:, :, sample, width - 1 - byte])
        for sample in range(description.samples_per_pixel)
        for byte in range(width)
    ]
    starts, at = [], _HEADER.size
    for segment in segments:
        starts.append(at)
        at += len(segment)
    header = _HEADER.pack(len(segments), *starts, *([0] * (MAX_SEGMENTS - len(starts))))
    return b"".join((header, *segments))


def _packed(plane: Pixels) -> bytes:
    packed = bytes(imagecodecs.packbits_encode(plane.copy()))
    return packed + b"\0" * (len(packed) % 2)
