"""Terminology (http://hl7.org/fhir/R4/terminology-service.html): what codes mean, belong to and become elsewhere."""
