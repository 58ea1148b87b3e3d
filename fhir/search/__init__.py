"""Search (http://hl7.org/fhir/R4/search.html): what is found of resources, and what clients ask for."""
