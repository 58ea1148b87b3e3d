"""Endpoint (http://hl7.org/fhir/R4/endpoint.html): where an organisation's studies are retrieved by DICOMweb."""

from fhir.projection.projected import House, Projected, feed

CONNECTION_TYPES = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"


def endpoint(house: House) -> Projected:
    """WADO-RS (PS3.18 10.4): `address` is the base to which `/studies/{uid}` is added."""
    resource = {
        "resourceType": "Endpoint",
        "id": house.id_of("endpoint"),
        "status": "active",
        "connectionType": {"system": CONNECTION_TYPES, "code": "dicom-wado-rs"},
        "name": f"DICOMweb {house.name}",
        "managingOrganization": house.to("Organization", "organization"),
        "payloadType": [{"text": "DICOM"}],
        "payloadMimeType": ["application/dicom", "application/dicom+json"],
        "address": house.dicomweb,
    }
    return Projected(house.organisation, feed("settings", house.code), resource)
