"""Compressed Pixel Data as bulk data (PS3.18 8.7.3.3): a representation for each frame, or one of all, decoded."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

from pacsd.codec.transcode import is_transcodable
from pacsd.codec.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from pacsd.faults import Fault, PacsdError
from pacsd.web.frames import stored_kinds
from pacsd.web.media_types import OCTET_STREAM, Representation
from pacsd.web.services import Frames, FrameSet, InstanceRef
from pacsd.web.streaming import abandon
from pacsd.web.transcoding import CANNOT_BE_TRANSCODED

PIXEL_DATA = "7FE00010"
DAMAGED = frozenset((Fault.MALFORMED, Fault.NOT_FOUND, Fault.TOO_MUCH))      # whose frames cannot be told apart


@dataclass(frozen=True, slots=True)
class Content:
    """One representation on its way: what it is, and its size where that is known."""

    part_type: str
    size_bytes: int | None
    chunks: Iterator[bytes]


def is_compressed(ref: InstanceRef, path: str) -> bool:
    """Whether a value is Pixel Data that was cut into frames and compressed; a video is one stream."""
    syntax = transfer_syntax(ref.transfer_syntax_uid)
    return path == PIXEL_DATA and syntax.encapsulated and not syntax.video


@lru_cache(maxsize=128)
def forms(transfer_syntax_uid: str, *, frames: int | None = None) -> tuple[Representation, ...]:
    """What compressed Pixel Data may be given in, untouched before decoded; single part too where `frames` says how
    many there are.

    Stored octets need their transfer syntax named, but where nothing else could be made of them.
    """
    decodes = is_transcodable(transfer_syntax_uid, EXPLICIT_VR_LITTLE_ENDIAN)
    stored = [
        Representation(kind, True, syntax, by_name and decodes)
        for kind, syntax, by_name in stored_kinds(transfer_syntax_uid)
    ]
    decoded = [Representation(OCTET_STREAM, True, EXPLICIT_VR_LITTLE_ENDIAN, transcoded=True)] if decodes else []
    alone = [*(stored if frames == 1 else ()), *(decoded if frames else ())]
    singles = [replace(form, multipart=False) for form in alone]
    return (*singles, *stored, *decoded) if frames == 1 else (*stored, *decoded, *singles)


def contents(frames: Frames, ref: InstanceRef, form: Representation, *, stored_will_do: bool) -> Iterator[Content]:
    """The Pixel Data of an instance in a form. What cannot be decoded after all comes as it is stored where that will
    do: the part says what it is.

    Raises PacsdError NOT_FOUND, MALFORMED and UNSUPPORTED, before anything is given.
    """
    stored = frames.of(ref)
    if not form.transcoded:
        yield from _each(stored, form)
        return
    try:
        decoded, first = _decoded(stored)
    except PacsdError as error:
        abandon(stored.frames)
        if not stored_will_do or error.fault not in CANNOT_BE_TRANSCODED:
            raise
        as_stored = replace(form, transfer_syntax_uid=stored.transfer_syntax_uid, transcoded=False)
        yield from _each(frames.of(ref), as_stored)
        return
    try:
        yield Content(form.part_type, first[0] * decoded.number, _joined(decoded, first))
    finally:
        abandon(decoded.frames)


def _decoded(stored: FrameSet) -> tuple[FrameSet, tuple[int, Iterator[bytes]]]:
    """The frames as they are decoded, and the first of them."""
    if not stored.joins():
        raise PacsdError(Fault.UNSUPPORTED, "frames of single bits are not put together")
    decoded = stored.transcoded(EXPLICIT_VR_LITTLE_ENDIAN)
    return decoded, next(decoded.frames)


def _each(found: FrameSet, form: Representation) -> Iterator[Content]:
    try:
        for size_bytes, chunks in found.frames:
            yield Content(form.part_type, size_bytes, chunks)
    finally:
        abandon(found.frames)


def _joined(found: FrameSet, first: tuple[int, Iterator[bytes]]) -> Iterator[bytes]:
    """All frames one behind the other. Raises PacsdError MALFORMED where one is not of the first one's size."""
    for size_bytes, chunks in chain((first,), found.frames):
        if size_bytes != first[0]:
            raise PacsdError(Fault.MALFORMED, "a frame is not of the size that the first one is of")
        yield from chunks
