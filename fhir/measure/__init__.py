"""Measures of what the archive does (http://hl7.org/fhir/R4/clinicalreasoning-quality-reporting.html)."""
