"""What was recorded of accesses as FHIR AuditEvent: searched (ITI-81), fed (ITI-20), recorded of FHIR itself."""
