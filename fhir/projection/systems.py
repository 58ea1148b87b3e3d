"""Systems of identifiers and codes (http://hl7.org/fhir/R4/terminologies-systems.html), and what they are here.

An assigning authority has the OID that is configured for it, or is one itself; what has none gets a URN of ours, made
of its name, so that the same number of two authorities stays two numbers.
"""

from collections.abc import Mapping
from urllib.parse import quote, unquote

DICOM_UID = "urn:dicom:uid"
URI = "urn:ietf:rfc:3986"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
LOINC = "http://loinc.org"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
INTERPRETATIONS = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

# Coding Scheme Designators (PS3.16 Table 8-1) and names of HL7 table 0396
SCHEMES: Mapping[str, str] = {
    "DCM": DCM, "LN": LOINC, "SCT": SNOMED, "UCUM": UCUM, "SRT": "http://snomed.info/srt", "I10": ICD10, "ICD10": ICD10,
    "I9C": "http://hl7.org/fhir/sid/icd-9-cm", "RADLEX": "http://radlex.org", "C4": "http://www.ama-assn.org/go/cpt",
    "CVX": "http://hl7.org/fhir/sid/cvx", "FMA": "http://sig.biostr.washington.edu/projects/fm/FMA",
}  # fmt: skip

# cards (config.hl7_mapping.CARDS): type (HL7 table 0203), the usual system, as WS/T 500 templates have them
CARDS: Mapping[str, tuple[str, str]] = {
    "id_card": ("NI", "urn:oid:2.16.156.10011.1.3"),
    "health_card": ("HC", "urn:oid:2.16.156.10011.1.19"),
    "social_security_card": ("SS", "urn:pacsd:card:social-security"),
}  # fmt: skip
_AUTHORITY = "urn:pacsd:authority:"
_SHORT = 16                              # characters of VR SH


class Systems:
    """Names of assigning authorities as URIs and back. `universal_ids`: OIDs of authorities by their names here."""

    def __init__(self, universal_ids: Mapping[str, str]) -> None:
        self._uris = {name: f"urn:oid:{oid}" for name, oid in universal_ids.items()}
        self._names = {uri: name for name, uri in self._uris.items()}

    def of(self, authority: str) -> str:
        """The system of an authority's identifiers."""
        if authority in self._uris:
            return self._uris[authority]
        if ":" in authority:             # a URI already, as which a client's system came
            return authority
        return f"urn:oid:{authority}" if is_oid(authority) else _AUTHORITY + quote(authority, safe="")

    def authority(self, system: str) -> str | None:
        """The authority whose identifiers have that system; None where that is none of an authority."""
        if system in self._names:
            return self._names[system]
        if system.startswith(_AUTHORITY):
            return unquote(system[len(_AUTHORITY) :]) or None
        oid = system.removeprefix("urn:oid:")
        return oid if oid != system and is_oid(oid) and card_of(system) is None else None


def card_of(system: str) -> str | None:
    """The card whose numbers have that system."""
    return next((kind for kind, (_, usual) in CARDS.items() if usual == system), None)


def scheme(designator: str, code: str) -> str:
    """The system of a coding scheme as an organisation (its code) names it; one of its own where it is not known."""
    known = SCHEMES.get(designator.upper())
    if known:
        return known
    return f"urn:oid:{designator}" if is_oid(designator) else local(code, "codes", designator or "L")


def designator_of(system: str) -> str:
    """The Coding Scheme Designator of a system, as far as 16 characters can name it."""
    for designator, known in SCHEMES.items():
        if known == system:
            return designator
    last = unquote(system.rpartition(":")[2])
    return last if system.startswith("urn:pacsd:") and 0 < len(last) <= _SHORT else "L"


def local(code: str, kind: str, *more: str) -> str:
    """The system of something that an organisation (its code) numbers itself."""
    return ":".join(("urn:pacsd", kind, *(quote(one, safe="") for one in (code, *more))))


def is_oid(text: str) -> bool:
    """Whether this may be an OID."""
    return "." in text and all(part.isdigit() and part.isascii() for part in text.split("."))
