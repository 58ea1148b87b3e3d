"""All checks, by subject, in the order they are run and reported."""

from conformance.security.access import FHIR, WEB
from conformance.security.atna import FEED, QUERY
from conformance.security.bearer import USE_TOKEN
from conformance.security.forged import FORGED
from conformance.security.framing import FRAMING
from conformance.security.headers import HEADERS
from conformance.security.iua import GET_TOKEN, INTROSPECT, METADATA
from conformance.security.launch import LAUNCH
from conformance.security.scopes import SCOPES
from conformance.security.smart import SMART
from conformance.security.tls import NODE

PAGES = (SMART, LAUNCH, SCOPES, GET_TOKEN, USE_TOKEN, INTROSPECT, METADATA, FORGED, NODE, FEED, QUERY, FHIR, WEB,
         HEADERS, FRAMING)  # fmt: skip
CHECKS = [check for page in PAGES for check in page.checks]
