"""What this edge says of itself, from its table of routes; statements and the README are rendered from it."""

from collections.abc import Mapping, Sequence

from pacsd.archive.rendered import CATEGORIES, IMAGE
from pacsd.web import bulkdata, frames, metadata, rendered, retrieve, search, store, store_response, thumbnail, wado_uri
from pacsd.web.addresses import DICOM_WEB
from pacsd.web.app import OPERATIONS, TRANSACTIONS, Transaction
from pacsd.web.media_types import DICOM, OCTET_STREAM, Representation
from pacsd.web.search_parameters import NOT_SUPPORTED, OPTIONS
from pacsd.web.worklist import payload as workitem
from pacsd.web.worklist import retrieve as retrieve_workitem
from pacsd.web.worklist import search as search_worklist

_FILES = (Representation(DICOM, multipart=True),)
_STORED_FORM = Representation(OCTET_STREAM, multipart=True), Representation(OCTET_STREAM)

MEDIA_TYPES_RENDERED = tuple(dict.fromkeys(one for category in (IMAGE, *CATEGORIES) for one in category.media_types))

# by module of the handler; frames and bulk data have, besides octets, the media type of their compression
MEDIA_TYPES: Mapping[str, Sequence[Representation]] = {
    search.__name__: search.OFFERS,
    metadata.__name__: metadata.OFFERS,
    retrieve.__name__: _FILES,
    frames.__name__: _STORED_FORM,
    bulkdata.__name__: _STORED_FORM,
    store.__name__: store_response.OFFERS,
    rendered.__name__: rendered.representations(MEDIA_TYPES_RENDERED, single=True),
    wado_uri.__name__: (Representation(DICOM), *map(Representation, MEDIA_TYPES_RENDERED)),
    thumbnail.__name__: rendered.representations(thumbnail.MEDIA_TYPES, single=True)[: len(thumbnail.MEDIA_TYPES)],
    retrieve_workitem.__name__: workitem.OFFERS,
    search_worklist.__name__: search_worklist.OFFERS,
}


def claims() -> Mapping[str, object]:
    """Transactions with their media types, parameters of searches, and paths beside DICOMweb."""
    return {
        "base": DICOM_WEB,
        "transactions": [_transaction(one) for one in TRANSACTIONS],
        "compressed_media_types": sorted(set(frames.MEDIA_TYPES.values())),
        "search_parameters": sorted(OPTIONS),
        "search_parameters_not_supported": sorted(NOT_SUPPORTED),
        "operations": [{"method": one.method, "path": one.path, "name": one.name} for one in OPERATIONS],
    }


def _transaction(one: Transaction) -> Mapping[str, object]:
    offers = MEDIA_TYPES.get(one.handler.__module__, ())         # some answer without a body
    if one.handler in (rendered.study, rendered.series):
        offers = [offer for offer in offers if offer.multipart]
    if one.handler is retrieve.instance:
        offers = (*offers, Representation(DICOM))
    return {
        "method": one.method,
        "path": one.path,
        "name": one.name,
        "clause": one.clause,
        "media_types": [str(offer) for offer in offers],
    }
