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
from pacsd.access.operations import Operation as Needs

_ONE = "{type}/{id}"
_BULK = "uv/bulkdata/export.html"
_READ, _WRITE = Needs.READ_RESOURCES, Needs.WRITE_RESOURCES
_IN_COMPARTMENT = _ONE + "/{compartment}"

INTERACTIONS: tuple[Interaction, ...] = (
    Interaction("GET", "metadata", capabilities, "capabilities", "http.html#capabilities", Needs.DESCRIBE, level=""),
    Interaction("GET", _ONE, read, "read", "http.html#read", _READ),
    Interaction("GET", _ONE + "/_history/{version}", vread, "vread", "http.html#vread", _READ),
    Interaction("PUT", _ONE, update, "update", "http.html#update", _WRITE),
    Interaction("PUT", "{type}", update, "update", "http.html#cond-update", _WRITE),
    Interaction("PATCH", _ONE, patch, "patch", "http.html#patch", _WRITE),
    Interaction("PATCH", "{type}", patch, "patch", "http.html#patch", _WRITE),
    Interaction("DELETE", _ONE, delete, "delete", "http.html#delete", _WRITE),
    Interaction("DELETE", "{type}", delete, "delete", "http.html#delete", _WRITE),
    Interaction("GET", _ONE + "/_history", history, "history-instance", "http.html#history", _READ),
    Interaction("GET", "{type}/_history", history, "history-type", "http.html#history", _READ),
    Interaction("POST", "{type}", create, "create", "http.html#create", _WRITE),
    Interaction("POST", "", batch, "transaction", "http.html#transaction", Needs.BATCH, level="system"),
    Interaction("POST", "", batch, "batch", "http.html#transaction", Needs.BATCH, level="system"),
    Interaction("GET", "{type}", search, "search-type", "http.html#search", _READ),
    Interaction("POST", "{type}/_search", search, "search-type", "http.html#search", _READ),
    Interaction("GET", _IN_COMPARTMENT, search, "search-type", "http.html#vsearch", _READ, level=""),
    Interaction("POST", _IN_COMPARTMENT + "/_search", search, "search-type", "http.html#vsearch", _READ, level=""),
    Interaction("GET", "", search, "search-system", "http.html#search", _READ, level="system"),
    Interaction("POST", "_search", search, "search-system", "http.html#search", _READ, level="system"),
    Interaction("GET", "_export/{id}", EXPORTS.status, "bulk-status", _BULK, Needs.EXPORT, level=""),
    Interaction("DELETE", "_export/{id}", EXPORTS.cancel, "bulk-delete", _BULK, Needs.EXPORT, level=""),
    Interaction("GET", "_export/{id}/_file", EXPORTS.file, "bulk-file", _BULK, Needs.EXPORT, level=""),
    Interaction("GET", "_import/{id}", IMPORTS.status, "bulk-status", _BULK, Needs.IMPORT, level=""),
    Interaction("DELETE", "_import/{id}", IMPORTS.cancel, "bulk-delete", _BULK, Needs.IMPORT, level=""),
    Interaction("GET", "_import/{id}/_file", IMPORTS.file, "bulk-file", _BULK, Needs.IMPORT, level=""),
    Interaction("GET", "_history", history, "history-system", "http.html#history", _READ, level="system"),
)
