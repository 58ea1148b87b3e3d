"""Just enough of JPEG, PNG and GIF to judge a rendered image: its size, and the samples of a PNG."""

import struct
import zlib

import numpy

from conformance.judging import Failed

Samples = numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.uint8]]

MAX_SAMPLES = 64 << 20
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # PNG color types (ISO/IEC 15948 11.2.2)
KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}


def media_type(picture: bytes) -> str | None:
    """What its first bytes say it is."""
    return next((kind for magic, kind in KINDS.items() if picture.startswith(magic)), None)


def size(picture: bytes) -> tuple[int, int]:
    """Width and height. Raises Failed for what is none of the three."""
    kind = media_type(picture)
    try:
        if kind == "image/png":
            return struct.unpack(">II", picture[16:24])
        if kind == "image/gif":
            return struct.unpack("<HH", picture[6:10])
        if kind == "image/jpeg":
            return _jpeg_frame(picture)[1:]
    except (struct.error, IndexError):
        pass
    raise Failed(f"expected a JPEG, PNG or GIF image, got {picture[:16]!r}")


def jpeg_process(picture: bytes) -> int:
    """The start-of-frame marker of a JPEG: 0xC0 is baseline (ISO/IEC 10918-1 Table B.1)."""
    return _jpeg_frame(picture)[0]


def _jpeg_frame(picture: bytes) -> tuple[int, int, int]:
    at = 2
    while at + 9 <= len(picture) and picture[at] == 0xFF:
        marker, length = picture[at + 1], int.from_bytes(picture[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", picture[at + 5 : at + 9])
            return marker, width, height
        at += 2 + length
    raise Failed("expected a frame header in a JPEG, got none")


def samples(png: bytes) -> Samples:
    """Rows, columns and channels of a PNG of 8 bits, not interlaced, as one channel or three."""
    width, height = size(png)
    depth, color, _, _, interlaced = png[24:29]
    if media_type(png) != "image/png" or depth != 8 or interlaced or color == 3:
        raise Failed(f"expected a PNG of 8 bits a channel (PS3.18 8.7.4), got depth {depth}, color type {color}")
    channels = CHANNELS[color]
    if width * height * channels > MAX_SAMPLES:
        raise Failed(f"expected an image of moderate size, got {width}×{height}")
    lines = _lines(zlib.decompress(_data(png)), height, width * channels, channels)
    shaped = lines.reshape(height, width, channels)
    return shaped[:, :, :3] if channels >= 3 else shaped[:, :, :1]


def _data(png: bytes) -> bytes:
    at, found = 8, b""
    while at + 8 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"IDAT":
            found += png[at + 8 : at + 8 + length]
        at += 12 + length
    return found


def _lines(data: bytes, height: int, stride: int, step: int) -> Samples:
    """Undo the filters of each line (ISO/IEC 15948 9)."""
    out = numpy.zeros((height, stride), numpy.uint8)
    above = bytes(stride)
    for row in range(height):
        start = row * (stride + 1)
        above = _line(data[start], bytearray(data[start + 1 : start + 1 + stride]), above, step)
        out[row] = numpy.frombuffer(above, numpy.uint8)
    return out


def _line(kind: int, line: bytearray, above: bytes, step: int) -> bytes:
    for at in range(len(line)):
        left = line[at - step] if at >= step else 0
        up, corner = above[at], above[at - step] if at >= step else 0
        line[at] = (line[at] + (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]) & 0xFF
    return bytes(line)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))
