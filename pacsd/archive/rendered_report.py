"""Structured reports rendered: HTML, text, XML, PDF (PS3.18 Table 8.7.4-1, Text)."""

from collections.abc import Callable, Iterator, Mapping

from pacsd.archive.rendition import Instance, Rendition, with_charset
from pacsd.codec.documents import report_html, report_text
from pacsd.codec.documents.identity import identity
from pacsd.codec.documents.json_model import Attributes
from pacsd.codec.documents.report_pdf import printed
from pacsd.codec.documents.sop_classes import STRUCTURED_REPORTS
from pacsd.codec.render.parameters import Parameters

SOP_CLASS_UIDS = STRUCTURED_REPORTS


def render(instance: Instance, media_type: str, parameters: Parameters) -> Iterator[Rendition]:
    """The whole report. Raises PacsdError TOO_MUCH, and UNSUPPORTED for a PDF of what its fonts lack."""
    attributes = instance.attributes(base_url=parameters.base_url)
    made = _FORMS[media_type](attributes, parameters.base_url)
    yield Rendition(instance.ref, with_charset(media_type), iter((made,)))


def _pdf(attributes: Attributes, base_url: str) -> bytes:
    return printed(report_text.lines(attributes), identity=identity(attributes))


_FORMS: Mapping[str, Callable[[Attributes, str], bytes]] = {
    "text/html": lambda attributes, base_url: report_html.html(attributes, base_url=base_url),
    "text/plain": lambda attributes, base_url: report_text.plain(attributes),
    "text/xml": lambda attributes, base_url: report_html.xml(attributes, base_url=base_url),
    "application/pdf": _pdf,
}
MEDIA_TYPES = tuple(_FORMS)
