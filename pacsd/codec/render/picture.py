"""One frame as a picture on its own pixel grid: grey or RGB, eight bits a sample (PS3.4 N.2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.pixels import decoded_photometric_interpretation, to_rgb
from pacsd.codec.render.grayscale import Grayscale
from pacsd.codec.render.image_header import ImageHeader
from pacsd.codec.render.modality_lut import IDENTITY, Modality, modality_lut
from pacsd.codec.render.palette_color import palette
from pacsd.codec.render.values import decimals, integer, text, words
from pacsd.codec.render.voi_lut import Voi, Window, voi_lut
from pacsd.faults import Fault, PacsdError

Picture = NDArray[np.uint8]

_X_RAY = ("1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.5.1.4.1.1.12.2", "1.2.840.10008.5.1.4.1.1.12.1.1",
          "1.2.840.10008.5.1.4.1.1.12.2.1")  # fmt: skip
_PADDING = {
    "integer": ("PixelPaddingValue", "PixelPaddingRangeLimit"),
    "float": ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    "double": ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
}


def is_grayscale(description: PixelDescription) -> bool:
    """Whether the grayscale transformations apply; other single samples are indices of a palette."""
    return description.samples_per_pixel == 1 and description.photometric_interpretation != "PALETTE COLOR"


def picture(
    header: ImageHeader, frame: NDArray[Any], number: int, transfer_syntax_uid: str, window: Window | None = None
) -> Picture:
    """Shape (rows, columns) or (rows, columns, 3). `frame` holds the stored values of frame `number`, from 1.

    `window` replaces what the object says of its grey values; colours have none.
    Raises PacsdError MALFORMED, UNSUPPORTED (colours without a way to RGB).
    """
    description = described(header)
    if is_grayscale(description):
        return grayscale(header, number, window).apply(frame)
    return color(header, frame, transfer_syntax_uid)


def described(header: ImageHeader) -> PixelDescription:
    """The Image Pixel Module. Raises PacsdError UNSUPPORTED where there is none."""
    if header.description is None:
        raise PacsdError(Fault.UNSUPPORTED, "the object is no image")
    return header.description


def grayscale(header: ImageHeader, number: int, window: Window | None = None) -> Grayscale:
    """The grayscale transformations an object asks for in a frame, from 1."""
    description = described(header)
    modality = modality_of(header, number)
    signed = modality.is_signed(bool(description.pixel_representation))
    inverse = description.photometric_interpretation == "MONOCHROME1"
    return Grayscale(
        modality,
        window or voi_of(header, number, signed=signed),
        full_range=_full_range(header, description),
        padding=padding(header.dataset, description),
        inverse=inverse or text(header.dataset, "PresentationLUTShape") == "INVERSE",
    )


def modality_of(header: ImageHeader, number: int) -> Modality:
    """The Modality LUT of a frame: of its functional groups, else of the object.

    The table of an X-ray image that is not linear to intensity leads back to intensity, and is not for display
    (PS3.3 C.8.7.1.1.2).
    """
    dataset = header.dataset
    signed = integer(dataset, "PixelRepresentation", 0) == 1
    linear = text(dataset, "PixelIntensityRelationship") not in ("LOG", "DISP")
    with_table = linear or text(dataset, "SOPClassUID") not in _X_RAY
    holder = header.macro(number, "PixelValueTransformationSequence")
    return modality_lut(holder, signed=signed, with_table=with_table) or IDENTITY


def voi_of(header: ImageHeader, number: int, *, signed: bool) -> Voi | None:
    """The VOI LUT of a frame: of its functional groups, else of the object."""
    holder = header.macro(number, "FrameVOILUTSequence")
    found = voi_lut(holder, signed=signed)
    return found if found is not None or holder is header.dataset else voi_lut(header.dataset, signed=signed)


def color(header: ImageHeader, frame: NDArray[Any], transfer_syntax_uid: str) -> Picture:
    """RGB of a colour frame, palettes looked up."""
    description = described(header)
    if description.samples_per_pixel == 1:
        return _from_palette(header.dataset, frame)
    said = decoded_photometric_interpretation(transfer_syntax_uid, description)
    if frame.dtype.itemsize > 1 or description.bits_stored < 8:
        top = (1 << description.bits_stored) - 1
        frame = np.rint(frame * (255.0 / top)).clip(0, 255).astype(np.uint8)
    return to_rgb(np.ascontiguousarray(frame[..., :3].view(np.uint8)), said)


def padding(dataset: Dataset, description: PixelDescription) -> tuple[float, float] | None:
    """The stored values that are no image, lowest and highest (PS3.3 C.7.5.1.1.2)."""
    value, limit = _PADDING[description.value_type]
    found = _stored(dataset, value, description)
    if found is None:
        return None
    other = _stored(dataset, limit, description)
    ends = found, found if other is None else other
    return min(ends), max(ends)


def _stored(dataset: Dataset, keyword: str, description: PixelDescription) -> float | None:
    if description.value_type != "integer":
        return next(iter(decimals(dataset, keyword)), None)
    found = words(dataset, keyword)
    if not found:
        return None
    signed = description.pixel_representation and found[0] >= 0x8000
    return float(found[0] - 0x10000 if signed else found[0])


def _full_range(header: ImageHeader, description: PixelDescription) -> tuple[float, float] | None:
    """The stored values from black to white where no window says so: all that eight bits or less can hold.

    Objects of more bits leave most of their range unused, so their pixels decide.
    """
    if description.value_type != "integer" or description.bits_stored > 8:
        return None
    dataset = header.dataset
    if text(dataset, "SegmentationType") == "FRACTIONAL":        # PS3.3 C.8.20.2.3
        return 0.0, float(integer(dataset, "MaximumFractionalValue", 255) or 255)
    if text(dataset, "SegmentationType") == "LABELMAP":
        return None
    half = 1 << description.bits_stored - 1
    return (-half, half - 1) if description.pixel_representation else (0, 2 * half - 1)


def _from_palette(dataset: Dataset, frame: NDArray[Any]) -> Picture:
    if frame.dtype.kind == "f" or frame.dtype.itemsize > 2:
        raise PacsdError(Fault.UNSUPPORTED, "a palette for values of more than 16 bits")
    unsigned: NDArray[Any] = frame.view(np.uint16 if frame.dtype.itemsize == 2 else np.uint8)
    bits = np.arange(1 << 8 * frame.dtype.itemsize, dtype=unsigned.dtype)
    colors = palette(dataset, bits.view(frame.dtype).astype(np.float64), signed=frame.dtype.kind == "i")
    return np.asarray(np.take(colors, unsigned, axis=0, mode="clip"), np.uint8)


__all__ = ["Picture", "color", "described", "grayscale", "is_grayscale", "modality_of", "padding", "picture", "voi_of"]
