"""What a compressed frame says about itself, read without decoding it: JPEG, JPEG-LS (T.81, T.87), JPEG 2000 (T.800).

A decoder allocates what the code stream asks for; so it is asked first, and compared with what the data set says.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pacsd.faults import Fault, PacsdError

_SOI, _EOI, _SOS, _APP0, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE
_STANDALONE = frozenset((0x01, _SOI, *range(0xD0, 0xD8)))
_FRAMES = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7))
_MAX_SEGMENTS = 1000
_MAX_TILE_PARTS = 1 << 20
_MAX_SCANS = 100                         # each goes over the whole picture, whatever its length; ten are usual
_SCAN = b"\xff\xda"
_JP2_SIGNATURE = b"\0\0\0\x0cjP  "
_CODESTREAM = b"\xff\x4f\xff\x51"
_COD, _COC, _SOT, _SOD = b"\xff\x52", b"\xff\x53", b"\xff\x90", b"\xff\x93"
_FEW_PRECINCTS, _SAMPLES_PER_PRECINCT = 256, 512         # a decoder keeps 1.6 KB of each
_MANY_LAYERS = 64


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
        marker, at = next_marker(data, at)
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


def next_marker(data: bytes, at: int) -> tuple[int, int]:
    """The next marker of a JPEG stream behind fill bytes, and the place behind it. Raises PacsdError MALFORMED."""
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
    if data.count(_SCAN) > _MAX_SCANS:
        raise PacsdError(Fault.TOO_MUCH, f"a JPEG stream of more than {_MAX_SCANS} scans")
    return Codestream(
        rows, columns, components, precision,
        process=marker, jfif=jfif, adobe_transform=adobe,
        component_ids=bytes(part[0] for part in parts),
        subsampled=len({part[1] for part in parts}) > 1,
    )  # fmt: skip


_TAIL_BYTES = 1024                       # padding behind the end of image is allowed, as in some writers' files


def jpeg2000_start(data: bytes) -> int:
    """Where a JPEG 2000 code stream begins, inside of JP2 boxes too. Raises PacsdError MALFORMED."""
    start = data.find(_CODESTREAM, 0, 1 << 16) if data[:8] == _JP2_SIGNATURE else 0
    if start < 0 or data[start : start + 4] != _CODESTREAM:
        raise _malformed("a frame is not a JPEG 2000 code stream")
    return start


def jpeg2000(data: bytes) -> tuple[Codestream, int]:
    """SIZ and COD of a JPEG 2000 or HTJ2K stream, and where it begins: some writers add the JP2 container.

    Raises PacsdError MALFORMED, also where the tile-parts do not lead to the end; TOO_MUCH for a mosaic of tiny tiles
    or precincts, whose bookkeeping alone would fill the memory.
    """
    start = jpeg2000_start(data)
    at = start + 4
    length = int.from_bytes(data[at : at + 2], "big")
    if length < 41 or len(data) < at + length:
        raise _malformed("a JPEG 2000 code stream is truncated")
    x1, y1, x0, y0, tile_w, tile_h, tile_x, tile_y, components = struct.unpack_from(">8IH", data, at + 4)
    if length != 38 + 3 * components or not tile_w or not tile_h or x1 <= x0 or y1 <= y0 or tile_x > x0 or tile_y > y0:
        raise _malformed("the image and tile sizes of a JPEG 2000 code stream are impossible")
    parts = [data[at + 38 + 3 * n : at + 41 + 3 * n] for n in range(components)]
    if len({part[0] for part in parts}) != 1:
        raise PacsdError(Fault.UNSUPPORTED, "components of different depths")
    grid = _Grid(
        tiles=-(-(x1 - tile_x) // tile_w) * -(-(y1 - tile_y) // tile_h) * components,
        columns=min(tile_w, x1 - x0), rows=min(tile_h, y1 - y0),
        samples=(x1 - x0) * (y1 - y0) * components,
    )  # fmt: skip
    style = _coding_style(data, at + length, components, grid)
    return Codestream(
        y1 - y0, x1 - x0, components, (parts[0][0] & 0x7F) + 1,
        signed=parts[0][0] > 0x7F,
        colour_transform=style.colour_transform,
        reversible=style.reversible,
        subsampled=any(part[1:] != b"\x01\x01" for part in parts),
    ), start  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Grid:
    """The tiles of all components, the size of one, and how many samples they hold together."""

    tiles: int
    columns: int
    rows: int
    samples: int

    def check(self, style: "_CodingStyle") -> None:
        """Raises PacsdError TOO_MUCH for more precincts, or packets of them, than such an image can use."""
        precincts = sum(
            _halved(_halved(self.columns, halvings), across) * _halved(_halved(self.rows, halvings), down)
            for halvings, (across, down) in enumerate(reversed(style.precincts))
        )
        allowed = _FEW_PRECINCTS + self.samples // _SAMPLES_PER_PRECINCT
        if self.tiles * precincts * max(1, style.layers / _MANY_LAYERS) > allowed:
            raise PacsdError(Fault.TOO_MUCH, f"a JPEG 2000 code stream in more than {allowed} precincts")


def _halved(size: int, times: int) -> int:
    return -(-size >> times)


@dataclass(frozen=True, slots=True)
class _CodingStyle:
    """COD or COC (T.800 A.6.1, A.6.2); `precincts`: the exponents of their width and height by resolution."""

    colour_transform: bool
    reversible: bool
    layers: int
    precincts: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls, body: bytes, layers: int) -> "_CodingStyle":
        """From SPcod or SPcoc behind Scod, multiple component transformation and number of layers."""
        transform, levels = body[1], body[2]
        sizes = body[7 : 8 + levels] if body[0] & 1 else b"\xff" * (levels + 1)
        if levels > 32 or len(sizes) != levels + 1:
            raise _malformed("the coding style of a JPEG 2000 code stream is impossible")
        return cls(transform != 0, body[6] == 1, layers, tuple((size & 15, size >> 4) for size in sizes))


def _coding_style(data: bytes, at: int, components: int, grid: _Grid) -> _CodingStyle:
    """The main header's; those of components and tiles are checked too."""
    first: _CodingStyle | None = None
    for style, marker in _styles(data, at, components):
        grid.check(style)
        first = style if first is None and marker == _COD else first
    if first is None:
        raise _malformed("a JPEG 2000 code stream has no coding style")
    return first


def _styles(data: bytes, at: int, components: int) -> Iterator[tuple[_CodingStyle, bytes]]:
    """The coding styles of the main header and of all tile-parts, which must lead to the end (T.800 A.4.2)."""
    layers = 1
    wide = 1 if components < 257 else 2
    for marker, body in _segments(data, at):
        if marker == _COD and len(body) >= 10:
            layers = int.from_bytes(body[2:4], "big")
            yield _CodingStyle.read(body[:1] + body[4:], layers), marker
        elif marker == _COC and len(body) >= wide + 6:
            yield _CodingStyle.read(body[wide : wide + 1] + b"\0" + body[wide + 1 :], layers), marker


def _segments(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """The marker segments of the main header and the headers of tile-parts; what is coded between them is leapt."""
    following = 0                        # the tile-part behind the one whose header this is
    for _ in range(_MAX_TILE_PARTS):
        marker, length = data[at : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SOT:
            told = int.from_bytes(data[at + 6 : at + 10], "big")
            following = max(at + told, at + 14) if told else data.rfind(_END)          # 0: up to the end
            at += 12
        elif marker == _SOD:
            at = following
        elif marker == _END and following:
            return
        elif len(marker) < 2 or marker[0] != 0xFF or length < 2:
            break
        else:
            yield marker, data[at + 4 : at + 2 + length]
            at += 2 + length
    raise _malformed("a JPEG 2000 code stream is truncated")


_END = b"\xff\xd9"


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
