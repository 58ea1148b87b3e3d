"""One frame of Pixel Data as numbers: what describes it, and how it is decoded (PS3.3 C.7.6.3, PS3.5 8).

`decode_frame` gives the stored values, ready to look at; `decode_cells` gives the pixel cells with every bit that was
stored, which is what transcoding keeps.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np

from pacsd.codec import decoders, encoders
from pacsd.codec.encoders import Loss
from pacsd.codec.image_pixel import MAX_FRAME_SAMPLES, SUBSAMPLED, PixelDescription, Pixels
from pacsd.codec.transfer_syntaxes import transfer_syntax
from pacsd.faults import Fault, PacsdError

_LARGE_SAMPLES = 1 << 24                 # above it one frame at a time is decoded or encoded, whoever asks
_LARGE = threading.Semaphore(1)


def decode_frame(encoded: bytes, transfer_syntax_uid: str, description: PixelDescription) -> Pixels:
    """The stored values of one frame, shape (rows, columns) or (rows, columns, samples), interleaved by pixel.

    `encoded` is the frame as it is stored: the bytes of a native frame (whole bytes, the first bit of a one-bit frame
    lowest), or the joined fragments of an encapsulated one. The dtype is that of Bits Allocated and Pixel
    Representation, float32 or float64 for float pixel data; bits that are not of Bits Stored are gone, signs extended.
    Colours come as `decoded_photometric_interpretation` says; palette colours stay indices.

    Raises PacsdError MALFORMED (truncated, or not of the described dimensions, which is found before anything of that
    size is allocated), UNSUPPORTED (no decoder), TOO_MUCH.
    """
    return stored_values(decode_cells(encoded, transfer_syntax_uid, description), description)


def decode_cells(encoded: bytes, transfer_syntax_uid: str, description: PixelDescription) -> Pixels:
    """As `decode_frame`, but each sample with all the bits of its cell, those beside Bits Stored too (PS3.5 8.1.1)."""
    description.check()
    decode = decoders.DECODERS.get(transfer_syntax_uid)
    if decode is None:
        raise PacsdError(Fault.UNSUPPORTED, f"no decoder for {transfer_syntax(transfer_syntax_uid).name}")
    with one_large_at_a_time(description):
        return decode(encoded, description)


def encode_frame(
    cells: Pixels, transfer_syntax_uid: str, description: PixelDescription, *, loss: Loss | None = None
) -> bytes:
    """One frame coded, without padding to even length. `description` describes the cells as they are given.

    Without `loss` nothing is lost, every bit of a cell is coded; but JPEG with a DCT always loses. What describes the
    coded frame is `encoders.coded_description`. Raises PacsdError UNSUPPORTED where the syntax cannot hold it.
    """
    if loss is not None or encoders.is_always_lossy(transfer_syntax_uid):
        cells = stored_values(cells, description)
    with one_large_at_a_time(description):
        return encoders.encode_cells(cells, transfer_syntax_uid, description, loss=loss)


def decoded_description(transfer_syntax_uid: str, description: PixelDescription) -> PixelDescription:
    """What describes the cells of a decoded frame; Planar Configuration stays, it is of how they are written."""
    colour = decoded_photometric_interpretation(transfer_syntax_uid, description)
    return replace(description, photometric_interpretation=colour)


def one_large_at_a_time(description: PixelDescription) -> AbstractContextManager[object]:
    """What keeps the memory of concurrent decoders bounded; small frames do not wait."""
    return _LARGE if description.samples > _LARGE_SAMPLES else nullcontext()


def stored_values(cells: Pixels, description: PixelDescription) -> Pixels:
    """Bits Stored of each cell, ending at High Bit, with the sign extended where Pixel Representation has one."""
    allocated, stored = cells.dtype.itemsize * 8, description.bits_stored
    above = allocated - 1 - description.high_bit
    if description.value_type != "integer" or description.bits_allocated == 1 or stored == allocated:
        return cells
    moved = np.left_shift(cells, above)
    return np.right_shift(moved, allocated - stored)


def decoded_photometric_interpretation(transfer_syntax_uid: str, description: PixelDescription) -> str:
    """Photometric Interpretation of what `decode_frame` returns.

    JPEG with a DCT and JPEG 2000 with a colour transform give RGB; native YBR_FULL_422 comes upsampled as YBR_FULL;
    everything else comes in the colours it is described in.
    """
    said = description.photometric_interpretation
    if description.samples_per_pixel != 3:
        return said
    if transfer_syntax_uid in decoders.GIVES_RGB:
        return "RGB"
    if transfer_syntax_uid in decoders.UNDOES_TRANSFORM:
        return "YBR_FULL" if said in ("YBR_FULL", *SUBSAMPLED) else "RGB"
    return "YBR_FULL" if said == "YBR_FULL_422" else said


def to_rgb(pixels: Pixels, photometric_interpretation: str) -> Pixels:
    """RGB of a decoded 8-bit colour frame (PS3.3 C.7.6.3.1.2). Raises PacsdError UNSUPPORTED for other colours."""
    if photometric_interpretation == "RGB":
        return pixels
    if photometric_interpretation not in _LUMINANCE or pixels.dtype != np.uint8:
        raise PacsdError(Fault.UNSUPPORTED, f"no conversion of {photometric_interpretation} into RGB")
    offset, matrix = _LUMINANCE[photometric_interpretation]
    values = (pixels[..., :3].astype(np.float32) - np.array((offset, 128, 128), np.float32)) @ matrix.T
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


_BT601 = np.array(((1, 0, 1.402), (1, -0.344136, -0.714136), (1, 1.772, 0)), np.float32)
_STUDIO = np.array(((255 / 219,) * 3, (255 / 224,) * 3, (255 / 224,) * 3), np.float32).T
_LUMINANCE = {
    "YBR_FULL": (0, _BT601),
    "YBR_FULL_422": (0, _BT601),
    "YBR_PARTIAL_422": (16, _BT601 * _STUDIO),
    "YBR_PARTIAL_420": (16, _BT601 * _STUDIO),
}


__all__ = [
    "MAX_FRAME_SAMPLES", "Loss", "PixelDescription", "Pixels", "decode_cells", "decode_frame",
    "decoded_description", "decoded_photometric_interpretation", "encode_frame", "one_large_at_a_time",
    "stored_values", "to_rgb",
]  # fmt: skip
