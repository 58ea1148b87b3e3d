"""The interactions of this server (http://hl7.org/fhir/R4/http.html#summary)."""

from fhir.interaction.capabilities import capabilities
from fhir.interaction.create import create
from fhir.interaction.declared import Interaction
from fhir.interaction.delete import delete
from fhir.interaction.history import history
from fhir.interaction.read import read
from fhir.interaction.update import update
from fhir.interaction.vread import vread

_ONE = "{type}/{id}"

INTERACTIONS: tuple[Interaction, ...] = (
    Interaction("GET", "metadata", capabilities, "capabilities", "http.html#capabilities", level=""),
    Interaction("GET", _ONE, read, "read", "http.html#read"),
    Interaction("GET", _ONE + "/_history/{version}", vread, "vread", "http.html#vread"),
    Interaction("PUT", _ONE, update, "update", "http.html#update"),
    Interaction("DELETE", _ONE, delete, "delete", "http.html#delete"),
    Interaction("GET", _ONE + "/_history", history, "history-instance", "http.html#history"),
    Interaction("GET", "{type}/_history", history, "history-type", "http.html#history"),
    Interaction("POST", "{type}", create, "create", "http.html#create"),
    Interaction("GET", "_history", history, "history-system", "http.html#history", level="system"),
)
