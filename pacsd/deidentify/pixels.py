"""Burned-in text: which images have some, and what is blackened (PS3.15 E.3.1, E.3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from config.deidentification import BurnedIn, Policy
from pacsd.codec.image_pixel import PixelDescription, Pixels
from pacsd.deidentify.options import Option
from pacsd.faults import Fault, PacsdError

Box = tuple[int, int, int, int]          # x, y, width, height; negative x and y count from the far edge


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself, as far as rules ask."""

    manufacturer: str
    model: str
    modality: str
    image_type: str
    sop_class: str
    rows: int
    columns: int
    burned_in: str                       # Burned In Annotation (0028,0301)
    coloured: bool = False               # several samples a pixel: what scanners measure is grey, captures are not
    ultrasound_regions: tuple[Box, ...] = ()
    embedded_overlays: bool = False      # planes in bits of the pixel cells that are not stored bits (PS3.3 C.9.2)


@dataclass(frozen=True, slots=True)
class Blackening:
    """What is done with every frame: `boxes` are blackened, all outside `kept` too, where there is any.

    With `unused_bits` whatever stands beside the stored bits goes.
    """

    boxes: tuple[Box, ...] = ()
    kept: tuple[Box, ...] = ()
    unused_bits: bool = False

    def __call__(self, cells: Pixels, description: PixelDescription) -> Pixels:
        """The cells of one frame, blackened."""
        cells = np.array(cells)
        if self.unused_bits:
            cells = _stored_bits(cells, description)
        black = _black(cells, description)
        if self.kept:
            outside = np.ones(cells.shape[:2], bool)
            for box in self.kept:
                outside[_slices(box, cells)] = False
            cells[outside] = black
        for box in self.boxes:
            cells[_slices(box, cells)] = black
        return cells

    @property
    def words(self) -> str:
        """For the report."""
        said = [f"{len(self.boxes)} regions blackened"] if self.boxes else []
        said += ["blackened outside the ultrasound regions"] if self.kept else []
        said += ["unused bits cleared"] if self.unused_bits else []
        return ", ".join(said)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with the pixels: `clean` if nothing identifying is burned in afterwards."""

    blackening: Blackening | None = None
    clean: bool = False
    features: bool = False
    warning: str = ""


def decide(image: Image, policy: Policy, options: frozenset[Option]) -> Decision:
    """What a policy makes of an image. Raises PacsdError UNSUPPORTED where nobody says how to clean it."""
    rule = next((one for one in policy.burned_in if _fits(one, image)), None)
    if Option.PIXELS not in options and Option.FEATURES not in options:
        return _untouched(image, policy, rule)
    if rule is None and (image.burned_in == "NO" or _is_clean(image, policy)) and Option.FEATURES not in options:
        return Decision(_of_bits(image), clean=True)
    if rule is None:
        if policy.without_rule == "refuse" or Option.FEATURES in options:
            raise _refused(f"no rule of the policy says what {_kind(image)} have burned in")
        return Decision(_of_bits(image), warning="no rule says what is burned in; pixel data was kept as it is")
    if Option.FEATURES in options and not rule.features:
        raise _refused(f"no rule says how recognisable features of {_kind(image)} are taken away")
    return Decision(_by_rule(rule, image), clean=True, features=rule.features)


def _untouched(image: Image, policy: Policy, rule: BurnedIn | None) -> Decision:
    """Without the Clean Pixel Data Option an image is given only where nothing is to be cleaned (PS3.15 E.1.1)."""
    if image.burned_in == "NO" or _is_clean(image, policy) or (rule is not None and rule.clean):
        return Decision(_of_bits(image))
    if policy.without_rule == "keep" and image.burned_in != "YES":
        return Decision(_of_bits(image), warning="nobody says whether anything is burned in")
    raise _refused(f"{_kind(image)} may have text burned in, and the policy does not clean pixel data")


def _by_rule(rule: BurnedIn, image: Image) -> Blackening | None:
    boxes = tuple((box[0], box[1], box[2], box[3]) for box in rule.black)
    kept: tuple[Box, ...] = ()
    if rule.outside_ultrasound_regions:
        if not image.ultrasound_regions:
            raise _refused("the image has no Sequence of Ultrasound Regions to tell where text may stand")
        kept = image.ultrasound_regions
    made = Blackening(boxes, kept, image.embedded_overlays)
    return made if made.words else None


def _of_bits(image: Image) -> Blackening | None:
    return Blackening(unused_bits=True) if image.embedded_overlays else None


def _is_clean(image: Image, policy: Policy) -> bool:
    """Whether images of this kind never have text burned in: originals of some modalities, no captured screens."""
    kinds = image.image_type.upper().split("\\")
    captured = "SECONDARY" in kinds[1:2] or "SCREEN SAVE" in kinds or image.sop_class.startswith(_SECONDARY_CAPTURE)
    clean = image.modality in policy.clean_modalities and image.burned_in != "YES"
    return clean and not captured and not image.coloured


_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def _fits(rule: BurnedIn, image: Image) -> bool:
    texts = (
        (rule.manufacturer, image.manufacturer), (rule.model, image.model), (rule.modality, image.modality),
        (rule.image_type, image.image_type), (rule.sop_class, image.sop_class),
    )  # fmt: skip
    sizes = ((rule.rows, image.rows), (rule.columns, image.columns))
    return all(fnmatchcase(said.casefold(), wanted.casefold()) for wanted, said in texts) and all(
        not wanted or wanted == said for wanted, said in sizes
    )


def _kind(image: Image) -> str:
    """Which images a person would write a rule for; neither manufacturer nor model tells of a patient."""
    return f"{image.modality or 'these'} images of {image.columns} × {image.rows}"


def _refused(why: str) -> PacsdError:
    return PacsdError(Fault.UNSUPPORTED, why)


def _slices(box: Box, cells: Pixels) -> tuple[slice, slice]:
    """A region of a frame, cut at its edges."""
    x, y, width, height = box
    rows, columns = cells.shape[:2]
    left, top = (x + columns if x < 0 else x), (y + rows if y < 0 else y)
    return slice(max(top, 0), max(top + height, 0)), slice(max(left, 0), max(left + width, 0))


def _black(cells: Pixels, description: PixelDescription) -> int | Sequence[int]:
    """What is black in these cells, or the lowest value where colours are indices."""
    if cells.dtype.kind == "f":
        return 0
    colour, bits = description.photometric_interpretation, description.bits_stored
    if colour.startswith("YBR"):
        return (0, 1 << (bits - 1), 1 << (bits - 1))
    lowest, highest = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if description.pixel_representation else (
        0, (1 << bits) - 1)  # fmt: skip
    return highest if colour == "MONOCHROME1" else lowest if cells.ndim == 2 else 0


def _stored_bits(cells: Pixels, description: PixelDescription) -> Pixels:
    """The cells with nothing but the stored bits, where they stand."""
    if description.value_type != "integer" or description.bits_allocated == 1:
        return cells
    low = description.high_bit + 1 - description.bits_stored
    mask = ((1 << description.bits_stored) - 1) << low
    unsigned = np.dtype(f"u{cells.dtype.itemsize}")
    kept: Pixels = (cells.view(unsigned) & np.array(mask, unsigned)).view(cells.dtype)
    return kept
