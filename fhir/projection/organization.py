"""Organization (http://hl7.org/fhir/R4/organization.html): the owners of studies, as the settings name them."""

from fhir.projection.projected import House, Projected, feed


def organization(house: House) -> Projected:
    """One of them."""
    resource = {
        "resourceType": "Organization",
        "id": house.id_of("organization"),
        "identifier": [{"system": "urn:pacsd:organisation", "value": house.code}],
        "active": True,
        "name": house.name,
        "endpoint": [house.to("Endpoint", "endpoint")],
    }
    return Projected(house.organisation, feed("settings", house.code), resource)
