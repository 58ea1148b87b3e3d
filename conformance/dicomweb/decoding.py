"""Decoding what a server transcoded, with pydicom's decoders or, where it has none, with imagecodecs."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from conformance.judging import Failed, NotTested

Pixels = numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.integer[Any]]]

IMAGECODECS: Mapping[str, str] = {
    "1.2.840.10008.1.2.4.50": "jpeg8_decode",
    "1.2.840.10008.1.2.4.57": "ljpeg_decode",
    "1.2.840.10008.1.2.4.70": "ljpeg_decode",
    "1.2.840.10008.1.2.4.80": "jpegls_decode",
    "1.2.840.10008.1.2.4.81": "jpegls_decode",
    "1.2.840.10008.1.2.4.90": "jpeg2k_decode",
    "1.2.840.10008.1.2.4.91": "jpeg2k_decode",
    "1.2.840.10008.1.2.4.201": "jpeg2k_decode",
    "1.2.840.10008.1.2.4.202": "jpeg2k_decode",
    "1.2.840.10008.1.2.4.203": "jpeg2k_decode",
}


def native(frame: bytes, like: Dataset) -> Pixels:
    """An uncompressed frame in little endian as rows, columns and, in color, samples."""
    shape = (like.Rows, like.Columns) + ((like.SamplesPerPixel,) if like.SamplesPerPixel > 1 else ())
    wanted = numpy.prod(shape) * like.BitsAllocated // 8
    if len(frame) - len(frame) % 2 != wanted + wanted % 2 and len(frame) != wanted:
        raise Failed(f"expected a frame of {wanted} bytes, got {len(frame)}")
    kind = f"<{'i' if like.PixelRepresentation else 'u'}{like.BitsAllocated // 8}"
    return numpy.frombuffer(frame[:wanted], kind).reshape(shape)


def frames(dataset: Dataset) -> list[Pixels]:
    """Every frame of a retrieved object in its own transfer syntax, decoded."""
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    count = int(dataset.get("NumberOfFrames") or 1)
    if not syntax.is_encapsulated:
        size = len(dataset.PixelData) // count
        return [native(dataset.PixelData[size * at : size * (at + 1)], dataset) for at in range(count)]
    return [decoded(one, syntax, dataset) for one in generate_frames(dataset.PixelData, number_of_frames=count)]


def decoded(frame: bytes, syntax: str, like: Dataset) -> Pixels:
    """One compressed frame decoded. Raises NotTested without a decoder for it, Failed if it cannot be decoded."""
    decode = _pydicom(syntax, like) or _imagecodecs(syntax)
    if decode is None:
        raise NotTested(f"no decoder for {syntax} is installed here")
    try:
        return decode(frame)
    except Exception as error:
        raise Failed(f"expected a frame in {syntax}, got one that cannot be decoded: {error}") from error


def _pydicom(syntax: str, like: Dataset) -> Callable[[bytes], Pixels] | None:
    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError:
        return None
    if not decoder.is_available:
        return None

    def decode(frame: bytes) -> Pixels:
        options: dict[str, Any] = {
            "transfer_syntax_uid": UID(syntax),
            "rows": like.Rows, "columns": like.Columns, "samples_per_pixel": like.SamplesPerPixel,
            "bits_allocated": like.BitsAllocated, "bits_stored": like.BitsStored, "number_of_frames": 1,
            "pixel_representation": like.PixelRepresentation, "pixel_keyword": "PixelData",
            "photometric_interpretation": like.PhotometricInterpretation,
            "planar_configuration": like.get("PlanarConfiguration", 0),
        }  # fmt: skip
        pixels, _ = decoder.as_array(encapsulate([frame]), index=0, **options)
        return pixels

    return decode


def _imagecodecs(syntax: str) -> Callable[[bytes], Pixels] | None:
    try:
        codecs = importlib.import_module("imagecodecs")
    except ImportError:
        return None
    found: Callable[[bytes], Pixels] | None = getattr(codecs, IMAGECODECS.get(syntax, ""), None)
    return found
