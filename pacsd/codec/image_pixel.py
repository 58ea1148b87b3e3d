"""The Image Pixel Module as one value: what a decoder and an encoder need to know (PS3.3 C.7.6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pacsd.faults import Fault, PacsdError

Pixels = NDArray[Any]
ValueType = Literal["integer", "float", "double"]

MAX_FRAME_SAMPLES = 1 << 27              # 11,585 × 11,585 grey, 6,688 × 6,688 colour

_TYPES = {                               # Bits Allocated and Pixel Representation -> what holds a cell
    (8, 0): np.uint8, (8, 1): np.int8,
    (16, 0): np.uint16, (16, 1): np.int16,
    (32, 0): np.uint32, (32, 1): np.int32,
}  # fmt: skip
_FLOATS: dict[str, type[np.floating[Any]]] = {"float": np.float32, "double": np.float64}
_FLOAT_BITS = {"float": 32, "double": 64}
VALUE_TYPES: Mapping[int, ValueType] = {     # what the pixels stand in -> what they are
    0x7FE00008: "float", 0x7FE00009: "double", 0x7FE00010: "integer",
}  # fmt: skip
_WORDS = {
    0x00280002: "samples_per_pixel", 0x00280006: "planar_configuration", 0x00280010: "rows", 0x00280011: "columns",
    0x00280100: "bits_allocated", 0x00280101: "bits_stored", 0x00280102: "high_bit",
    0x00280103: "pixel_representation",
}  # fmt: skip
_TEXTS = {0x00280004: "photometric_interpretation", 0x00280008: "number_of_frames"}
DESCRIBING = frozenset((*_WORDS, *_TEXTS))
SUBSAMPLED = ("YBR_FULL_422", "YBR_PARTIAL_422")


@dataclass(frozen=True, slots=True)
class PixelDescription:
    """The Image Pixel Module (PS3.3 C.7.6.3) of an object, as far as its frames need it.

    `value_type` is not "integer" where Float or Double Float Pixel Data (PS3.3 C.7.6.24, C.7.6.25) stands instead of
    Pixel Data.
    """

    rows: int
    columns: int
    samples_per_pixel: int = 1
    bits_allocated: int = 16
    bits_stored: int = 16
    high_bit: int = 15
    pixel_representation: int = 0
    photometric_interpretation: str = "MONOCHROME2"
    planar_configuration: int = 0
    number_of_frames: int = 1
    value_type: ValueType = "integer"

    @classmethod
    def of_elements(
        cls, values: Mapping[int, bytes], *, value_type: ValueType, big_endian: bool = False
    ) -> PixelDescription:
        """From raw values by tag, of the elements in DESCRIBING. Raises PacsdError as `of_values` does."""
        order: Literal["big", "little"] = "big" if big_endian else "little"
        words = {name: values.get(tag, b"")[:2] for tag, name in _WORDS.items()}
        texts = {name: values.get(tag, b"").decode("latin_1").split("\\")[0].strip(" \0")
                 for tag, name in _TEXTS.items()}
        numbers = {name: int.from_bytes(raw, order) for name, raw in words.items() if len(raw) == 2}
        return cls.of_values(numbers | {name: text for name, text in texts.items() if text}, value_type=value_type)

    @classmethod
    def of_values(cls, values: Mapping[str, Any], *, value_type: ValueType = "integer") -> PixelDescription:
        """From attribute values by the names of the fields; what is absent gets what the standard lets it mean.

        Raises PacsdError MALFORMED for values that describe no image.
        """
        try:
            allocated = _FLOAT_BITS.get(value_type) or int(values.get("bits_allocated", 16))
            stored = int(values.get("bits_stored") or allocated)
            made = cls(
                rows=int(values.get("rows", 0)),
                columns=int(values.get("columns", 0)),
                samples_per_pixel=int(values.get("samples_per_pixel", 1)),
                bits_allocated=allocated,
                bits_stored=stored if value_type == "integer" else allocated,
                high_bit=int(values.get("high_bit", stored - 1)) if value_type == "integer" else allocated - 1,
                pixel_representation=int(values.get("pixel_representation", 0)) if value_type == "integer" else 0,
                photometric_interpretation=str(values.get("photometric_interpretation") or "MONOCHROME2").strip(" \0"),
                planar_configuration=int(values.get("planar_configuration") or 0),
                number_of_frames=int(values.get("number_of_frames") or 1) or 1,
                value_type=value_type,
            )
        except (TypeError, ValueError) as error:
            raise PacsdError(Fault.MALFORMED, "the Image Pixel Module holds what is no number") from error
        made.check()
        return made

    def check(self) -> None:
        """Raises PacsdError MALFORMED, UNSUPPORTED or TOO_MUCH (a frame of more than MAX_FRAME_SAMPLES)."""
        if not (0 < self.rows <= 65535 and 0 < self.columns <= 65535 and self.number_of_frames > 0):
            raise PacsdError(Fault.MALFORMED, "Rows, Columns and Number of Frames do not describe an image")
        if self.samples_per_pixel not in (1, 3, 4):
            raise PacsdError(Fault.UNSUPPORTED, f"{self.samples_per_pixel} samples per pixel")
        if self.samples > MAX_FRAME_SAMPLES:
            raise PacsdError(Fault.TOO_MUCH, f"a frame of more than {MAX_FRAME_SAMPLES} samples")
        if self.value_type == "integer" and self.bits_allocated not in (1, 8, 16, 32):
            raise PacsdError(Fault.UNSUPPORTED, f"{self.bits_allocated} Bits Allocated")
        if not 0 < self.bits_stored <= self.high_bit + 1 <= self.bits_allocated:
            raise PacsdError(Fault.MALFORMED, "Bits Allocated, Bits Stored and High Bit contradict each other")

    @property
    def samples(self) -> int:
        """Samples of one frame."""
        return self.rows * self.columns * self.samples_per_pixel

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a decoded frame."""
        plane = self.rows, self.columns
        return plane if self.samples_per_pixel == 1 else (*plane, self.samples_per_pixel)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a decoded frame; a one-bit sample takes a byte."""
        if self.value_type != "integer":
            return np.dtype(_FLOATS[self.value_type])
        return np.dtype(_TYPES[max(self.bits_allocated, 8), self.pixel_representation & 1])

    @property
    def subsampled(self) -> bool:
        """Whether native frames hold two chrominance samples for every two pixels (PS3.3 C.7.6.3.1.2)."""
        return self.samples_per_pixel == 3 and self.photometric_interpretation in SUBSAMPLED
