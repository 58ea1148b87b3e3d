"""The interactions of AuditEvent: it is read, searched for and fed, and never changed (IHE ITI-20, ITI-81)."""

from fhir.audit import feed, search
from fhir.interaction.declared import Interaction
from pacsd.access.operations import Operation

TYPE = "AuditEvent"

INTERACTIONS: tuple[Interaction, ...] = (
    Interaction("GET", "{type}/{id}", search.read, "read", Operation.READ_AUDIT),
    Interaction("GET", "{type}", search.search, "search-type", Operation.READ_AUDIT),
    Interaction("POST", "{type}/_search", search.search, "search-type", Operation.READ_AUDIT),
    Interaction("POST", "{type}", feed.create, "create", Operation.FEED_AUDIT),
)
