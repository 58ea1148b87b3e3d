"""What rendering needs to know of an object, read once and kept: attributes, and functional groups by frame."""

from functools import cached_property
from io import BytesIO
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from pacsd.codec import walk
from pacsd.codec.charset import decode_text
from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.render.values import integer, items, text
from pacsd.codec.structure import (
    ITEM,
    ITEM_DELIMITATION,
    UNDEFINED,
    NeedMoreData,
    element_head,
    items_are_big_endian,
    skip_undefined,
)
from pacsd.faults import Fault, PacsdError

MAX_VALUE_BYTES = 64 << 20
MAX_BYTES = 128 << 20                    # of all values
_CHARACTER_SET = 0x00080005
_PER_FRAME = 0x52009230
_DOUBLE_FLOAT = {32: "float", 64: "double"}

_KEYWORDS = (
    # PS3.3 C.7.6.3, C.7.6.24, C.7.5.1.1.2 and the transformations of PS3.4 N.2
    "SpecificCharacterSet", "SOPClassUID", "Modality", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns", "PixelAspectRatio", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit", "FloatPixelPaddingValue",
    "FloatPixelPaddingRangeLimit", "DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit", "ICCProfile",
    "PixelIntensityRelationship", "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "WindowCenter",
    "WindowWidth", "VOILUTFunction", "VOILUTSequence", "PresentationLUTShape", "MaximumFractionalValue",
    "SegmentationType", "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData", "PixelSpacing",
    "ImagerPixelSpacing", "NominalScannedPixelSpacing", "OpticalPathSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "RepresentativeFrameNumber", "FrameTime", "FrameTimeVector", "CineRate",
    "RecommendedDisplayFrameRate",
    # Display Shutter, and what presentation states hold (PS3.3 A.33, C.7.6.11, C.10, C.11)
    "ShutterShape", "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge", "ShutterUpperHorizontalEdge",
    "ShutterLowerHorizontalEdge", "CenterOfCircularShutter", "RadiusOfCircularShutter",
    "VerticesOfThePolygonalShutter", "ShutterPresentationValue", "ShutterOverlayGroup", "ReferencedSeriesSequence",
    "StudyInstanceUID", "SoftcopyVOILUTSequence", "PresentationLUTSequence", "ImageRotation", "ImageHorizontalFlip",
    "DisplayedAreaSelectionSequence", "GraphicAnnotationSequence", "GraphicLayerSequence",
    # what annotations show
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "AccessionNumber", "StudyDate",
    "StudyTime", "InstitutionName", "StudyDescription", "SeriesDescription", "SeriesNumber", "InstanceNumber",
    "ManufacturerModelName", "KVP", "XRayTubeCurrent", "Exposure", "SliceThickness", "SliceLocation",
    "ConvolutionKernel", "RepetitionTime", "EchoTime", "FlipAngle", "MagneticFieldStrength", "ImageLaterality",
    "Laterality", "ViewPosition", "BodyPartExamined",
)  # fmt: skip
_OVERLAY_ELEMENTS = (0x0010, 0x0011, 0x0015, 0x0040, 0x0050, 0x0051, 0x0100, 0x0102, 0x1001, 0x3000)


def _tags() -> frozenset[int]:
    named = {keyword: tag_for_keyword(keyword) for keyword in _KEYWORDS}
    overlays = (group << 16 | element for group in range(0x6000, 0x6020, 2) for element in _OVERLAY_ELEMENTS)
    return frozenset((*(tag for tag in named.values() if tag is not None), *overlays))


TAGS = _tags()


class ImageHeader:
    """The attributes of one object that rendering needs. Values are converted when they are asked for.

    Raises PacsdError MALFORMED for bytes that are no data set, TOO_MUCH for more attributes than fit in memory.
    """

    def __init__(self, source: walk.Dataset) -> None:
        self._implicit, self._big = source.implicit, source.big_endian
        self._per_frame = b""
        self.dataset = Dataset()
        self._raw: dict[int, tuple[str, bytes]] = {}     # as they stand: pydicom forgets them when it converts
        self.size_bytes = 0
        self._has_pixels = False
        for element in source.elements():
            if element.tag in walk.PIXEL_DATA:
                self._has_pixels = True
                break
            length = element.end - element.value_at
            if element.tag in TAGS and length <= MAX_VALUE_BYTES:
                self.size_bytes += length + 200
                if self.size_bytes > MAX_BYTES:
                    raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_BYTES} bytes of attributes to render with")
                self._keep(element.tag, element.vr, source.read(element.value_at, length))

    def _keep(self, tag: int, vr: str, value: bytes) -> None:
        if tag == _PER_FRAME:
            self._per_frame = value
            return
        self._raw[tag] = vr, value
        raw = RawDataElement(Tag(tag), vr, len(value), value, 0, self._implicit, not self._big)
        self.dataset._dict[raw.tag] = raw      # as pydicom's own reader does: converted at first sight

    @cached_property
    def description(self) -> PixelDescription | None:
        """The Image Pixel Module, None where the object is no image. Raises PacsdError MALFORMED, UNSUPPORTED."""
        dataset = self.dataset
        if not self._has_pixels or not integer(dataset, "Rows", 0) or not integer(dataset, "Columns", 0):
            return None
        allocated = integer(dataset, "BitsAllocated", 16)
        # Float pixel data has no Bits Stored (PS3.3 C.7.6.24).
        kind = "integer" if integer(dataset, "BitsStored", 0) else _DOUBLE_FLOAT.get(allocated, "integer")
        found: dict[str, Any] = {
            "samples_per_pixel": integer(dataset, "SamplesPerPixel", 1),
            "photometric_interpretation": text(dataset, "PhotometricInterpretation"),
            "planar_configuration": integer(dataset, "PlanarConfiguration", 0),
            "number_of_frames": integer(dataset, "NumberOfFrames", 1),
            "rows": integer(dataset, "Rows", 0),
            "columns": integer(dataset, "Columns", 0),
            "bits_allocated": allocated,
            "bits_stored": integer(dataset, "BitsStored", 0),
            "pixel_representation": integer(dataset, "PixelRepresentation", 0),
        }
        if "HighBit" in dataset:
            found["high_bit"] = integer(dataset, "HighBit", 0)
        return PixelDescription.of_values(found, value_type=kind)  # type: ignore[arg-type]

    @cached_property
    def _frame_items(self) -> list[bytes]:
        return split_items(self._per_frame, implicit=self._implicit, big_endian=self._big)

    def frame_groups(self, number: int) -> Dataset:
        """The item of the Per-Frame Functional Groups Sequence of a frame, from 1; empty where there is none."""
        found = self._frame_items
        if not 0 < number <= len(found):
            return Dataset()
        try:
            return read_dataset(BytesIO(found[number - 1]), self._implicit, not self._big)
        except Exception as error:  # pydicom's readers raise whatever the bytes make them
            raise PacsdError(Fault.MALFORMED, "a functional group cannot be read") from error

    def macro(self, number: int, keyword: str) -> Dataset:
        """The functional group macro of a frame: its own, else the shared one, else the object (PS3.3 C.7.6.16)."""
        shared = next(iter(items(self.dataset, "SharedFunctionalGroupsSequence")), Dataset())
        for holder in (self.frame_groups(number), shared):
            for item in items(holder, keyword):
                return item
        return self.dataset

    def raw(self, tag: int) -> bytes:
        """The bytes of a value, words little endian; empty where it is absent."""
        vr, value = self._raw.get(tag, ("", b""))
        swapped = self._big and vr in ("OW", "US", "SS")
        return b"".join(value[at : at + 2][::-1] for at in range(0, len(value), 2)) if swapped else value

    def numbers(self, tag: int) -> list[int]:
        """The values of a US or SS element, signed; none where it has another VR or is absent."""
        if self._raw.get(tag, ("", b""))[0] not in ("US", "SS"):
            return []
        raw = self.raw(tag)
        return [int.from_bytes(raw[at : at + 2], "little", signed=True) for at in range(0, len(raw) - 1, 2)]

    def text(self, keyword: str) -> str:
        """A whole text value, decoded as its character set or its bytes say."""
        vr, value = self._raw.get(tag_for_keyword(keyword) or 0, ("", b""))
        declared = self._raw.get(_CHARACTER_SET, ("", b""))[1].decode("ascii", "replace").strip(" \0")
        return decode_text(value, vr, declared.split("\\") if declared else ()).strip(" \0")


def split_items(sequence: bytes, *, implicit: bool, big_endian: bool) -> list[bytes]:
    """The items of a sequence's value, each without its header; those of a broken sequence as far as they go."""
    found: list[bytes] = []
    big = items_are_big_endian(sequence, 0, big_endian=big_endian)
    at, end = 0, len(sequence)
    try:
        while end - at >= 8:
            head = element_head(sequence, at, end, implicit=True, big_endian=big)
            if head.tag != ITEM:
                break
            length = head.length
            stop = head.value_at + length if length != UNDEFINED else _item_end(sequence, head.value_at, implicit, big)
            found.append(sequence[head.value_at : stop])
            at = stop + (8 if length == UNDEFINED else 0)
    except PacsdError:
        return found
    return found


def _item_end(data: bytes, at: int, implicit: bool, big: bool) -> int:
    while True:
        head = element_head(data, at, len(data), implicit=implicit, big_endian=big)
        if head.tag == ITEM_DELIMITATION:
            return at
        if head.length == UNDEFINED:
            at = skip_undefined(data, head.value_at, len(data), implicit=implicit, big_endian=big)
        else:
            at = head.value_at + head.length
        if at > len(data):
            raise NeedMoreData(at)
