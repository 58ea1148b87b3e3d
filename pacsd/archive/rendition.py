"""What renderers take and give: one stored instance, and one picture or page made of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from pacsd.access.scope import Scope
from pacsd.archive.frames import BulkValue, Frames
from pacsd.archive.image_headers import ImageHeaders
from pacsd.archive.metadata import Metadata
from pacsd.archive.retrieve import InstanceRef, Retrieve, read
from pacsd.codec.decoders import DECODERS
from pacsd.codec.documents.json_model import Attributes, parse
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
    _metadata: Metadata

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

    def attributes(self, *, base_url: str) -> Attributes:
        """Its metadata, overlays applied; long values are Bulk Data URIs below `base_url`."""
        text = self._metadata.instance(self.scope, *self._uids, base_url=base_url)
        return parse(b"".join(text.chunks))

    def bulk(self, path: str) -> BulkValue:
        """A value by the path of its Bulk Data URI, as it is stored. Raises PacsdError NOT_FOUND."""
        return self._frames.bulk(self.scope, *self._uids, path)

    @property
    def _uids(self) -> tuple[str, str, str]:
        return self.ref.study_instance_uid, self.ref.series_instance_uid, self.ref.sop_instance_uid

    def part10(self) -> Iterator[bytes]:
        """The whole instance as a Part 10 file, overlays applied. Exhaust or close it."""
        return read(self._retrieve.part10(self.ref).pieces)

    def other(self, study: str, series: str, sop: str) -> "Instance":
        """Another instance, as the same reader sees it. Raises PacsdError NOT_FOUND."""
        ref = self._retrieve.instances(self.scope, study, series, sop)[0]
        return Instance(ref, self.scope, self._retrieve, self._frames, self._headers, self._metadata)


def with_charset(media_type: str) -> str:
    """The media type of text that we wrote; XML tells its encoding itself (RFC 7303)."""
    return f"{media_type}; charset=utf-8" if media_type in ("text/html", "text/plain") else media_type
