"""Encapsulated documents rendered: the document itself, and CDA also as HTML, text and PDF (PS3.18 Table 8.7.4-1)."""

from collections.abc import Callable, Iterator, Mapping

from pacsd.archive.frames import CHUNK_BYTES, BulkValue
from pacsd.archive.rendition import Instance, Rendition, with_charset
from pacsd.codec.documents import clinical_document
from pacsd.codec.documents.clinical_document import MAX_DOCUMENT_BYTES
from pacsd.codec.documents.encapsulated import DOCUMENT, document_bytes, inline, media_type
from pacsd.codec.documents.identity import identity
from pacsd.codec.documents.json_model import Attributes
from pacsd.codec.documents.report_pdf import printed
from pacsd.codec.documents.sop_classes import CDA, ENCAPSULATED
from pacsd.codec.render.parameters import Parameters
from pacsd.faults import Fault, PacsdError


def render(instance: Instance, wanted: str, parameters: Parameters) -> Iterator[Rendition]:
    """The document byte for byte where its own type is wanted, else what is made of a CDA document.

    Raises PacsdError MALFORMED for one that is none, NOT_FOUND for an instance without its document.
    """
    attributes = instance.attributes(base_url=parameters.base_url)
    size, chunks = _document(instance, attributes)
    if wanted != media_type(instance.ref.sop_class_uid):
        if size > MAX_DOCUMENT_BYTES:
            raise PacsdError(Fault.TOO_MUCH, f"a CDA document of more than {MAX_DOCUMENT_BYTES} bytes")
        chunks = iter((_FORMS[wanted](b"".join(chunks), attributes),))
    yield Rendition(instance.ref, with_charset(wanted), chunks)


def _document(instance: Instance, attributes: Attributes) -> tuple[int, Iterator[bytes]]:
    """The document's size and bytes, read as they are taken."""
    value = inline(attributes)
    if value is not None:
        size = document_bytes(attributes, len(value), lambda: value[-1:])
        return size, iter((value[:size],))
    bulk = instance.bulk(DOCUMENT)
    size = document_bytes(attributes, bulk.size_bytes, lambda: bulk.read(bulk.size_bytes - 1, 1))
    return size, _read(bulk, size)


def _read(bulk: BulkValue, size_bytes: int) -> Iterator[bytes]:
    for at in range(0, size_bytes, CHUNK_BYTES):
        wanted = min(CHUNK_BYTES, size_bytes - at)
        chunk = bulk.read(at, wanted)
        if len(chunk) < wanted:
            raise PacsdError(Fault.UNAVAILABLE, "a stored document is shorter than its data set says")
        yield chunk


_FORMS: Mapping[str, Callable[[bytes, Attributes], bytes]] = {
    "text/html": lambda document, attributes: clinical_document.html(document),
    "text/plain": lambda document, attributes: clinical_document.plain(document),
    "application/pdf": lambda document, attributes: printed(
        clinical_document.paragraphs(document), identity=identity(attributes)
    ),
}
# A CDA document is shown as HTML by default (PS3.18 Table 8.7.4-1); its own bytes are text/xml.
MEDIA_TYPES: Mapping[str, tuple[str, ...]] = {
    uid: ("text/html", "text/plain", kind, "application/pdf") if uid == CDA else (kind,)
    for uid, kind in ENCAPSULATED.items()
}
