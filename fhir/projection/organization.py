"""Organization (http://hl7.org/fhir/R4/organization.html): the owners of studies, as the directory knows them."""

from fhir.projection import extensions
from fhir.projection.projected import House, Projected, feed

CODES = "urn:pacsd:organisation"


def organization(house: House, *, active: bool = True) -> Projected:
    """One of them."""
    resource = {
        "resourceType": "Organization",
        "id": house.id_of("organization"),
        "extension": extensions.written(extensions.ORGANIZATION, {"assigning_authority": house.authority}),
        "identifier": [{"system": CODES, "value": house.code}],
        "active": active,
        "name": house.name,
        "endpoint": [house.to("Endpoint", "endpoint")],
    }
    return Projected(house.organisation, feed("settings", house.code), resource)
