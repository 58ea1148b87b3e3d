"""Profiles: what a StructureDefinition asks beyond the definitions of R4 (http://hl7.org/fhir/R4/profiling.html)."""
