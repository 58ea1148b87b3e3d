"""Operations (http://hl7.org/fhir/R4/operations.html), one file for each."""
