"""All checks, by the pages of the standard they are of."""

from conformance.fhir.bundles import BATCH, TRANSACTION
from conformance.fhir.capabilities import CAPABILITIES
from conformance.fhir.conditional import CONDITIONAL, PATCH
from conformance.fhir.formats import FORMATS
from conformance.fhir.hostile import HOSTILE
from conformance.fhir.identity import PDQM, PIXM
from conformance.fhir.matching import MATCHING
from conformance.fhir.operations import OPERATIONS
from conformance.fhir.reading import HISTORY, READ, VREAD
from conformance.fhir.searching import SEARCH
from conformance.fhir.writing import CREATE, DELETE, UPDATE

PAGES = (
    CAPABILITIES, READ, VREAD, CREATE, UPDATE, PATCH, DELETE, CONDITIONAL, HISTORY, BATCH, TRANSACTION, FORMATS,
    SEARCH, MATCHING, OPERATIONS, PIXM, PDQM, HOSTILE,
)  # fmt: skip
CHECKS = [check for page in PAGES for check in page.checks]
