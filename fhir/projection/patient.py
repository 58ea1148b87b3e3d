"""Patient (http://hl7.org/fhir/R4/patient.html): what feeds state of a patient, else what its newest study says.

One resource for each organisation that has anything of the patient. Who is merged into another is not active and says
by whom it was replaced (IHE ITI-104 3.104.4.1.3.1); who is the same person in another domain is seen also there, as far
as it is the same organisation's: across organisations $ihe-pix tells, to whom it may.
"""

from fhir.projection.datatypes import date, gender, human_names, identifier, plain, text
from fhir.projection.projected import House, Known, Projected, Resource, about_patient, feed, without_empty
from fhir.projection.systems import CARDS
from pacsd.index.sources import PatientSource, StudySource
from pacsd.index.values import Attributes

_PARTS = ("line", "", "city", "state", "postalCode", "country")         # components of XAD


def patient(house: House, source: PatientSource, known: Known) -> Projected:
    """A patient who has an id."""
    authority, number = source.patient
    stated = source.stated_at is not None or bool(source.details)
    resource = {
        "resourceType": "Patient",
        "id": house.id_of("patient", authority, number),
        "identifier": [
            identifier("MR", house.systems.of(authority), number, use="usual"),
            *(identifier(kind, system, source.details[card]) for card, (kind, system) in CARDS.items()
              if source.details.get(card)),
        ],
        "active": source.into is None,
        **_demographics(source.attributes, source.details),
        "managingOrganization": house.to("Organization", "organization"),
        "link": _links(house, source, known),
    }  # fmt: skip
    return Projected(source.organisation, feed("patients" if stated else "dicom", house.code, authority if stated else
                     ""), without_empty(resource), subject=about_patient(source.patient))  # fmt: skip


def unidentified(house: House, source: StudySource) -> Projected:
    """The patient of a study that names no patient id."""
    resource = {
        "resourceType": "Patient", "id": house.id_of("unidentified", source.study_instance_uid), "active": True,
        **_demographics(source.attributes, {}), "managingOrganization": house.to("Organization", "organization"),
    }  # fmt: skip
    return Projected(source.organisation, feed("dicom", house.code), without_empty(resource))


def _demographics(attributes: Attributes, details: dict[str, str]) -> Resource:
    """Elements that DICOM attributes and further statements of a feed become; `fhir.projection.stated` reads back."""
    return {
        "name": human_names(attributes.get("00100010")),
        "telecom": [{"system": "phone", "value": plain(details["phone"])}] if plain(details.get("phone", "")) else [],
        "gender": gender(text(attributes, "00100040")),
        "birthDate": date(attributes, "00100030"),
        "address": _addresses(details.get("address", "")),
        "multipleBirthBoolean": {"Y": True, "N": False}.get(details.get("multiple_birth", "")),
    }


def _addresses(written: str) -> list[Resource]:
    parts = [plain(one) for one in written.split("^")]
    if not any(parts):
        return []
    named = {name: part for name, part in zip(_PARTS, parts, strict=False) if name and part}
    lines = [one for one in parts[:2] if one]
    together = " ".join(one for one in parts[:6] if one)
    return [without_empty({"text": together, **named, "line": lines})]


def _links(house: House, source: PatientSource, known: Known) -> list[Resource]:
    if source.into is not None:
        return [{"other": known.patient(house, source.into), "type": "replaced-by"}]
    return [{"other": known.patient(house, one), "type": "seealso"} for one in source.same]
