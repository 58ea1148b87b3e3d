"""A black-box suite for any FHIR R4 server: what is expected is taken from FHIR 4.0.1 and IHE PIXm/PDQm alone."""
