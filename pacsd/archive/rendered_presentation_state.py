"""Presentation states as pictures: the images they refer to, shown as they say (PS3.18 10.4.1.1.3, PS3.4 N.2)."""

from collections.abc import Iterator

import numpy as np

from pacsd.archive.rendered_image import in_turn
from pacsd.archive.rendition import Instance, Rendition
from pacsd.codec.pixels import decode_frame
from pacsd.codec.render.annotation import annotated, annotation_lines
from pacsd.codec.render.canvas import placement
from pacsd.codec.render.encode import encode
from pacsd.codec.render.graphic_annotation import drawn
from pacsd.codec.render.icc_profile import embedded, in_color_space, own_profile
from pacsd.codec.render.parameters import MAX_VIEWPORT_PIXELS, Parameters, Viewport
from pacsd.codec.render.picture import Picture, described
from pacsd.codec.render.presentation_state import PresentationState, Reference
from pacsd.codec.render.spatial import Spatial, onto
from pacsd.faults import Fault, PacsdError

GRAYSCALE, COLOR, PSEUDO_COLOR = (f"1.2.840.10008.5.1.4.1.1.11.{number}" for number in (1, 2, 3))
SOP_CLASS_UIDS = frozenset((GRAYSCALE, COLOR, PSEUDO_COLOR))


def render(instance: Instance, media_type: str, parameters: Parameters) -> Iterator[Rendition]:
    """One picture for each frame it refers to. Images that are not here, or not for this reader, are left out.

    Raises PacsdError NOT_FOUND where all are, MALFORMED with a window: the state has its own.
    """
    if parameters.window is not None:
        raise PacsdError(Fault.MALFORMED, "a presentation state brings its own window")
    state = PresentationState(instance.header)
    found = False
    for reference in state.references():
        image = _image(instance, reference)
        if image is None:
            continue
        for number in _numbers(image, reference):
            found = True
            yield _rendition(instance, state, image, number, media_type, parameters)
    if not found:
        raise PacsdError(Fault.NOT_FOUND, "none of the images that the presentation state refers to is here")


def parts(instance: Instance) -> int:
    """How many pictures it makes, if it makes one; else any number above."""
    references = PresentationState(instance.header).references()
    if len(references) > 1:
        return len(references)
    image = _image(instance, references[0])
    return 1 if image is None else len(_numbers(image, references[0]))


def _image(instance: Instance, reference: Reference) -> Instance | None:
    """The image of the same study that is referred to (PS3.3 C.11.11)."""
    study = instance.ref.study_instance_uid
    try:
        return instance.other(study, reference.series_instance_uid, reference.sop_instance_uid)
    except PacsdError as error:
        if error.fault is not Fault.NOT_FOUND:
            raise
        return None


def _numbers(image: Instance, reference: Reference) -> tuple[int, ...]:
    count = described(image.header).number_of_frames
    return tuple(one for one in reference.frames if one <= count) or tuple(range(1, count + 1))


def _rendition(
    instance: Instance, state: PresentationState, image: Instance, number: int, media_type: str, asked: Parameters
) -> Rendition:
    with in_turn(described(image.header), asked):
        shown, warning = _shown(state, image, number, asked)
        profile = own_profile(state.header) or own_profile(image.header)
        shown, profile = in_color_space(shown, asked.iccprofile, profile)
        content = embedded(encode(shown, media_type, asked.quality), profile)
    return Rendition(instance.ref, media_type, iter((content,)), None, warning)


def _shown(state: PresentationState, image: Instance, number: int, asked: Parameters) -> tuple[Picture, str]:
    """Values, then area, rotation and flip, then the client's region and viewport, graphics and annotations on top."""
    header, sop = image.header, image.ref.sop_instance_uid
    encoded, syntax = image.frame(number)
    frame = decode_frame(encoded, syntax, described(header))
    source = state.picture(header, frame, number, syntax, sop)
    area = state.displayed_area(header, number, sop)
    spatial = Spatial(area, state.rotation, state.flipped)
    turned = spatial.apply(source)
    rows, columns = turned.shape[:2]
    viewport = asked.viewport or _magnified(rows, columns, area.magnification)
    place = placement(rows, columns, viewport, aspect=spatial.aspect)
    width, height = spatial.size
    shown, warning = drawn(
        place.apply(turned), state, sop, number,
        pixel=lambda at: onto(place, spatial.point(at)),
        display=lambda at: onto(place, (at[0] * width, at[1] * height)),
    )  # fmt: skip
    if not asked.annotation:
        return np.ascontiguousarray(shown), warning
    finished, missing = annotated(shown, annotation_lines(header, image.ref.overlay, asked.annotation))
    return finished, warning or missing


def _magnified(rows: int, columns: int, magnification: float) -> Viewport | None:
    """The size that a state in the mode MAGNIFY asks for, as far as pictures go."""
    width, height = round(columns * magnification), round(rows * magnification)
    if magnification == 1.0 or not 0 < width * height <= MAX_VIEWPORT_PIXELS:
        return None
    return Viewport(width, height)
