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
    Interaction("GET", "metadata", capabilities, "capabilities", Needs.DESCRIBE, level=""),
    Interaction("GET", _ONE, read, "read", _READ),
    Interaction("GET", _ONE + "/_history/{version}", vread, "vread", _READ),
    Interaction("PUT", _ONE, update, "update", _WRITE),
    Interaction("PUT", "{type}", update, "update", _WRITE),
    Interaction("PATCH", _ONE, patch, "patch", _WRITE),
    Interaction("PATCH", "{type}", patch, "patch", _WRITE),
    Interaction("DELETE", _ONE, delete, "delete", _WRITE),
    Interaction("DELETE", "{type}", delete, "delete", _WRITE),
    Interaction("GET", _ONE + "/_history", history, "history-instance", _READ),
    Interaction("GET", "{type}/_history", history, "history-type", _READ),
    Interaction("POST", "{type}", create, "create", _WRITE),
    Interaction("POST", "", batch, "transaction", Needs.BATCH, level="system"),
    Interaction("POST", "", batch, "batch", Needs.BATCH, level="system"),
    Interaction("GET", "{type}", search, "search-type", _READ),
    Interaction("POST", "{type}/_search", search, "search-type", _READ),
    Interaction("GET", _IN_COMPARTMENT, search, "search-type", _READ, level=""),
    Interaction("POST", _IN_COMPARTMENT + "/_search", search, "search-type", _READ, level=""),
    Interaction("GET", "", search, "search-system", _READ, level="system"),
    Interaction("POST", "_search", search, "search-system", _READ, level="system"),
    Interaction("GET", "_export/{id}", EXPORTS.status, "bulk-status", Needs.EXPORT, level=""),
    Interaction("DELETE", "_export/{id}", EXPORTS.cancel, "bulk-delete", Needs.EXPORT, level=""),
    Interaction("GET", "_export/{id}/_file", EXPORTS.file, "bulk-file", Needs.EXPORT, level=""),
    Interaction("GET", "_import/{id}", IMPORTS.status, "bulk-status", Needs.IMPORT, level=""),
    Interaction("DELETE", "_import/{id}", IMPORTS.cancel, "bulk-delete", Needs.IMPORT, level=""),
    Interaction("GET", "_import/{id}/_file", IMPORTS.file, "bulk-file", Needs.IMPORT, level=""),
    Interaction("GET", "_history", history, "history-system", _READ, level="system"),
)
