"""What a compressed frame says about itself, read without decoding it: JPEG, JPEG-LS (T.81, T.87), JPEG 2000 (T.800).

A decoder allocates what the code stream asks for; so it is asked first, and compared with what the data set says.
"""

import struct
from dataclasses import dataclass

from pacsd.faults import Fault, PacsdError

_SOI, _EOI, _SOS, _APP0, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE
_STANDALONE = frozenset((0x01, _SOI, *range(0xD0, 0xD8)))
_FRAMES = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7))
_MAX_SEGMENTS = 1000
_MAX_TILE_PARTS = 1 << 20
_JP2_SIGNATURE = b"\0\0\0\x0cjP  "
_CODESTREAM = b"\xff\x4f\xff\x51"
_PIXELS_PER_TILE = 4096


@dataclass(frozen=True, slots=True)
class Codestream:
    """Dimensions and depth of a coded image; `process` is the JPEG SOF marker's second byte, 0 for JPEG 2000."""

    rows: int
    columns: int
    components: int
    precision: int
    signed: bool = False
    process: int = 0
    jfif: bool = False
    adobe_transform: int | None = None
    component_ids: bytes = b""
    colour_transform: bool = False       # JPEG 2000: a multiple component transformation
    reversible: bool = True              # JPEG 2000: 5-3 wavelet
    subsampled: bool = False


def jpeg(data: bytes) -> Codestream:
    """The frame header of a JPEG or JPEG-LS stream. Raises PacsdError MALFORMED, also where the stream has no end."""
    if data[:2] != b"\xff\xd8":
        raise _malformed("a frame is not a JPEG stream")
    at, jfif, adobe = 2, False, None
    for _ in range(_MAX_SEGMENTS):
        marker, at = _next_marker(data, at)
        if marker in _STANDALONE:
            continue
        if marker in (_EOI, _SOS) or at + 2 > len(data):
            break
        length = int.from_bytes(data[at : at + 2], "big")
        body = data[at + 2 : at + length]
        if length < 2 or len(body) != length - 2:
            break
        if marker == _APP0 and body.startswith(b"JFIF\0"):
            jfif = True
        elif marker == _APP14 and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        elif marker in _FRAMES:
            return _frame(body, marker, jfif, _adobe_after(data, at + length) if adobe is None else adobe, data)
        at += length
    raise _malformed("a JPEG stream has no frame header")


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    if data[at : at + 1] != b"\xff":
        raise _malformed("a JPEG stream has no marker where one should be")
    while data[at : at + 1] == b"\xff":
        at += 1
    if at >= len(data):
        raise _malformed("a JPEG stream is truncated")
    return data[at], at + 1


def _adobe_after(data: bytes, at: int) -> int | None:
    found = data.find(b"\xff\xee\x00\x0eAdobe", at, at + 4096)
    return data[found + 15] if found >= 0 and found + 15 < len(data) else None


def _frame(body: bytes, marker: int, jfif: bool, adobe: int | None, data: bytes) -> Codestream:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise _malformed("a JPEG frame header is too short")
    precision, rows, columns, components = struct.unpack_from(">BHHB", body)
    parts = [body[6 + 3 * n : 9 + 3 * n] for n in range(components)]
    if b"\xff\xd9" not in data[-_TAIL_BYTES:]:
        raise _malformed("a JPEG stream is truncated")
    return Codestream(
        rows, columns, components, precision,
        process=marker, jfif=jfif, adobe_transform=adobe,
        component_ids=bytes(part[0] for part in parts),
        subsampled=len({part[1] for part in parts}) > 1,
    )  # fmt: skip


_TAIL_BYTES = 1024                       # padding behind the end of image is allowed, as in some writers' files


def jpeg2000(data: bytes) -> tuple[Codestream, int]:
    """SIZ and COD of a JPEG 2000 or HTJ2K stream, and where it begins: some writers add the JP2 container.

    Raises PacsdError MALFORMED, TOO_MUCH for a mosaic of tiny tiles, whose bookkeeping alone would fill the memory.
    """
    start = data.find(_CODESTREAM, 0, 1 << 16) if data[:8] == _JP2_SIGNATURE else 0
    if start < 0 or data[start : start + 4] != _CODESTREAM:
        raise _malformed("a frame is not a JPEG 2000 code stream")
    at = start + 4
    length = int.from_bytes(data[at : at + 2], "big")
    if length < 41 or len(data) < at + length:
        raise _malformed("a JPEG 2000 code stream is truncated")
    x1, y1, x0, y0, tile_w, tile_h, tile_x, tile_y, components = struct.unpack_from(">8IH", data, at + 4)
    if length != 38 + 3 * components or not tile_w or not tile_h or x1 <= x0 or y1 <= y0 or tile_x > x0 or tile_y > y0:
        raise _malformed("the image and tile sizes of a JPEG 2000 code stream are impossible")
    tiles = -(-(x1 - tile_x) // tile_w) * -(-(y1 - tile_y) // tile_h)
    if tiles > 1 + (x1 - x0) * (y1 - y0) // _PIXELS_PER_TILE:
        raise PacsdError(Fault.TOO_MUCH, f"a JPEG 2000 code stream in {tiles} tiles")
    parts = [data[at + 38 + 3 * n : at + 41 + 3 * n] for n in range(components)]
    if len({part[0] for part in parts}) != 1:
        raise PacsdError(Fault.UNSUPPORTED, "components of different depths")
    transform, reversible = _coding_style(data, at + length)
    return Codestream(
        y1 - y0, x1 - x0, components, (parts[0][0] & 0x7F) + 1,
        signed=parts[0][0] > 0x7F,
        colour_transform=transform,
        reversible=reversible,
        subsampled=any(part[1:] != b"\x01\x01" for part in parts),
    ), start  # fmt: skip


def _coding_style(data: bytes, at: int) -> tuple[bool, bool]:
    for _ in range(_MAX_SEGMENTS):
        marker, length = data[at : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == b"\xff\x52" and len(data) > at + 13:
            return data[at + 8] != 0, data[at + 13] == 1
        if len(marker) < 2 or marker == b"\xff\x90" or length < 2:
            break
        at += 2 + length
    raise _malformed("a JPEG 2000 code stream has no coding style")


def check_tile_parts(data: bytes, start: int) -> None:
    """Raises PacsdError MALFORMED where the tile-parts do not lead to the end of the code stream (T.800 A.4.2)."""
    at = _first_tile_part(data, start + 2)
    for _ in range(_MAX_TILE_PARTS):
        if data[at : at + 2] != b"\xff\x90":
            break
        length = int.from_bytes(data[at + 6 : at + 10], "big")
        at = max(at + length, at + 14) if length else data.rfind(b"\xff\xd9")      # 0: up to the end
    if data[at : at + 2] != b"\xff\xd9":
        raise _malformed("a JPEG 2000 code stream is truncated")


def _first_tile_part(data: bytes, at: int) -> int:
    for _ in range(_MAX_SEGMENTS):
        if data[at : at + 2] == b"\xff\x90" or at >= len(data):
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def _malformed(message: str) -> PacsdError:
    return PacsdError(Fault.MALFORMED, message)


def loses(encoded: bytes, transfer_syntax_uid: str) -> bool:
    """Whether a frame was coded with loss: always with a DCT, else as its code stream says."""
    if transfer_syntax_uid in _DCT:
        return True
    if transfer_syntax_uid in ("1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203"):
        return not jpeg2000(encoded)[0].reversible
    return transfer_syntax_uid == "1.2.840.10008.1.2.4.81" and _near(encoded) > 0


_DCT = frozenset(f"1.2.840.10008.1.2.4.{end}" for end in range(50, 57))


def _near(encoded: bytes) -> int:
    """NEAR of a JPEG-LS stream's first scan (T.87 C.2.3)."""
    scan = encoded.find(b"\xff\xda")
    components = encoded[scan + 4] if 0 <= scan < len(encoded) - 4 else 0
    place = scan + 5 + 2 * components
    return encoded[place] if 0 < place < len(encoded) else 0
