"""Decoders that are not ours: DCMTK (libijg, its own CharLS and RLE), OpenJPEG where we use OpenJPH, zlib and pydicom.

JPEG 2000 is the exception: we use OpenJPEG too, here in another build and behind another wrapper.
"""

import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.encaps import generate_frames

from tests.clients import require
from tests.codec.images import EXPLICIT, JPEG, Image

RLE = "1.2.840.10008.1.2.5"
DCMTK = {
    RLE: "dcmdrle", JPEG + "50": "dcmdjpeg", JPEG + "51": "dcmdjpeg", JPEG + "57": "dcmdjpeg", JPEG + "70": "dcmdjpeg",
    JPEG + "80": "dcmdjpls", JPEG + "81": "dcmdjpls",
}  # fmt: skip
COLOURS = {                              # as they are coded, where with a DCT as the stream says: objects err
    JPEG + "57": ["+cn"], JPEG + "70": ["+cn"], JPEG + "50": ["+cl"], JPEG + "51": ["+cl"],
}  # fmt: skip
OPENJPEG = tuple(JPEG + end for end in ("90", "91", "201", "202", "203"))
UNCOMPRESSED = (EXPLICIT, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
NATIVE = {"1.2.840.10008.1.2.1.98": False, "1.2.840.10008.1.2.8.1": True}       # whether deflated


def pixels(dataset: pydicom.Dataset) -> np.ndarray[Any, Any]:
    """All frames by pydicom, interleaved by pixel."""
    samples = pydicom.pixels.pixel_array(dataset, raw=True)
    if dataset.PhotometricInterpretation == "YBR_FULL_422" and not dataset["PixelData"].is_undefined_length:
        pairs = np.frombuffer(dataset.PixelData, np.uint8).reshape(dataset.Rows, -1, 4)
        return np.stack([pairs[..., [0, 2, 3]], pairs[..., [1, 2, 3]]], axis=2).reshape(samples.shape)
    return samples


def by_another(image: Image, folder: Path) -> np.ndarray[Any, Any] | None:
    """All frames, decoded by somebody else; None where nobody at hand does it (32 bits in RLE, progressive JPEG)."""
    require("dcmdjpeg", "dcmdjpls", "dcmdrle")
    if program := DCMTK.get(image.syntax):
        coded, decoded = folder / "coded.dcm", folder / "decoded.dcm"
        coded.write_bytes(image.file())
        how = COLOURS.get(image.syntax, [])
        done = subprocess.run([program, *how, str(coded), str(decoded)], capture_output=True, text=True, check=False)
        if done.returncode and image.read().BitsAllocated == 32:
            return None
        assert done.returncode == 0, (image.path, image.syntax, done.stderr)
        return pixels(pydicom.dcmread(decoded))
    if image.syntax in NATIVE:
        return native(image)
    if image.syntax in OPENJPEG:
        return openjpeg(image)
    return pixels(image.read()) if image.syntax in UNCOMPRESSED else None


def openjpeg(image: Image) -> np.ndarray[Any, Any]:
    import openjpeg as library

    one = image.read()
    frames = [library.decode(frame) for frame in generate_frames(one.PixelData, number_of_frames=number(one))]
    depth = f"{'i' if one.PixelRepresentation else 'u'}{one.BitsAllocated // 8}"
    decoded = np.stack([frame.astype(depth) for frame in frames])
    return decoded if len(frames) > 1 else decoded[0]


def native(image: Image) -> np.ndarray[Any, Any]:
    """Frames that are native ones in fragments, maybe deflated, as one native value for pydicom (PS3.5 A.4.11)."""
    one = image.read()
    frames = list(generate_frames(one.PixelData, number_of_frames=number(one)))
    if NATIVE[image.syntax]:
        frames = [zlib.decompress(frame, -zlib.MAX_WBITS) for frame in frames]
    size = one.Rows * one.Columns * one.SamplesPerPixel * one.BitsAllocated
    value = b"".join(frame[: size // 8] for frame in frames)
    if size % 8:
        bits = [np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")[:size] for frame in frames]
        value = np.packbits(np.concatenate(bits), bitorder="little").tobytes()
    del one.PixelData
    one.add_new(0x7FE00010, "OW", value + bytes(len(value) % 2))
    one.file_meta.TransferSyntaxUID = EXPLICIT
    return pixels(one)


def number(dataset: pydicom.Dataset) -> int:
    return int(dataset.get("NumberOfFrames") or 1)
