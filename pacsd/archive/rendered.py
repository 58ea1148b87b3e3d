"""Rendered instances (PS3.18 10.4.1.1.3): which category an instance is of, and who makes its pictures or pages.

`CATEGORIES` is the one table that decides; what it does not name is an image if it has pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pacsd.access.scope import Scope
from pacsd.archive import rendered_image, rendered_presentation_state
from pacsd.archive.frames import Frames
from pacsd.archive.image_headers import ImageHeaders
from pacsd.archive.rendition import Instance, Rendition
from pacsd.archive.retrieve import InstanceRef, Retrieve
from pacsd.codec.render.parameters import Parameters
from pacsd.faults import Fault, PacsdError

Render = Callable[[Instance, str, Parameters], Iterator[Rendition]]


def _one(_: Instance) -> int:
    return 1


@dataclass(frozen=True, slots=True)
class Category:
    """A resource category (PS3.18 8.7.2): the media types its instances can be given in, the default first.

    `render(instance, media_type, parameters)` yields one rendition, or several where the instance stands for several
    (the images of a presentation state, so many as `parts` tells). It raises PacsdError; nothing is sent before its
    first rendition.
    """

    name: str
    sop_class_uids: frozenset[str]
    media_types: tuple[str, ...]
    render: Render
    parts: Callable[[Instance], int] = _one


IMAGE = Category("Image", frozenset(), rendered_image.STILL_MEDIA_TYPES, rendered_image.render)
PRESENTATION_STATE = Category(
    "Presentation State",
    rendered_presentation_state.SOP_CLASS_UIDS,
    rendered_image.STILL_MEDIA_TYPES,
    rendered_presentation_state.render,
    rendered_presentation_state.parts,
)

CATEGORIES: tuple[Category, ...] = (PRESENTATION_STATE,)
_BY_SOP_CLASS = {uid: category for category in CATEGORIES for uid in category.sop_class_uids}


def category_of(sop_class_uid: str) -> Category:
    """The category of a SOP class; everything that is not named may be an image."""
    return _BY_SOP_CLASS.get(sop_class_uid, IMAGE)


@dataclass(frozen=True, eq=False)
class Renderable:
    """An instance, and the forms it can be given in."""

    instance: Instance
    category: Category

    @cached_property
    def media_types(self) -> tuple[str, ...]:
        """The default first; none for an instance that cannot be rendered at all."""
        if self.category is IMAGE and not self.instance.is_image:
            return ()
        return self.category.media_types

    @property
    def parts(self) -> int:
        """How many renditions the whole instance is."""
        return self.category.parts(self.instance)

    def render(self, media_type: str, parameters: Parameters) -> Iterator[Rendition]:
        """The renditions of the whole instance."""
        return self.category.render(self.instance, media_type, parameters)

    def thumbnail(self, media_type: str, parameters: Parameters) -> Iterator[Rendition]:
        """One still picture. Raises PacsdError NOT_FOUND where the instance has none."""
        if self.category is IMAGE and self.instance.is_image:
            number = rendered_image.representative_frame(self.instance)
            return rendered_image.frames(self.instance, [number], media_type, parameters)
        if media_type in self.media_types:
            return self.render(media_type, parameters)
        raise PacsdError(Fault.NOT_FOUND, "the instance has no picture")

    def frames(self, numbers: Sequence[int], media_type: str, parameters: Parameters) -> Iterator[Rendition]:
        """One rendition for each frame, from 1. Raises PacsdError NOT_FOUND for a frame that is not there."""
        if self.category is not IMAGE or not self.instance.is_image:
            raise PacsdError(Fault.NOT_FOUND, "the instance has no frames that can be rendered")
        return rendered_image.frames(self.instance, numbers, media_type, parameters)


class Rendered:
    """Opens visible instances for rendering."""

    def __init__(self, retrieve: Retrieve, frames: Frames, headers: ImageHeaders) -> None:
        self._retrieve = retrieve
        self._frames = frames
        self._headers = headers

    def instances(self, scope: Scope, *uids: str) -> list[Renderable]:
        """Those below a study, series or instance, in the order they are stored. Raises PacsdError NOT_FOUND."""
        return [self.of(scope, ref) for ref in self._retrieve.instances(scope, *uids)]

    def representatives(self, scope: Scope, *uids: str) -> list[Renderable]:
        """Those that may stand for a study, series or instance, the best first: the middles of its series.

        Larger series come first; what cannot be an image by its SOP class comes last. Raises PacsdError NOT_FOUND.
        """
        series: dict[str, list[InstanceRef]] = {}
        for ref in self._retrieve.instances(scope, *uids):
            series.setdefault(ref.series_instance_uid, []).append(ref)
        largest_first = sorted(series.values(), key=len, reverse=True)
        middles = [of_series[len(of_series) // 2] for of_series in largest_first]
        middles.sort(key=lambda ref: category_of(ref.sop_class_uid) is not IMAGE)
        return [self.of(scope, ref) for ref in middles]

    def of(self, scope: Scope, ref: InstanceRef) -> Renderable:
        """One that has been found."""
        instance = Instance(ref, scope, self._retrieve, self._frames, self._headers)
        return Renderable(instance, category_of(ref.sop_class_uid))
