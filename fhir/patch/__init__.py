"""PATCH (http://hl7.org/fhir/R4/http.html#patch): JSON Patch, FHIRPath Patch, XML Patch, as functions on resources."""
