"""AEs: who calls is a Device (http://hl7.org/fhir/R4/device.html), where it is reached an Endpoint (…/endpoint.html).

Both have the AE title as identifier, of a system that tells whose it is; what R4 has no element for stands in
extensions (fhir.projection.extensions). An Endpoint's address is `dicom://HOST:PORT`, inside TLS `dicom-tls://HOST:PORT`
(PS3.15 B.12; the names that IANA has for the services of PS3.8 9.1.1, ports 11112 and 2762).
"""

from dataclasses import asdict
from urllib.parse import unquote

from config.interfaces import SERVICES, RemoteAESettings
from fhir.projection import extensions
from fhir.projection.projected import House, Projected, Resource, feed, without_empty
from fhir.projection.systems import local
from pacsd.access.register import Caller

AE_TITLES = "urn:pacsd:ae:"              # and the code of the organisation
DIMSE = {"system": "urn:pacsd:connection-type", "code": "dicom-dimse", "display": "DICOM DIMSE"}
SCHEMES = {"dicom": False, "dicom-tls": True}           # of an address: whether it is inside TLS


def code_of(system: str) -> str:
    """The organisation whose AE titles have that system; empty for another system."""
    return unquote(system.removeprefix(AE_TITLES)) if system.startswith(AE_TITLES) else ""


def own_title(house: House, title: str) -> Projected:
    """An AE title that this server answers to."""
    return _device(house, title, [])


def caller(house: House, one: Caller) -> Projected:
    """Who may open associations."""
    said = asdict(one)
    if set(one.services) == set(SERVICES):   # what is allowed where nothing is said
        said["services"] = ()
    return _device(house, one.title, extensions.written(extensions.DEVICE, said))


def remote(house: House, one: RemoteAESettings) -> Projected:
    """Where an AE is reached."""
    host = f"[{one.host}]" if ":" in one.host else one.host
    scheme = next(name for name, is_secure in SCHEMES.items() if is_secure == one.tls)
    resource = {
        "resourceType": "Endpoint",
        "id": house.id_of("ae-endpoint", one.title),
        "extension": extensions.written(extensions.ENDPOINT, {
            "availability": one.availability or None,
            "commitment_on_same_association": None if one.commitment_on_same_association else False,
            "certificate": one.certificate,
        }),
        "identifier": [{"system": local(house.code, "ae"), "value": one.title}],
        "status": "active",
        "connectionType": DIMSE,
        "name": one.title,
        "managingOrganization": house.to("Organization", "organization"),
        "payloadType": [{"text": "DICOM"}],
        "payloadMimeType": ["application/dicom"],
        "address": f"{scheme}://{host}:{one.port}",
    }  # fmt: skip
    return Projected(house.organisation, feed("settings", house.code), without_empty(resource))


def _device(house: House, title: str, told: list[Resource]) -> Projected:
    resource = {
        "resourceType": "Device",
        "id": house.id_of("ae", title),
        "extension": told,
        "identifier": [{"system": local(house.code, "ae"), "value": title}],
        "status": "active",
        "deviceName": [{"name": title, "type": "user-friendly-name"}],
        "owner": house.to("Organization", "organization"),
    }
    return Projected(house.organisation, feed("settings", house.code), without_empty(resource))
