"""FHIR over HTTP: the only room of FHIR that knows Starlette."""
