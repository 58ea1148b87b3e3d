"""What FHIR clients write, done to the archive: orders, reports, and what an owner states of patients."""
