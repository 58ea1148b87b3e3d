"""What rendering needs to know of an object, read once and kept: attributes, and functional groups by frame."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from io import BytesIO
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from pacsd.codec import walk
from pacsd.codec.charset import decode_text
from pacsd.codec.convert import converted
from pacsd.codec.frames import MAX_FRAMES
from pacsd.codec.image_pixel import DESCRIBING, VALUE_TYPES, PixelDescription
from pacsd.codec.render.values import items, longest_bytes
from pacsd.codec.structure import (
    ITEM,
    ITEM_DELIMITATION,
    UNDEFINED,
    NeedMoreData,
    element_head,
    skip_undefined,
    vr_of,
)
from pacsd.codec.transfer_syntaxes import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN
from pacsd.faults import Fault, PacsdError

MAX_BYTES = 128 << 20                    # of all values
MAX_SEQUENCE_BYTES = 8 << 20
MAX_ITEMS = 50_000
_CHARACTER_SET = 0x00080005
_ROWS, _COLUMNS, _PER_FRAME = 0x00280010, 0x00280011, 0x52009230
_ITEM = b"\xfe\xff\x00\xe0"

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

    def __init__(self, source: walk.Dataset, override: str | None = None) -> None:
        self._override = override        # the sender's real character set, where it is known
        self._pixel_data = 0
        self._per_frame = b""
        self.dataset = Dataset()
        self._raw: dict[int, tuple[str, bytes]] = {}     # as they stand: pydicom forgets them when it converts
        self.size_bytes = 0
        wanted = list(self._wanted(source))
        if source.big_endian:            # retired; words that pydicom leaves as they are stand in tables and overlays
            source, wanted = _in_little_endian(source, wanted)
        self._implicit = source.implicit
        for element in wanted:
            self._keep(element.tag, element.vr, source.read(element.value_at, element.end - element.value_at))

    def _wanted(self, source: walk.Dataset) -> Iterator[walk.Located]:
        """The elements before the pixels that are kept: what is longer than any such value is none."""
        for element in source.elements():
            if element.tag in VALUE_TYPES:
                self._pixel_data = element.tag
                return
            length = element.end - element.value_at
            if element.tag in TAGS and length <= longest_bytes(element.vr):
                self.size_bytes += length + 200
                if self.size_bytes > MAX_BYTES:
                    raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_BYTES} bytes of attributes to render with")
                yield element

    def _keep(self, tag: int, vr: str, value: bytes) -> None:
        if tag == _PER_FRAME:
            self._per_frame = value
            return
        if vr == "SQ":
            check_parsable(value)
        self._raw[tag] = vr, value
        if tag == _CHARACTER_SET:        # text is decoded here; what pydicom cannot read would cost it all values
            return
        raw = RawDataElement(BaseTag(tag), vr, len(value), value, 0, self._implicit, True)
        self.dataset._dict[raw.tag] = raw      # as pydicom's own reader does: converted at first sight

    @cached_property
    def description(self) -> PixelDescription | None:
        """The Image Pixel Module, None where the object is no image. Raises PacsdError MALFORMED, UNSUPPORTED."""
        values = {tag: value for tag, (_, value) in self._raw.items() if tag in DESCRIBING}
        if not self._pixel_data or not any(values.get(_ROWS, b"")) or not any(values.get(_COLUMNS, b"")):
            return None
        return PixelDescription.of_elements(values, value_type=VALUE_TYPES[self._pixel_data])

    @cached_property
    def _frame_items(self) -> list[bytes]:
        return split_items(self._per_frame, implicit=self._implicit)

    def frame_groups(self, number: int) -> Dataset:
        """The item of the Per-Frame Functional Groups Sequence of a frame, from 1; empty where there is none."""
        found = self._frame_items
        if not 0 < number <= len(found):
            return Dataset()
        check_parsable(found[number - 1])
        try:
            return read_dataset(BytesIO(found[number - 1]), self._implicit, True)
        except Exception as error:  # pydicom's readers raise whatever the bytes make them
            raise PacsdError(Fault.MALFORMED, "a functional group cannot be read") from error

    def macro(self, number: int, keyword: str) -> Dataset:
        """The functional group macro of a frame: its own, else the shared one, else the object (PS3.3 C.7.6.16)."""
        own = [self.frame_groups(number)] if self._per_frame else []
        for holder in (*own, *items(self.dataset, "SharedFunctionalGroupsSequence")[:1]):
            for item in items(holder, keyword):
                return item
        return self.dataset

    def raw(self, tag: int) -> bytes:
        """The bytes of a value, words little endian; empty where it is absent."""
        return self._raw.get(tag, ("", b""))[1]

    def numbers(self, tag: int) -> list[int]:
        """The values of a US or SS element, signed; none where it has another VR or is absent."""
        if self._raw.get(tag, ("", b""))[0] not in ("US", "SS"):
            return []
        raw = self.raw(tag)
        return [int.from_bytes(raw[at : at + 2], "little", signed=True) for at in range(0, len(raw) - 1, 2)]

    def text(self, keyword: str) -> str:
        """A whole text value, decoded as its character set or its bytes say."""
        vr, value = self._raw.get(tag_for_keyword(keyword) or 0, ("", b""))
        return self._decoded(value, vr)

    def text_of(self, item: Dataset, keyword: str) -> str:
        """The same of an item: pydicom knows neither wrong declarations nor all of ISO 2022."""
        raw: Any = item.get_item(keyword) if keyword in item else None
        if not isinstance(raw, RawDataElement) or not raw.value:
            return ""
        return self._decoded(raw.value, raw.VR or vr_of(raw.tag))

    def _decoded(self, value: bytes, vr: str) -> str:
        declared = self._raw.get(_CHARACTER_SET, ("", b""))[1].decode("ascii", "replace").strip(" \0")
        return decode_text(value, vr, declared.split("\\") if declared else (), override=self._override).strip(" \0")


def check_parsable(sequence: bytes) -> None:
    """Raises PacsdError TOO_MUCH for more items or elements than pydicom may be asked to make objects of."""
    if len(sequence) > MAX_SEQUENCE_BYTES or sequence.count(_ITEM) > MAX_ITEMS:
        raise PacsdError(Fault.TOO_MUCH, f"a sequence of more than {MAX_SEQUENCE_BYTES} bytes or {MAX_ITEMS} items")


def _in_little_endian(
    source: walk.Dataset, elements: Iterable[walk.Located]
) -> tuple[walk.Dataset, list[walk.Located]]:
    """Those elements of a big endian data set as one of their own."""
    pieces = [source.read(element.start, element.end - element.start) for element in elements]
    data = b"".join(converted(pieces, source=EXPLICIT_VR_BIG_ENDIAN, target=EXPLICIT_VR_LITTLE_ENDIAN))
    made = walk.Dataset(
        walk.BytesReader(data), offset_bytes=0, length_bytes=len(data), transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN
    )
    return made, list(made.elements())


def split_items(sequence: bytes, *, implicit: bool) -> list[bytes]:
    """The items of a sequence's value, each without its header; those of a broken sequence as far as they go.

    Raises PacsdError TOO_MUCH for more than there may be frames.
    """
    found: list[bytes] = []
    at, end = 0, len(sequence)
    try:
        while end - at >= 8:
            head = element_head(sequence, at, end, implicit=True, big_endian=False)
            if head.tag != ITEM:
                break
            length = head.length
            stop = head.value_at + length if length != UNDEFINED else _item_end(sequence, head.value_at, implicit)
            found.append(sequence[head.value_at : stop])
            at = stop + (8 if length == UNDEFINED else 0)
            if len(found) > MAX_FRAMES:
                break
    except PacsdError:
        return found
    if len(found) > MAX_FRAMES:
        raise PacsdError(Fault.TOO_MUCH, f"functional groups of more than {MAX_FRAMES} frames")
    return found


def _item_end(data: bytes, at: int, implicit: bool) -> int:
    while True:
        head = element_head(data, at, len(data), implicit=implicit, big_endian=False)
        if head.tag == ITEM_DELIMITATION:
            return at
        if head.length == UNDEFINED:
            at = skip_undefined(data, head.value_at, len(data), implicit=implicit, big_endian=False)
        else:
            at = head.value_at + head.length
        if at > len(data):
            raise NeedMoreData(at)
