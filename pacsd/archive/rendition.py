"""What renderers take and give: one stored instance, and one picture or page made of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from pacsd.access.scope import Scope
from pacsd.archive.frames import Frames
from pacsd.archive.image_headers import ImageHeaders
from pacsd.archive.retrieve import InstanceRef, Retrieve
from pacsd.codec.decoders import DECODERS
from pacsd.codec.render.image_header import ImageHeader


@dataclass(frozen=True, slots=True)
class Rendition:
    """One representation, in pieces. `frame` is set where it shows one frame of several.

    `warning` tells what the picture lacks of what was asked for; the edge makes a Warning header of it.
    """

    ref: InstanceRef
    media_type: str
    content: Iterator[bytes]
    frame: int | None = None
    warning: str = ""


@dataclass(frozen=True, eq=False)
class Instance:
    """A visible instance as a renderer sees it; nothing is read before it is asked for."""

    ref: InstanceRef
    scope: Scope
    _retrieve: Retrieve
    _frames: Frames
    _headers: ImageHeaders

    @property
    def header(self) -> ImageHeader:
        """Its attributes, as stored: overlays are in `ref.overlay`."""
        return self._headers(self.ref)

    @property
    def is_image(self) -> bool:
        """Whether it has pixels that can be decoded. Raises PacsdError MALFORMED where it describes them wrongly."""
        return self.ref.transfer_syntax_uid in DECODERS and self.header.description is not None

    def frame(self, number: int) -> tuple[bytes, str]:
        """An encoded frame, from 1, and its transfer syntax. Raises PacsdError NOT_FOUND."""
        found = self._frames.of(self.ref, [number])
        encoded = b"".join(piece for _, chunks in found.frames for piece in chunks)
        return encoded, found.transfer_syntax_uid

    def part10(self) -> Iterator[bytes]:
        """The whole instance as a Part 10 file, overlays applied. Exhaust or close it."""
        return self._retrieve.part10(self.ref).chunks

    def other(self, study: str, series: str, sop: str) -> "Instance":
        """Another instance, as the same reader sees it. Raises PacsdError NOT_FOUND."""
        ref = self._retrieve.instances(self.scope, study, series, sop)[0]
        return Instance(ref, self.scope, self._retrieve, self._frames, self._headers)
