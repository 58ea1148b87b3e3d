"""What the archive knows, as FHIR resources that come and change by themselves; and what FHIR writes do to it."""
