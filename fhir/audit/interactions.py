"""The interactions of AuditEvent: it is read, searched for and fed, and never changed (IHE ITI-20, ITI-81)."""

from fhir.audit import feed, search
from fhir.interaction.declared import Interaction
from pacsd.access.operations import Operation

TYPE = "AuditEvent"
_ITI_81, _ITI_20 = "IHE ITI-81", "IHE ITI-20"

INTERACTIONS: tuple[Interaction, ...] = (
    Interaction("GET", "{type}/{id}", search.read, "read", "http.html#read", Operation.READ_AUDIT),
    Interaction("GET", "{type}", search.search, "search-type", _ITI_81, Operation.READ_AUDIT),
    Interaction("POST", "{type}/_search", search.search, "search-type", _ITI_81, Operation.READ_AUDIT),
    Interaction("POST", "{type}", feed.create, "create", _ITI_20, Operation.FEED_AUDIT),
)
