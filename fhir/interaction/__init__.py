"""RESTful interactions (http://hl7.org/fhir/R4/http.html), one file for each, without HTTP."""
