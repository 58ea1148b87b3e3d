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
    Interaction("GET", "metadata", capabilities, "capabilities", "http.html#capabilities", level=""),
    Interaction("GET", _ONE, read, "read", "http.html#read"),
    Interaction("GET", _ONE + "/_history/{version}", vread, "vread", "http.html#vread"),
    Interaction("PUT", _ONE, update, "update", "http.html#update"),
    Interaction("PUT", "{type}", update, "update", "http.html#cond-update"),
    Interaction("PATCH", _ONE, patch, "patch", "http.html#patch"),
    Interaction("PATCH", "{type}", patch, "patch", "http.html#patch"),
    Interaction("DELETE", _ONE, delete, "delete", "http.html#delete"),
    Interaction("DELETE", "{type}", delete, "delete", "http.html#delete"),
    Interaction("GET", _ONE + "/_history", history, "history-instance", "http.html#history"),
    Interaction("GET", "{type}/_history", history, "history-type", "http.html#history"),
    Interaction("POST", "{type}", create, "create", "http.html#create"),
    Interaction("POST", "", batch, "transaction", "http.html#transaction", level="system"),
    Interaction("POST", "", batch, "batch", "http.html#transaction", level="system"),
    Interaction("GET", "{type}", search, "search-type", "http.html#search"),
    Interaction("POST", "{type}/_search", search, "search-type", "http.html#search"),
    Interaction("GET", _IN_COMPARTMENT, search, "search-type", "http.html#vsearch", level=""),
    Interaction("POST", _IN_COMPARTMENT + "/_search", search, "search-type", "http.html#vsearch", level=""),
    Interaction("GET", "", search, "search-system", "http.html#search", level="system"),
    Interaction("POST", "_search", search, "search-system", "http.html#search", level="system"),
    Interaction("GET", "_export/{id}", EXPORTS.status, "bulk-status", "uv/bulkdata/export.html", level=""),
    Interaction("DELETE", "_export/{id}", EXPORTS.cancel, "bulk-delete", "uv/bulkdata/export.html", level=""),
    Interaction("GET", "_export/{id}/_file", EXPORTS.file, "bulk-file", "uv/bulkdata/export.html", level=""),
    Interaction("GET", "_import/{id}", IMPORTS.status, "bulk-status", "uv/bulkdata/export.html", level=""),
    Interaction("DELETE", "_import/{id}", IMPORTS.cancel, "bulk-delete", "uv/bulkdata/export.html", level=""),
    Interaction("GET", "_import/{id}/_file", IMPORTS.file, "bulk-file", "uv/bulkdata/export.html", level=""),
    Interaction("GET", "_history", history, "history-system", "http.html#history", level="system"),
)
