"""From the bytes of one frame to its pixel cells: one decoder for each way of coding, one table of them (PS3.5 8.2).

The libraries behind are imagecodecs' libjpeg-turbo, CharLS, OpenJPEG and OpenJPH; they run without the interpreter's
lock. Every code stream is compared with the description before a library sees it.
"""

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np

from pacsd.codec import codestream, native, rle
from pacsd.codec.codestream import Codestream
from pacsd.codec.deflate import inflated
from pacsd.codec.image_pixel import PixelDescription, Pixels
from pacsd.faults import Fault, PacsdError

Decoder = Callable[[bytes, PixelDescription], Pixels]

_LOSSLESS_PROCESS = 0xC3
# What a library says about bytes it cannot make sense of.
_COMPLAINTS = (RuntimeError, ValueError, TypeError, MemoryError, OverflowError, IndexError)


def _jpeg(encoded: bytes, description: PixelDescription) -> Pixels:
    """JPEG with a DCT, baseline to progressive (PS3.5 8.2.1): colours as RGB."""
    said = _described(codestream.jpeg(encoded), description)
    colours: dict[str, object] = {}
    if said.components == 3:
        colours = {"colorspace": "YCBCR" if _is_ycc(said, description) else "RGB", "outcolorspace": "RGB"}
    return _as_cells(_decoded(imagecodecs.jpeg8_decode, encoded, **colours), said, description)


def _is_ycc(said: Codestream, description: PixelDescription) -> bool:
    """Whether the components are luminance and chrominance: the stream's own marks first, then what is described."""
    if said.adobe_transform is not None:
        return said.adobe_transform == 1
    if said.component_ids == b"RGB":
        return False
    return said.jfif or description.photometric_interpretation != "RGB"


def _jpeg_lossless(encoded: bytes, description: PixelDescription) -> Pixels:
    """JPEG Lossless (PS3.5 8.2.1): components as they are. A stream with a DCT is decoded for what it is."""
    said = _described(codestream.jpeg(encoded), description)
    if said.process != _LOSSLESS_PROCESS:
        return _jpeg(encoded, description)
    colours = {"colorspace": "RGB", "outcolorspace": "RGB"} if said.components == 3 else {}
    return _as_cells(_decoded(imagecodecs.jpeg8_decode, encoded, **colours), said, description)


def _jpeg_ls(encoded: bytes, description: PixelDescription) -> Pixels:
    """JPEG-LS (PS3.5 8.2.3)."""
    said = _described(codestream.jpeg(encoded), description)
    return _as_cells(_decoded(imagecodecs.jpegls_decode, encoded), said, description)


def _jpeg_2000(encoded: bytes, description: PixelDescription) -> Pixels:
    """JPEG 2000 (PS3.5 8.2.4): the colour transform is undone."""
    said, start = codestream.jpeg2000(encoded)
    _described(said, description)
    return _as_cells(_decoded(imagecodecs.jpeg2k_decode, encoded[start:], numthreads=1), said, description)


def _htj2k(encoded: bytes, description: PixelDescription) -> Pixels:
    """High-Throughput JPEG 2000 (PS3.5 8.2.14): the colour transform is undone.

    The wrapper of OpenJPH (imagecodecs 2026.3) gives back what it has when decoding fails half-way, without an error.
    So the last line holds a mark before: where it is still there, and a second mark stays too, nothing was decoded.
    """
    said, start = codestream.jpeg2000(encoded)
    _described(said, description)
    kind = f"{'i' if said.signed else 'u'}{1 if said.precision <= 8 else 2 if said.precision <= 16 else 4}"
    out = np.zeros(description.shape, kind)
    for mark in (1, 2):
        last = out[-1] if said.components == 1 else out[-1, :, -1]
        last[:] = mark
        _decoded(imagecodecs.htj2k_decode, encoded[start:], planar=False, out=out)
        if not (last == mark).all():
            return _as_cells(out, said, description)
    raise PacsdError(Fault.MALFORMED, "a compressed frame cannot be decoded to its end")


def _deflated_frame(encoded: bytes, description: PixelDescription) -> Pixels:
    """Deflated Image Frame Compression (PS3.5 8.2.16): a native frame, deflated."""
    wanted = native.frame_bytes(description)
    frame = bytearray()
    for piece in inflated([encoded]):
        frame += piece
        if len(frame) > wanted + 1:
            raise PacsdError(Fault.MALFORMED, "a frame inflates to more than what is described")
    return native.decode(bytes(frame), description)


def _described(said: Codestream, description: PixelDescription) -> Codestream:
    """The stream, if it is of the described dimensions. Raises PacsdError MALFORMED."""
    coded = said.rows, said.columns, said.components
    if coded != (description.rows, description.columns, description.samples_per_pixel):
        raise PacsdError(
            Fault.MALFORMED,
            f"a frame is coded as {said.columns} × {said.rows} × {said.components}, not as the data set describes it",
        )
    if said.precision > max(description.bits_allocated, 8):
        raise PacsdError(Fault.MALFORMED, f"a frame is coded with {said.precision} bits, more than are allocated")
    return said


def _decoded(decode: Callable[..., Any], encoded: bytes, **how: object) -> Pixels:
    try:
        pixels: Pixels = decode(encoded, **how)
    except _COMPLAINTS as error:
        raise PacsdError(Fault.MALFORMED, "a compressed frame cannot be decoded") from error
    return pixels


def _as_cells(pixels: Pixels, said: Codestream, description: PixelDescription) -> Pixels:
    """In the described type. Signs are extended from the stream's own precision: most codecs know no signs."""
    if pixels.shape != description.shape:
        raise PacsdError(Fault.MALFORMED, "a frame decodes to other dimensions than its header says")
    wanted = description.dtype
    if wanted.kind != "i" or said.precision >= wanted.itemsize * 8 or pixels.dtype.kind == "i":
        return np.ascontiguousarray(pixels.astype(wanted, copy=False))
    unused = wanted.itemsize * 8 - said.precision
    return np.ascontiguousarray(np.right_shift(np.left_shift(pixels.astype(wanted), unused), unused))


_JPEG = "1.2.840.10008.1.2.4."
_DCT = tuple(_JPEG + end for end in ("50", "51", "52", "53", "54", "55", "56"))
_JPEG_2000, _HTJ2K = (_JPEG + "90", _JPEG + "91"), (_JPEG + "201", _JPEG + "202", _JPEG + "203")

GIVES_RGB = frozenset(_DCT)              # of three components, whatever they are coded in
UNDOES_TRANSFORM = frozenset((*_JPEG_2000, *_HTJ2K))

DECODERS: dict[str, Decoder] = {
    "1.2.840.10008.1.2": native.decode,
    "1.2.840.10008.1.2.1": native.decode,
    "1.2.840.10008.1.2.1.99": native.decode,
    "1.2.840.10008.1.2.2": native.decode,             # its words put in order by who reads them, who knows the VR
    "1.2.840.10008.1.2.1.98": native.decode,
    "1.2.840.10008.1.2.8.1": _deflated_frame,
    "1.2.840.10008.1.2.5": rle.decode,
    **dict.fromkeys(_DCT, _jpeg),
    _JPEG + "57": _jpeg_lossless,
    _JPEG + "70": _jpeg_lossless,
    _JPEG + "80": _jpeg_ls,
    _JPEG + "81": _jpeg_ls,
    **dict.fromkeys(_JPEG_2000, _jpeg_2000),
    **dict.fromkeys(_HTJ2K, _htj2k),
}
