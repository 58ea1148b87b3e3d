"""Softcopy presentation states (PS3.3 A.33, C.10, C.11): what they say of each image they refer to."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.render.grayscale import Grayscale
from pacsd.codec.render.image_header import ImageHeader
from pacsd.codec.render.lookup_table import lookup_table
from pacsd.codec.render.modality_lut import IDENTITY, modality_lut
from pacsd.codec.render.overlay_plane import activated, overlay_plane
from pacsd.codec.render.palette_color import palette
from pacsd.codec.render.picture import Picture, color, described, is_grayscale, padding
from pacsd.codec.render.shutter import shutter_of
from pacsd.codec.render.values import decimals, integer, integers, items, text
from pacsd.codec.render.voi_lut import Voi, voi_lut
from pacsd.faults import Fault, PacsdError

MAX_REFERENCES = 10_000
_WHITE = 65535


@dataclass(frozen=True, slots=True)
class Reference:
    """An image a presentation state applies to; without frames it applies to all of them."""

    series_instance_uid: str
    sop_instance_uid: str
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DisplayedArea:
    """Which part of the source is shown, edges in pixels from 0, and the height of its pixels by their width."""

    left: int
    top: int
    right: int
    bottom: int
    aspect: float = 1.0
    magnification: float = 1.0


class PresentationState:
    """A grayscale, colour or pseudo-colour softcopy presentation state."""

    def __init__(self, header: ImageHeader) -> None:
        self.header = header
        self._dataset = header.dataset

    def references(self) -> list[Reference]:
        """The images it refers to, in its order (PS3.3 C.11.11). Raises PacsdError MALFORMED where there are none."""
        found = [
            Reference(
                text(series, "SeriesInstanceUID"),
                text(image, "ReferencedSOPInstanceUID"),
                tuple(number for number in integers(image, "ReferencedFrameNumber") if number > 0),
            )
            for series in items(self._dataset, "ReferencedSeriesSequence")
            for image in items(series, "ReferencedImageSequence")
        ]
        usable = [one for one in found if one.series_instance_uid and one.sop_instance_uid]
        if not usable:
            raise PacsdError(Fault.MALFORMED, "the presentation state refers to no image")
        if len(usable) > MAX_REFERENCES:
            raise PacsdError(Fault.TOO_MUCH, f"the presentation state refers to more than {MAX_REFERENCES} images")
        return usable

    def items_for(self, keyword: str, sop_instance_uid: str, number: int) -> Iterator[Dataset]:
        """The items of a sequence that apply to a frame of an image: those that name it, or no image at all."""
        for item in items(self._dataset, keyword):
            named = items(item, "ReferencedImageSequence")
            if not named or any(_names(one, sop_instance_uid, number) for one in named):
                yield item

    def picture(
        self, image: ImageHeader, frame: NDArray[np.generic], number: int, syntax: str, sop_instance_uid: str
    ) -> Picture:
        """A frame with the transformations of its values, overlays and shutters, on its own pixel grid."""
        description = described(image)
        if not is_grayscale(description):
            shown = color(image, frame, syntax)
        else:
            shown = self._grayscale(image, description, number, sop_instance_uid).apply(frame)
            shown = self._pseudo_color(shown)
        for group, layer in activated(self.header):
            for holder in (image, self.header):
                plane = overlay_plane(holder, group, number)
                if plane is not None:
                    shown = plane.on(shown, self.layer_gray(layer))
                    break
        return self._shuttered(shown, number)

    def layer_gray(self, layer: str) -> int:
        """The grey of a graphic layer, of eight bits; white where it recommends none (PS3.3 C.10.7)."""
        for item in items(self._dataset, "GraphicLayerSequence"):
            if text(item, "GraphicLayer") == layer:
                return integer(item, "GraphicLayerRecommendedDisplayGrayscaleValue", _WHITE) >> 8 & 0xFF
        return _WHITE >> 8

    def layer_order(self, layer: str) -> int:
        """Where a layer lies: the higher, the nearer to the eye."""
        for item in items(self._dataset, "GraphicLayerSequence"):
            if text(item, "GraphicLayer") == layer:
                return integer(item, "GraphicLayerOrder", 0)
        return 0

    @property
    def rotation(self) -> int:
        """Degrees clockwise, before any flip (PS3.3 C.10.6)."""
        return integer(self._dataset, "ImageRotation", 0) % 360 // 90 * 90

    @property
    def flipped(self) -> bool:
        """Whether left and right change sides, after the rotation."""
        return text(self._dataset, "ImageHorizontalFlip") == "Y"

    def displayed_area(self, image: ImageHeader, number: int, sop_instance_uid: str) -> DisplayedArea:
        """What is shown of a frame (PS3.3 C.10.4); all of it where the state says nothing."""
        description = described(image)
        whole = DisplayedArea(0, 0, description.columns, description.rows)
        for item in self.items_for("DisplayedAreaSelectionSequence", sop_instance_uid, number):
            corners = integers(item, "DisplayedAreaTopLeftHandCorner"), integers(
                item, "DisplayedAreaBottomRightHandCorner"
            )
            if len(corners[0]) != 2 or len(corners[1]) != 2:
                return whole
            (x1, y1), (x2, y2) = corners     # top left and bottom right after the rotation: any two corners before it
            return DisplayedArea(
                min(x1, x2) - 1, min(y1, y2) - 1, max(x1, x2), max(y1, y2), _aspect(item), _magnification(item)
            )
        return whole

    def _grayscale(
        self, image: ImageHeader, description: PixelDescription, number: int, sop_instance_uid: str
    ) -> Grayscale:
        """What the state says replaces what the image says, also where it says nothing (PS3.4 N.2.1)."""
        signed = bool(description.pixel_representation)
        modality = modality_lut(self._dataset, signed=signed) or IDENTITY
        voi: Voi | None = None
        for item in self.items_for("SoftcopyVOILUTSequence", sop_instance_uid, number):
            voi = voi_lut(item, signed=modality.is_signed(signed))
        tables = items(self._dataset, "PresentationLUTSequence")
        made = Grayscale(
            modality,
            voi,
            full_range=_stored_range(description),
            padding=padding(image.dataset, description),
            presentation=lookup_table(tables[0], signed=False) if tables else None,
        )
        return replace(made, inverse=not tables and text(self._dataset, "PresentationLUTShape") == "INVERSE")

    def _pseudo_color(self, gray: Picture) -> Picture:
        """Through the palette of a pseudo-colour state, which takes the whole range of grey (PS3.4 N.2.2)."""
        descriptor = integers(self._dataset, "RedPaletteColorLookupTableDescriptor")
        if len(descriptor) != 3:
            return gray
        entries, first = descriptor[0] or 65536, descriptor[1]
        colors = palette(self._dataset, first + np.arange(256, dtype=np.float64) * ((entries - 1) / 255), signed=False)
        return np.asarray(np.take(colors, gray, axis=0), np.uint8)

    def _shuttered(self, shown: Picture, number: int) -> Picture:
        group = integer(self._dataset, "ShutterOverlayGroup", 0)
        plane = overlay_plane(self.header, group, number) if group in range(0x6000, 0x6020, 2) else None
        if plane is not None:
            seen = plane.opening(*shown.shape[:2])
            shown = np.where(seen if shown.ndim == 2 else seen[..., None], shown, 0).astype(np.uint8)
        return shutter_of(self._dataset).apply(shown)


def _names(reference: Dataset, sop_instance_uid: str, number: int) -> bool:
    frames = integers(reference, "ReferencedFrameNumber")
    return text(reference, "ReferencedSOPInstanceUID") == sop_instance_uid and (not frames or number in frames)


def _stored_range(description: PixelDescription) -> tuple[float, float] | None:
    """Everything the stored bits can hold: what an identity VOI LUT shows."""
    if description.value_type != "integer":
        return None
    half = 1 << description.bits_stored - 1
    return (-half, half - 1) if description.pixel_representation else (0, 2 * half - 1)


def _aspect(area: Dataset) -> float:
    for keyword in ("PresentationPixelSpacing", "PresentationPixelAspectRatio"):
        pair = decimals(area, keyword)
        if len(pair) == 2 and min(pair) > 0:
            ratio = pair[0] / pair[1]
            return ratio if 0.02 < ratio < 50 and abs(ratio - 1) > 0.01 else 1.0
    return 1.0


def _magnification(area: Dataset) -> float:
    if text(area, "PresentationSizeMode") != "MAGNIFY":
        return 1.0
    found = decimals(area, "PresentationPixelMagnificationRatio")
    return found[0] if found and 0.01 <= found[0] <= 100 else 1.0
