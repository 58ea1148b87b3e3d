"""DocumentReference (http://hl7.org/fhir/R4/documentreference.html): documents of reports, and those in studies.

A report's document up to MOST_BYTES is here as a Binary, which DocumentReference and report point to; a larger one is
named with its size, and had through the study it becomes an object of. A document in a study is had by DICOMweb.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from fhir.format.instants import instant
from fhir.projection.datatypes import plain
from fhir.projection.projected import House, Known, Projected, Resource, feed, without_empty
from fhir.projection.report_source import ReportSource, subject
from fhir.projection.systems import LOINC
from pacsd.index.sources import StudySource
from pacsd.reports.report import Document, Status

MOST_BYTES = 2 << 20
ENCAPSULATED = {                         # SOP classes (PS3.4 B.5), and as what WADO-RS renders them
    "1.2.840.10008.5.1.4.1.1.104.1": ("application/pdf", "/rendered"),
    "1.2.840.10008.5.1.4.1.1.104.2": ("application/dicom", ""),
}
_TYPE = {"coding": [{"system": LOINC, "code": "18748-4", "display": "Diagnostic imaging study"}]}
_DOCUMENT_STATUSES = {Status.PRELIMINARY: "preliminary", Status.FINAL: "final", Status.CORRECTED: "amended",
                      Status.CANCELLED: "entered-in-error"}  # fmt: skip


class Listed(Protocol):
    """An instance of a study (fhir.projection.imaging_study.Instance)."""

    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def sop_class_uid(self) -> str: ...


def document_id(house: House, report: str, key: str) -> str:
    """The id of a document of a report, and of the Binary that holds it."""
    return house.id_of("document", report, key)


def shown_at(house: House, source: ReportSource, one: Document, name: str) -> Resource:
    """A document as an attachment."""
    return without_empty({
        "contentType": one.media_type, "url": f"Binary/{name}" if one.key in source.documents else "",
        "size": one.size_bytes, "title": plain(one.title),
    })  # fmt: skip


def documents(house: House, source: ReportSource, known: Known) -> Iterator[Projected]:
    """Every document of what counts of a report, and what is in it."""
    counting = source.counting
    for one in source.listed:
        name = document_id(house, source.name, one.key)
        resource = {
            "resourceType": "DocumentReference",
            "id": name,
            "status": "entered-in-error" if counting.status is Status.CANCELLED else "current",
            "docStatus": _DOCUMENT_STATUSES[counting.status],
            "type": _TYPE,
            "subject": subject(house, source, known),
            "date": instant(counting.version.issued_at or counting.version.said_at),
            "custodian": house.to("Organization", "organization"),
            "content": [{"attachment": shown_at(house, source, one, name)}],
            "context": {"related": [known.report(house, source.name),
                                    *(house.to("ImagingStudy", "study", uid) for uid in source.studies)]},
        }  # fmt: skip
        yield Projected(source.organisation, source.feed(house), without_empty(resource))
        if one.key in source.documents:
            yield Projected(source.organisation, source.feed(house), _binary(name, one, source.documents[one.key]))


def _binary(name: str, one: Document, content: bytes) -> Resource:
    return {"resourceType": "Binary", "id": name, "contentType": one.media_type,
            "data": base64.b64encode(content).decode()}  # fmt: skip


def encapsulated(
    house: House, source: StudySource, instances: Mapping[int, Sequence[Listed]], known: Known
) -> Iterator[Projected]:
    """The documents among the instances of a study that lists them."""
    for series in source.series:
        for one in instances.get(series.pk, ()):
            if one.sop_class_uid in ENCAPSULATED:
                yield _in_study(house, source, series.series_instance_uid, one, known)


def _in_study(house: House, source: StudySource, series: str, one: Listed, known: Known) -> Projected:
    media_type, how = ENCAPSULATED[one.sop_class_uid]
    path = f"studies/{source.study_instance_uid}/series/{series}/instances/{one.sop_instance_uid}{how}"
    resource = {
        "resourceType": "DocumentReference",
        "id": house.id_of("encapsulated", one.sop_instance_uid),
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{one.sop_instance_uid}"},
        "status": "current",
        "subject": known.patient(house, source.patient, source.study_instance_uid if source.unidentified else ""),
        "date": instant(source.received_at),
        "custodian": house.to("Organization", "organization"),
        "content": [{"attachment": {"contentType": media_type, "url": f"{house.dicomweb}/{path}"}}],
        "context": {"related": [house.to("ImagingStudy", "study", source.study_instance_uid)]},
    }
    return Projected(source.organisation, feed("dicom", house.code), resource)
