"""Images as pictures: frames decoded one at a time, transformed, placed, annotated, encoded."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain

import numpy as np

from pacsd.archive.rendition import Instance, Rendition
from pacsd.codec.image_pixel import PixelDescription
from pacsd.codec.pixels import decode_frame
from pacsd.codec.render.annotation import annotated, annotation_lines
from pacsd.codec.render.canvas import aspect_ratio, placement
from pacsd.codec.render.encode import GIF, JP2, JPEG, PNG, animated_gif, encode
from pacsd.codec.render.frame_timing import frame_delays_ms
from pacsd.codec.render.icc_profile import embedded, in_color_space, own_profile
from pacsd.codec.render.parameters import Parameters
from pacsd.codec.render.picture import Picture, described, picture
from pacsd.codec.render.shutter import shutter_of
from pacsd.codec.render.values import integer
from pacsd.faults import Fault, PacsdError

STILL_MEDIA_TYPES = (JPEG, PNG, JP2, GIF)

_LARGE_SAMPLES = 1 << 23                 # of the source or the picture; above it one is made at a time, whoever asks
_LARGE = threading.Semaphore(1)


def render(instance: Instance, media_type: str, parameters: Parameters) -> Iterator[Rendition]:
    """The whole instance as one picture: an animation where that is asked for, else one frame that stands for all."""
    count = described(instance.header).number_of_frames
    if media_type == GIF and count > 1:
        yield animation(instance, parameters)
    else:
        yield still(instance, representative_frame(instance), media_type, parameters)


def frames(
    instance: Instance, numbers: Sequence[int], media_type: str, parameters: Parameters
) -> Iterator[Rendition]:
    """One picture for each frame, from 1. Raises PacsdError NOT_FOUND, UNSUPPORTED where there are no frames."""
    count = described(instance.header).number_of_frames
    if max(numbers) > count:
        raise PacsdError(Fault.NOT_FOUND, f"the instance has {count} frames")
    return (still(instance, number, media_type, parameters, of_several=True) for number in numbers)


def representative_frame(instance: Instance) -> int:
    """The frame that stands for all: Representative Frame Number (PS3.3 C.7.6.6.1.4), else the middle one."""
    count = described(instance.header).number_of_frames
    said = integer(instance.header.dataset, "RepresentativeFrameNumber", 0)
    return said if 0 < said <= count else (count + 1) // 2


def still(
    instance: Instance, number: int, media_type: str, parameters: Parameters, *, of_several: bool = False
) -> Rendition:
    """One frame as one picture."""
    with in_turn(described(instance.header), parameters):
        shown, warning = _shown(instance, number, parameters)
        shown, profile = in_color_space(shown, parameters.iccprofile, own_profile(instance.header))
        content = embedded(encode(shown, media_type, parameters.quality), profile)
    return Rendition(instance.ref, media_type, iter((content,)), number if of_several else None, warning)


def animation(instance: Instance, parameters: Parameters) -> Rendition:
    """All frames as an animated GIF, made as it is read; the first is there before anything is sent."""
    header = instance.header
    count = described(header).number_of_frames
    first, warning = _in_turn(instance, 1, parameters)
    rest = (_in_turn(instance, number, parameters)[0] for number in range(2, count + 1))
    content = animated_gif(chain((first,), rest), frame_delays_ms(header.dataset))
    return Rendition(instance.ref, GIF, content, None, warning)


def in_turn(description: PixelDescription, parameters: Parameters) -> AbstractContextManager[object]:
    """What keeps the memory of pictures made at once bounded; small ones do not wait."""
    viewport = parameters.viewport
    pixels = 0 if viewport is None else viewport.width * viewport.height
    return _LARGE if max(description.samples, 3 * pixels) > _LARGE_SAMPLES else nullcontext()


def source_picture(instance: Instance, number: int, parameters: Parameters) -> Picture:
    """A frame on its own pixel grid, after the transformations of its values and its shutter."""
    header = instance.header
    encoded, syntax = instance.frame(number)
    frame = decode_frame(encoded, syntax, described(header))
    shown = picture(header, frame, number, syntax, parameters.window)
    return shutter_of(header.dataset).apply(shown)


def _in_turn(instance: Instance, number: int, parameters: Parameters) -> tuple[Picture, str]:
    with in_turn(described(instance.header), parameters):
        return _shown(instance, number, parameters)


def _shown(instance: Instance, number: int, parameters: Parameters) -> tuple[Picture, str]:
    """The finished picture of a frame, and what is missing in it."""
    source = source_picture(instance, number, parameters)
    rows, columns = source.shape[:2]
    place = placement(rows, columns, parameters.viewport, aspect=aspect_ratio(instance.header.dataset))
    shown = np.ascontiguousarray(place.apply(source))
    if not parameters.annotation:
        return shown, ""
    return annotated(shown, annotation_lines(instance.header, instance.ref.overlay, parameters.annotation))
