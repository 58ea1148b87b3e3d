"""All transactions with their checks, in the order they are run and reported."""

from conformance.dicomweb import rendering, search_keys, store_metadata, transfer_syntax
from conformance.dicomweb.bulkdata import BULKDATA
from conformance.dicomweb.capabilities import CAPABILITIES
from conformance.dicomweb.frames import FRAMES
from conformance.dicomweb.hostile import HOSTILE
from conformance.dicomweb.http_semantics import HTTP
from conformance.dicomweb.metadata import METADATA
from conformance.dicomweb.non_patient import NON_PATIENT
from conformance.dicomweb.notifications import SUBSCRIPTION
from conformance.dicomweb.rejection import REJECTION
from conformance.dicomweb.rendered import RENDERED
from conformance.dicomweb.retrieve import RETRIEVE
from conformance.dicomweb.search import SEARCH
from conformance.dicomweb.store import STORE
from conformance.dicomweb.suite import Check, Transaction
from conformance.dicomweb.thumbnail import THUMBNAIL
from conformance.dicomweb.uri_service import URI
from conformance.dicomweb.worklist import WORKLIST

# modules that add to a transaction declared elsewhere
ADDED = (rendering, search_keys, store_metadata, transfer_syntax)

TRANSACTIONS: tuple[Transaction, ...] = (
    STORE, RETRIEVE, METADATA, FRAMES, BULKDATA, RENDERED, THUMBNAIL, SEARCH, WORKLIST, SUBSCRIPTION,
    NON_PATIENT, REJECTION, URI, CAPABILITIES, HTTP, HOSTILE,
)  # fmt: skip

CHECKS: tuple[Check, ...] = tuple(check for transaction in TRANSACTIONS for check in transaction.checks)
