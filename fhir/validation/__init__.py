"""Whether resources keep the rules of their definitions (http://hl7.org/fhir/R4/validation.html)."""
