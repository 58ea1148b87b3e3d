"""Native frames (PS3.5 8.1): little endian cells, one-bit samples, planes, subsampled chrominance."""

import numpy as np

from pacsd.codec.image_pixel import PixelDescription, Pixels
from pacsd.faults import Fault, PacsdError


def frame_bytes(description: PixelDescription) -> int:
    """How long a native frame is, the last byte of a one-bit frame filled up."""
    if description.subsampled:
        return description.samples * 2 // 3 * description.bits_allocated // 8
    return (description.samples * description.bits_allocated + 7) // 8


def decode(encoded: bytes, description: PixelDescription) -> Pixels:
    """The cells of a little endian frame; bytes behind it are padding. Raises PacsdError MALFORMED when it is short."""
    wanted = frame_bytes(description)
    if len(encoded) < wanted:
        raise PacsdError(Fault.MALFORMED, f"a frame of {len(encoded)} bytes should have {wanted}")
    if description.bits_allocated == 1:
        packed = np.frombuffer(encoded, np.uint8, wanted)
        bits = np.unpackbits(packed, bitorder="little", count=description.samples)
        return _interleaved(bits, description)
    cells = np.frombuffer(encoded, description.dtype.newbyteorder("<"), wanted // description.dtype.itemsize)
    cells = cells.astype(description.dtype, copy=False)
    return _upsampled(cells, description) if description.subsampled else _interleaved(cells, description)


def _interleaved(cells: Pixels, description: PixelDescription) -> Pixels:
    """Samples of a pixel side by side, whatever Planar Configuration is (PS3.3 C.7.6.3.1.3)."""
    samples = description.samples_per_pixel
    if samples == 1 or description.planar_configuration == 0:
        return cells.reshape(description.shape)
    planes = cells.reshape(samples, description.rows, description.columns)
    return np.ascontiguousarray(np.moveaxis(planes, 0, -1))


def _upsampled(cells: Pixels, description: PixelDescription) -> Pixels:
    """YBR_FULL from Y Y Cb Cr of every two pixels (PS3.3 C.7.6.3.1.2)."""
    if description.columns % 2:
        raise PacsdError(Fault.MALFORMED, "subsampled chrominance needs an even number of columns")
    pairs = cells.reshape(description.rows, description.columns // 2, 4)
    out = np.empty(description.shape, cells.dtype)
    out[:, 0::2, 0], out[:, 1::2, 0] = pairs[..., 0], pairs[..., 1]
    out[..., 1] = np.repeat(pairs[..., 2], 2, axis=1)
    out[..., 2] = np.repeat(pairs[..., 3], 2, axis=1)
    return out


def encode(cells: Pixels, description: PixelDescription) -> bytes:
    """A little endian frame as it is described, without padding to even length.

    Raises PacsdError UNSUPPORTED for subsampled chrominance, which is never made here.
    """
    if description.subsampled:
        raise PacsdError(Fault.UNSUPPORTED, "chrominance is not subsampled here")
    if description.samples_per_pixel > 1 and description.planar_configuration:
        cells = np.moveaxis(cells, -1, 0)
    if description.bits_allocated == 1:
        return np.packbits(cells.astype(bool, copy=False), bitorder="little").tobytes()
    return cells.astype(description.dtype.newbyteorder("<"), copy=False).tobytes()
