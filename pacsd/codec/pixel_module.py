"""The Image Pixel Module of a stored object, read where it stands (PS3.3 C.7.6.3)."""

from dataclasses import dataclass

from pacsd.codec.image_pixel import PixelDescription, ValueType
from pacsd.codec.walk import PIXEL_DATA, Dataset, Reader

_NUMBERS = {
    0x00280002: "samples_per_pixel", 0x00280006: "planar_configuration", 0x00280010: "rows", 0x00280011: "columns",
    0x00280100: "bits_allocated", 0x00280101: "bits_stored", 0x00280102: "high_bit",
    0x00280103: "pixel_representation",
}  # fmt: skip
_TEXTS = {0x00280004: "photometric_interpretation", 0x00280008: "number_of_frames"}
_VALUE_TYPES: dict[int, ValueType] = {0x7FE00008: "float", 0x7FE00009: "double", 0x7FE00010: "integer"}
_MAX_VALUE_BYTES = 64


@dataclass(frozen=True, slots=True)
class PixelModule:
    """What describes the frames, and the VR of the value that holds them."""

    description: PixelDescription
    vr: str


def read_pixel_module(
    reader: Reader, *, offset_bytes: int, length_bytes: int, transfer_syntax_uid: str
) -> PixelModule | None:
    """That of the data set at `offset_bytes`; None without pixel data. Raises PacsdError MALFORMED, UNSUPPORTED or
    TOO_MUCH (PixelDescription.check)."""
    dataset = Dataset(
        reader, offset_bytes=offset_bytes, length_bytes=length_bytes, transfer_syntax_uid=transfer_syntax_uid
    )
    values: dict[str, object] = {}
    for element in dataset.elements():
        if element.tag in PIXEL_DATA:
            kind = _VALUE_TYPES[element.tag]
            return PixelModule(PixelDescription.of_values(values, value_type=kind), element.vr)
        if element.length > _MAX_VALUE_BYTES:
            continue
        if name := _NUMBERS.get(element.tag):
            raw = dataset.read(element.value_at, element.length)[:2]
            if len(raw) == 2:
                values[name] = int.from_bytes(raw, "big" if dataset.big_endian else "little")
        elif name := _TEXTS.get(element.tag):
            text = dataset.read(element.value_at, element.length).decode("latin_1").split("\\")[0].strip(" \0")
            values |= {name: text} if text else {}
    return None
