"""Waveforms rendered: SVG and PDF. PS3.18 8.7.4 names no media type for them ("Other"), these are ours."""

from collections.abc import Iterator

from pacsd.archive.frames import BulkValue
from pacsd.archive.rendition import Instance, Rendition
from pacsd.codec.documents import pdf, svg
from pacsd.codec.documents.fonts import is_printable
from pacsd.codec.documents.sop_classes import WAVEFORMS
from pacsd.codec.documents.waveform_pages import pages
from pacsd.codec.render.parameters import Parameters
from pacsd.faults import Fault, PacsdError

SOP_CLASS_UIDS = frozenset(WAVEFORMS)
MEDIA_TYPES = (svg.MEDIA_TYPE, pdf.MEDIA_TYPE)


def render(instance: Instance, media_type: str, parameters: Parameters) -> Iterator[Rendition]:
    """All multiplex groups, page by page.

    Raises PacsdError MALFORMED, TOO_MUCH, and UNSUPPORTED for a PDF of what its fonts lack.
    """
    drawing = pages(
        instance.attributes(base_url=parameters.base_url),
        _Values(instance),
        sop_class_uid=instance.ref.sop_class_uid,
    )
    if media_type == pdf.MEDIA_TYPE and not all(map(is_printable, drawing.texts())):
        raise PacsdError(Fault.UNSUPPORTED, "the waveform has labels that no standard PDF font can show")
    made = pdf.pdf(drawing) if media_type == pdf.MEDIA_TYPE else svg.svg(drawing)
    yield Rendition(instance.ref, media_type, iter((made,)))


class _Values:
    """Ranges of bulk values, each looked up once."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._found: dict[str, BulkValue] = {}

    def __call__(self, path: str, offset_bytes: int, length_bytes: int) -> bytes:
        if path not in self._found:
            self._found[path] = self._instance.bulk(path)
        return self._found[path].read(offset_bytes, length_bytes)
