"""Device (http://hl7.org/fhir/R4/device.html): equipment that studies name."""

from collections.abc import Iterator

from fhir.projection.datatypes import text
from fhir.projection.projected import House, Projected, feed, without_empty
from fhir.projection.systems import DCM
from pacsd.index.sources import SeriesSource, StudySource
from pacsd.index.values import Attributes

_NAMED_BY = ("00080070", "00081090", "00081010")         # Manufacturer, its model name, Station Name


def device_key(attributes: Attributes) -> tuple[str, ...]:
    """What tells the equipment of a series from other; empty where the series says nothing of it."""
    found = tuple(text(attributes, tag) for tag in _NAMED_BY)
    return found if any(found) else ()


def devices(house: House, source: StudySource) -> Iterator[Projected]:
    """The equipment of a study's series, each once."""
    by_key = {key: one for one in reversed(source.series) if (key := device_key(one.attributes))}
    for key, one in by_key.items():
        yield _equipment(house, key, one)


def _equipment(house: House, key: tuple[str, ...], series: SeriesSource) -> Projected:
    manufacturer, model, station = key
    names = [("model-name", model), ("user-friendly-name", station)]
    resource = {
        "resourceType": "Device",
        "id": house.id_of("device", *key),
        "status": "active",
        "manufacturer": manufacturer,
        "deviceName": [{"name": name, "type": kind} for kind, name in names if name],
        "modelNumber": model,
        "type": {"coding": [{"system": DCM, "code": series.modality}]} if series.modality else {},
        "owner": house.to("Organization", "organization"),
    }
    return Projected(house.organisation, feed("dicom", house.code), without_empty(resource))
