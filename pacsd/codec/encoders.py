"""From pixel cells to the bytes of one frame: one declared entry for each transfer syntax we write (PS3.5 8.2).

What each can hold follows the tables of valid Image Pixel Module attributes in PS3.5 8.2, as far as the libraries
behind go. Lossless is the rule; only the syntaxes with a DCT lose without being told how much they may.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import imagecodecs
import numpy as np

from pacsd.codec import native, rle
from pacsd.codec.image_pixel import PixelDescription, Pixels
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.faults import Fault, PacsdError


@dataclass(frozen=True, slots=True)
class Loss:
    """How much may be lost, for the syntaxes that can lose (PS3.3 C.7.6.1.1.5)."""

    jpeg_quality: int = 90               # of 100, as libjpeg counts
    near: int = 2                        # JPEG-LS: the largest error of a sample
    psnr_db: int = 50                    # JPEG 2000
    step: float = 1 / 2048               # HTJ2K: the base quantisation step, relative to the range of Bits Stored


Encode = Callable[[Pixels, PixelDescription, Loss | None], bytes]

_GREY = {"MONOCHROME1": "MONOCHROME1", "MONOCHROME2": "MONOCHROME2"}
_KEPT = _GREY | {"PALETTE COLOR": "PALETTE COLOR", "RGB": "RGB", "YBR_FULL": "YBR_FULL"}
_REVERSIBLE = _KEPT | {"RGB": "YBR_RCT"}
_DCT = _GREY | {"RGB": "YBR_FULL_422", "YBR_FULL": "YBR_FULL_422"}


@dataclass(frozen=True, slots=True)
class Encoder:
    """One transfer syntax that can be written.

    `colours`: the Photometric Interpretations it takes, each with what it is called afterwards. `allocated`: Bits
    Allocated it takes. `method`: Lossy Image Compression Method (0028,2114), where it can lose.
    """

    encode: Encode
    colours: Mapping[str, str] = field(default_factory=lambda: _KEPT)
    allocated: frozenset[int] = frozenset((8, 16))
    max_bits_stored: int = 32
    unsigned: bool = False
    interleaved: bool = True             # Planar Configuration becomes 0
    always_lossy: bool = False
    method: str = ""

    def coded(self, description: PixelDescription, loss: Loss | None) -> PixelDescription | None:
        """The description of the coded image; None where it cannot be coded so."""
        colour = self.colours.get(description.photometric_interpretation)
        fits = (
            description.value_type == "integer"
            and description.bits_allocated in self.allocated
            and description.bits_stored <= self.max_bits_stored
            and not (self.unsigned and description.pixel_representation)
        )
        if colour is None or not fits or (loss and (not self.method or colour == "PALETTE COLOR")):
            return None
        if loss and colour == "YBR_RCT":
            colour = "YBR_ICT"
        planar = 0 if self.interleaved else description.planar_configuration
        return replace(description, photometric_interpretation=colour, planar_configuration=planar)


def _native(cells: Pixels, description: PixelDescription, loss: Loss | None) -> bytes:
    return native.encode(cells, description)


def _padded_native(cells: Pixels, description: PixelDescription, loss: Loss | None) -> bytes:
    frame = native.encode(cells, description)
    return frame + b"\0" * (len(frame) % 2)


def _deflated_frame(cells: Pixels, description: PixelDescription, loss: Loss | None) -> bytes:
    """Deflated Image Frame Compression (PS3.5 8.2.16)."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(native.encode(cells, description)) + deflater.flush()


def _rle(cells: Pixels, description: PixelDescription, loss: Loss | None) -> bytes:
    return rle.encode(cells, description)


def _jpeg(cells: Pixels, description: PixelDescription, loss: Loss | None) -> bytes:
    """JPEG with a DCT (PS3.5 8.2.1), chrominance subsampled 4:2:2."""
    quality = (loss or Loss()).jpeg_quality
    if description.bits_allocated == 16:
        twelve = np.clip(cells, 0, 4095).astype(np.uint16, copy=False)
        return _without_application_data(imagecodecs.jpeg8_encode(twelve, quality, bitspersample=12))
    colours: dict[str, Any] = {}
    if description.samples_per_pixel == 3:
        source = "RGB" if description.photometric_interpretation == "RGB" else "YCBCR"
        colours = {"colorspace": source, "outcolorspace": "YCBCR", "subsampling": "422"}
    return bytes(imagecodecs.jpeg8_encode(cells, quality, **colours))


def _jpeg_lossless(cells: Pixels, description: PixelDescription, loss: Loss | None) -> bytes:
    """JPEG Lossless, first-order prediction (PS3.5 8.2.1), the components as they are."""
    colours: dict[str, Any] = {"colorspace": "RGB", "outcolorspace": "RGB"} if cells.ndim == 3 else {}
    signed = bool(description.pixel_representation)
    precision = _allocated(cells) if signed else max(2, _precision(cells, description))
    samples = _unsigned(cells if signed else _narrowed(cells, description))
    coded = imagecodecs.jpeg8_encode(samples, lossless=True, predictor=1, bitspersample=precision, **colours)
    return _without_application_data(coded)


def _jpeg_ls(cells: Pixels, description: PixelDescription, loss: Loss | None) -> bytes:
    """JPEG-LS (PS3.5 8.2.3)."""
    samples = _unsigned(cells if description.pixel_representation else _narrowed(cells, description))
    near = loss.near if loss else 0
    try:
        coded = imagecodecs.jpegls_encode(samples, near)
    except imagecodecs.JpeglsError:      # noise grows beyond what the library reserves: 64 bits for a sample of 16
        coded = imagecodecs.jpegls_encode(samples, near, out=4 * samples.nbytes + 4096)
    return _without_application_data(coded)


def _jpeg_2000(cells: Pixels, description: PixelDescription, loss: Loss | None) -> bytes:
    """A JPEG 2000 code stream without a container (PS3.5 8.2.4)."""
    return bytes(imagecodecs.jpeg2k_encode(
        _narrowed(cells, description),
        loss.psnr_db if loss else None,
        codecformat="J2K",
        planar=False,
        bitspersample=_precision(cells, description),
        reversible=loss is None,
        mct=description.photometric_interpretation == "RGB",
        numthreads=1,
    ))  # fmt: skip


_BASE_RESOLUTION = 64                    # PS3.5 10.18: so small shall the smallest be


def _htj2k(cells: Pixels, description: PixelDescription, loss: Loss | None) -> bytes:
    """HTJ2K in resolution-position-component-layer order, with tile-part lengths (PS3.5 8.2.14, 10.18).

    OpenJPH takes the depth from the type. Where fewer bits are stored, the level shift is done here, and the depth
    written into the size marker afterwards, so that the stream tells Bits Stored. With loss the samples are scaled by
    the depth, which has to stay what it is.
    """
    allocated = _allocated(cells)
    precision = allocated if loss else _precision(cells, description)
    shifted = precision < allocated and cells.dtype.kind == "u"
    samples = cells.view(np.dtype(f"i{cells.dtype.itemsize}")) - (1 << precision - 1) if shifted else cells
    halvings = max(5, (max(description.rows, description.columns) - 1).bit_length() - 6)
    stream = bytearray(imagecodecs.htj2k_encode(
        samples,
        loss.step / (1 << allocated - description.bits_stored) if loss else None,
        rgb=description.photometric_interpretation == "RGB",
        planar=False,
        resolutions=halvings,
        reversible=loss is None,
        tlm=True,
        tilepart=imagecodecs.HTJ2K.TILEPART.RESOLUTIONS,
    ))  # fmt: skip
    if precision < allocated:
        for component in range(description.samples_per_pixel):
            stream[_FIRST_DEPTH + 3 * component] = precision - 1 | (0x80 if cells.dtype.kind == "i" else 0)
    return bytes(stream)


_FIRST_DEPTH = 42                        # of Ssiz in the size marker, which is the first in a code stream


def _allocated(cells: Pixels) -> int:
    return cells.dtype.itemsize * 8


def _precision(cells: Pixels, description: PixelDescription) -> int:
    """Bits Stored where every cell fits, else all bits: then the cells hold more, overlays for example."""
    allocated, stored = _allocated(cells), description.bits_stored
    if stored == allocated:
        return allocated
    signed = bool(description.pixel_representation)
    lowest, highest = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
    fits = lowest <= int(cells.min()) and int(cells.max()) <= highest
    return stored if fits else allocated


def _narrowed(cells: Pixels, description: PixelDescription) -> Pixels:
    """In one byte where that is enough: the libraries' wrappers take precisions only with the type they need."""
    if cells.dtype.itemsize == 2 and _precision(cells, description) <= 8:
        return cells.astype(np.int8 if cells.dtype.kind == "i" else np.uint8)
    return cells


def _unsigned(cells: Pixels) -> Pixels:
    """The same bits for a codec that knows no signs."""
    return np.ascontiguousarray(cells).view(np.dtype(f"u{cells.dtype.itemsize}"))


def _without_application_data(stream: bytes | bytearray) -> bytes:
    """The stream without JFIF, Adobe and SPIFF segments, which not every DICOM reader knows what to do with."""
    data = bytes(stream)
    at = 2
    while data[at] == 0xFF and 0xE0 <= data[at + 1] <= 0xEF:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data[:2] + data[at:]


_JPEG = "1.2.840.10008.1.2.4."
_ANY = frozenset((1, 8, 16, 32))
_LOSES = {"J2K": "ISO_15444_1", "HTJ2K": "ISO_15444_15", "JLS": "ISO_14495_1", "JPEG": "ISO_10918_1"}
ENCODERS: dict[str, Encoder] = {
    "1.2.840.10008.1.2.1": Encoder(_native, allocated=_ANY, interleaved=False),
    "1.2.840.10008.1.2.1.98": Encoder(_padded_native, allocated=_ANY, interleaved=False),
    "1.2.840.10008.1.2.8.1": Encoder(_deflated_frame, allocated=_ANY, interleaved=False),
    "1.2.840.10008.1.2.5": Encoder(_rle, allocated=frozenset((8, 16, 32)), interleaved=False),
    _JPEG + "50": Encoder(
        _jpeg, _DCT, frozenset((8,)), 8, unsigned=True, always_lossy=True, method=_LOSES["JPEG"]
    ),
    _JPEG + "51": Encoder(
        _jpeg, _GREY, frozenset((16,)), 12, unsigned=True, always_lossy=True, method=_LOSES["JPEG"]
    ),
    _JPEG + "57": Encoder(_jpeg_lossless),
    _JPEG + "70": Encoder(_jpeg_lossless),
    _JPEG + "80": Encoder(_jpeg_ls),
    _JPEG + "81": Encoder(_jpeg_ls, method=_LOSES["JLS"]),
    _JPEG + "90": Encoder(_jpeg_2000, _REVERSIBLE),
    _JPEG + "91": Encoder(_jpeg_2000, _REVERSIBLE, method=_LOSES["J2K"]),
    _JPEG + "201": Encoder(_htj2k, _REVERSIBLE),
    _JPEG + "202": Encoder(_htj2k, _REVERSIBLE),
    _JPEG + "203": Encoder(_htj2k, _REVERSIBLE, method=_LOSES["HTJ2K"]),
}


def is_always_lossy(transfer_syntax_uid: str) -> bool:
    """Whether nothing can be coded so without loss."""
    encoder = ENCODERS.get(transfer_syntax_uid)
    return encoder is not None and encoder.always_lossy


def coded_description(
    transfer_syntax_uid: str, description: PixelDescription, *, loss: Loss | None = None
) -> PixelDescription:
    """How an image is described once it is coded so. Raises PacsdError UNSUPPORTED where it cannot be."""
    encoder = ENCODERS.get(transfer_syntax_uid)
    coded = encoder.coded(description, loss) if encoder else None
    if coded is None:
        raise PacsdError(
            Fault.UNSUPPORTED,
            f"{transfer_syntax(transfer_syntax_uid).name} is not written for "
            f"{description.photometric_interpretation} of {description.bits_stored} bits",
        )
    return coded


def encode_cells(
    cells: Pixels, transfer_syntax_uid: str, description: PixelDescription, *, loss: Loss | None = None
) -> bytes:
    """One frame's cells, which `description` describes, coded; not padded to even length.

    Raises PacsdError UNSUPPORTED, MALFORMED when the cells are not of that description.
    """
    coded_description(transfer_syntax_uid, description, loss=loss)
    if cells.shape != description.shape or cells.dtype != description.dtype:
        raise PacsdError(Fault.MALFORMED, "the frame is not what is described")
    return ENCODERS[transfer_syntax_uid].encode(np.ascontiguousarray(cells), description, loss)
