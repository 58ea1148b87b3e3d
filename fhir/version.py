"""Which FHIR this server speaks."""

FHIR_VERSION = "4.0.1"
"""The version of R4, as in CapabilityStatement.fhirVersion (FHIR R4 http://hl7.org/fhir/R4/versions.html)."""
