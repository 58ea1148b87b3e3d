"""FHIR resources in PostgreSQL: the one room of FHIR that speaks SQL."""
