"""Bulk data: everything at once, in files (http://hl7.org/fhir/uv/bulkdata)."""
