"""ImagingStudy (http://hl7.org/fhir/R4/imagingstudy.html): a study as readers of the archive see it.

A study of more than MOST_INSTANCES instances lists its series without their instances and is tagged SUBSETTED: the
counts are right, and instances are found where `endpoint` leads, by DICOMweb. So the resource stays small and quick.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fhir.projection.datatypes import concepts, date_time, display, identifier, text, values
from fhir.projection.device import device_key
from fhir.projection.projected import House, Known, Projected, Resource, feed, without_empty
from fhir.projection.systems import DCM, DICOM_UID, SNOMED, URI
from pacsd.index.sources import SeriesSource, StudySource
from pacsd.index.values import Attributes

MOST_INSTANCES = 500
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_SIDES = {"L": ("7771000", "Left"), "R": ("24028007", "Right"), "B": ("51440002", "Right and left")}


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as the study lists it."""

    sop_instance_uid: str
    sop_class_uid: str
    number: int | None
    title: str = ""


def lists_instances(source: StudySource) -> bool:
    """Whether a study's resource names its instances."""
    return source.instances <= MOST_INSTANCES


def imaging_study(
    house: House, source: StudySource, instances: Mapping[int, Sequence[Instance]], known: Known
) -> Projected:
    """A study; `instances` by the key of their series, without those that `lists_instances` leaves out."""
    attributes, listed = source.attributes, lists_instances(source)
    resource: Resource = {
        "resourceType": "ImagingStudy",
        "id": house.id_of("study", source.study_instance_uid),
        "identifier": _identifiers(house, source),
        "status": "available",
        "modality": [_modality(one) for one in dict.fromkeys(one.modality for one in source.series)],
        "subject": known.patient(house, source.patient, source.study_instance_uid if source.unidentified else ""),
        "started": date_time(attributes, "00080020", "00080030", house.zone),
        "basedOn": [known.order(house, *one) for one in source.ordered],
        "referrer": display(next(iter(values(attributes, "00080090")), "")),
        "interpreter": [one for each in values(attributes, "00081060") if (one := display(each))],
        "endpoint": [house.to("Endpoint", "endpoint")],
        "numberOfSeries": len(source.series),
        "numberOfInstances": source.instances,
        "procedureCode": concepts(house, attributes, "00081032"),
        "reasonCode": [{"text": reason}] if (reason := text(attributes, "00081080")) else [],
        "description": text(attributes, "00081030"),
        "series": [_series(house, one, instances.get(one.pk, ())) for one in source.series],
    }  # fmt: skip
    return Projected(source.organisation, feed("dicom", house.code), without_empty(resource),
                     tags=() if listed else (SUBSETTED,))  # fmt: skip


def uid(value: str) -> Resource:
    """The identifier of what DICOM knows by a UID (http://hl7.org/fhir/R4/imagingstudy.html#notes)."""
    return {"system": DICOM_UID, "value": f"urn:oid:{value}"}


def accession(house: House, number: str, attributes: Attributes) -> Resource:
    """An accession number, of its issuer where the study names one."""
    issuer = text(attributes, "00080051.00400032")
    system = house.systems.of(issuer or text(attributes, "00080051.00400031") or f"{house.code} ACSN")
    return identifier("ACSN", system, number)


def _identifiers(house: House, source: StudySource) -> list[Resource]:
    found = [uid(source.study_instance_uid)]
    number = text(source.attributes, "00080050")
    return [*found, accession(house, number, source.attributes)] if number else found


def _modality(code: str) -> Resource:
    return {"system": DCM, "code": code or "OT"}


def _series(house: House, source: SeriesSource, instances: Sequence[Instance]) -> Resource:
    attributes = source.attributes
    number, side = text(attributes, "00200011"), text(attributes, "00200060")
    part = text(attributes, "00180015")
    return without_empty({
        "uid": source.series_instance_uid,
        "number": int(number) if number.isascii() and number.isdecimal() and len(number) < _MOST_DIGITS else None,
        "modality": _modality(source.modality),
        "description": text(attributes, "0008103E"),
        "numberOfInstances": source.instances,
        "endpoint": [house.to("Endpoint", "endpoint")],
        "bodySite": {"code": part, "display": part} if part else {},
        "laterality": _side(side),
        "started": date_time(attributes, "00080021", "00080031", house.zone)
        or date_time(attributes, "00400244", "00400245", house.zone),
        "performer": _performers(house, attributes),
        "instance": [_instance(one) for one in instances],
    })  # fmt: skip


_MOST_DIGITS = 10                        # of an unsignedInt (http://hl7.org/fhir/R4/datatypes.html#unsignedInt)


def _side(code: str) -> Resource:
    known = _SIDES.get(code)
    return {"system": SNOMED, "code": known[0], "display": known[1]} if known else {}


def _performers(house: House, attributes: Attributes) -> list[Resource]:
    people = [display(one) for tag in ("00081050", "00081070") for one in values(attributes, tag)]
    key = device_key(attributes)
    return [*({"actor": one} for one in people if one), *([{"actor": house.to("Device", "device", *key)}] if key else
            [])]  # fmt: skip


def _instance(one: Instance) -> Resource:
    return without_empty({
        "uid": one.sop_instance_uid, "sopClass": {"system": URI, "code": f"urn:oid:{one.sop_class_uid}"},
        "number": one.number, "title": one.title,
    })  # fmt: skip
