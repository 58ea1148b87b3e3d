"""Expressions of FHIR 4.0.1 that do not say what they mean, with what HL7 made of them in later releases."""

from collections.abc import Mapping

_LATER = ("Citation", "Evidence", "EvidenceReport", "EvidenceVariable", "MedicinalProductDefinition",
          "PackagedProductDefinition", "AdministrableProductDefinition", "Ingredient", "ClinicalUseDefinition",
          "RegulatedAuthorization", "SubstanceDefinition", "SubscriptionStatus", "SubscriptionTopic")
_R4B_ONLY = (f"({' or '.join(f'$this is {one}' for one in _LATER)}) implies "
             f"({' or '.join(f'%resource is {one}' for one in _LATER)})")

ERRATA: Mapping[str, str] = {
    # que-7: the answer is an element of type FHIR.boolean, never a System.Boolean
    "operator = 'exists' implies (answer is Boolean)": "operator = 'exists' implies (answer is boolean)",
    # ref-1: a reference by identifier or display alone has no text; # alone is the container
    ("reference.startsWith('#').not() or "
     "(reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))"):
        "reference.exists() implies (reference.startsWith('#').not() or (reference.substring(1) in "
        "%rootResource.contained.id) or (reference = '#' and %rootResource != %resource))",
    # names of canonical resources need not be there, and are to be usable by machines as a whole
    "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')":
        "name.exists() implies name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')",
    # of types that came with R4B: no element of R4 is one of them
    _R4B_ONLY: "true",
    # the composite parameters code-value-date of Observation: FHIR names the type dateTime
    "value.ofType(DateTime) | value.ofType(Period)": "value.ofType(dateTime) | value.ofType(Period)",
}

COMPONENTS: Mapping[str, tuple[str, ...]] = {
    # each component has the other's expression
    "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship": ("target", "code"),
}
