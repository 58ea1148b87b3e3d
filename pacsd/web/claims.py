"""What this edge says of itself, from its table of routes; statements and the README are rendered from it."""

from collections.abc import Mapping

from pacsd.web import frames
from pacsd.web.addresses import DICOM_WEB
from pacsd.web.app import OPERATIONS, TRANSACTIONS, Transaction
from pacsd.web.capabilities import offers_of
from pacsd.web.search_parameters import OPTIONS


def claims() -> Mapping[str, object]:
    """Transactions with their media types, parameters of searches, and paths beside DICOMweb."""
    return {
        "base": DICOM_WEB,
        "transactions": [_transaction(one) for one in TRANSACTIONS],
        "compressed_media_types": sorted(set(frames.MEDIA_TYPES.values())),
        "search_parameters": sorted(OPTIONS),
        "operations": [{"method": one.method, "path": one.path, "name": one.name} for one in OPERATIONS],
    }


def _transaction(one: Transaction) -> Mapping[str, object]:
    return {
        "method": one.method,
        "path": one.path,
        "name": one.name,
        "clause": one.clause,
        "media_types": [str(offer) for offer in offers_of(one)],
    }
