"""The interactions of this server (http://hl7.org/fhir/R4/http.html#summary)."""

from fhir.interaction.batch import batch
from fhir.interaction.capabilities import capabilities
from fhir.interaction.create import create
from fhir.interaction.declared import Interaction
from fhir.interaction.delete import delete
from fhir.interaction.history import history
from fhir.interaction.patch import patch
from fhir.interaction.read import read
from fhir.interaction.search import search
from fhir.interaction.update import update
from fhir.interaction.vread import vread
from fhir.operation.bulk_import import IMPORTS
from fhir.operation.export import EXPORTS

_ONE = "{type}/{id}"
_IN_COMPARTMENT = _ONE + "/{compartment}"

INTERACTIONS: tuple[Interaction, ...] = (
    Interaction("GET", "metadata", capabilities, "capabilities", level=""),
    Interaction("GET", _ONE, read, "read"),
    Interaction("GET", _ONE + "/_history/{version}", vread, "vread"),
    Interaction("PUT", _ONE, update, "update"),
    Interaction("PUT", "{type}", update, "update"),
    Interaction("PATCH", _ONE, patch, "patch"),
    Interaction("PATCH", "{type}", patch, "patch"),
    Interaction("DELETE", _ONE, delete, "delete"),
    Interaction("DELETE", "{type}", delete, "delete"),
    Interaction("GET", _ONE + "/_history", history, "history-instance"),
    Interaction("GET", "{type}/_history", history, "history-type"),
    Interaction("POST", "{type}", create, "create"),
    Interaction("POST", "", batch, "transaction", level="system"),
    Interaction("POST", "", batch, "batch", level="system"),
    Interaction("GET", "{type}", search, "search-type"),
    Interaction("POST", "{type}/_search", search, "search-type"),
    Interaction("GET", _IN_COMPARTMENT, search, "search-type", level=""),
    Interaction("POST", _IN_COMPARTMENT + "/_search", search, "search-type", level=""),
    Interaction("GET", "", search, "search-system", level="system"),
    Interaction("POST", "_search", search, "search-system", level="system"),
    Interaction("GET", "_export/{id}", EXPORTS.status, "bulk-status", level=""),
    Interaction("DELETE", "_export/{id}", EXPORTS.cancel, "bulk-delete", level=""),
    Interaction("GET", "_export/{id}/_file", EXPORTS.file, "bulk-file", level=""),
    Interaction("GET", "_import/{id}", IMPORTS.status, "bulk-status", level=""),
    Interaction("DELETE", "_import/{id}", IMPORTS.cancel, "bulk-delete", level=""),
    Interaction("GET", "_import/{id}/_file", IMPORTS.file, "bulk-file", level=""),
    Interaction("GET", "_history", history, "history-system", level="system"),
)
