"""DiagnosticReport (http://hl7.org/fhir/R4/diagnosticreport.html): what counts of everything that was said of it."""

import base64
from datetime import datetime, tzinfo

from fhir.format.instants import instant
from fhir.projection.datatypes import coding, entity, hl7_moment, plain
from fhir.projection.document_reference import document_id, shown_at
from fhir.projection.observation import is_result, result_id
from fhir.projection.practitioner import person
from fhir.projection.projected import BY_FHIR, House, Known, Projected, Resource, about_report, without_empty
from fhir.projection.report_source import ReportSource, report_id, subject
from fhir.projection.systems import LOINC
from pacsd.reports.report import Content, Status
from pacsd.reports.sections import SECTIONS
from pacsd.reports.wording import worded

SERVICE_SECTIONS = "http://terminology.hl7.org/CodeSystem/v2-0074"
RADIOLOGY = {"coding": [{"system": SERVICE_SECTIONS, "code": "RAD", "display": "Radiology"}]}
IMAGING_REPORT = {"coding": [{"system": LOINC, "code": "18748-4", "display": "Diagnostic imaging study"}]}
STATUSES = {Status.PRELIMINARY: "preliminary", Status.FINAL: "final", Status.CORRECTED: "corrected"}
_CONCLUDING = ("impression", "conclusion")


def diagnostic_report(house: House, source: ReportSource, known: Known) -> Projected:
    """A report as it reads now."""
    content = source.counting.content
    results = [one for one in content.observations if is_result(one)]
    resource = {
        "resourceType": "DiagnosticReport",
        "id": report_id(house, source),
        "identifier": [_identifier(house, name) for name in source.row.names],
        "basedOn": _based_on(house, source, known),
        "status": status(source),
        "category": [RADIOLOGY],
        "code": _code(house, content),
        "subject": subject(house, source, known),
        "effectiveDateTime": _told(content.observed, house.zone),
        "issued": instant(source.counting.version.issued_at or source.counting.version.said_at),
        "performer": [person(house, content.author)] if content.author else [],
        "resultsInterpreter": [person(house, content.verifier)] if content.verifier else [],
        "result": [{"reference": f"Observation/{result_id(house, source.name, n)}"} for n in range(len(results))],
        "imagingStudy": [house.to("ImagingStudy", "study", one) for one in source.studies],
        "conclusion": conclusion(content),
        "conclusionCode": [
            {"coding": [coding(house, one.value.value, one.value.meaning, one.value.scheme)]}
            for one in content.observations if one.section in _CONCLUDING and one.value is not None
        ],
        "presentedForm": [*_text(content), *_documents(house, source)],
    }  # fmt: skip
    return Projected(source.organisation, source.feed(house), without_empty(resource), about_report(source.name),
                     by_client=source.counting.newest.sender == BY_FHIR)  # fmt: skip


def status(source: ReportSource) -> str:
    """Of what counts; what was final and is withdrawn was an error, what never was is cancelled."""
    counting = source.counting
    if counting.status is Status.CANCELLED:
        final = any(one.status in (Status.FINAL, Status.CORRECTED) for one in source.versions)
        return "entered-in-error" if final else "cancelled"
    if counting.status is Status.CORRECTED and any(one.addendum for one in counting.parts):
        return "appended"
    return STATUSES[counting.status]


def conclusion(content: Content) -> str:
    """What it concludes: its impression and conclusions, as they were written."""
    said = [one.text for one in content.observations if one.section in _CONCLUDING and one.text.strip()]
    return plain("\n".join(said))


def whole_text(content: Content) -> str:
    """All that it says, under the headings of its sections."""
    parts: list[str] = []
    for section in SECTIONS:
        lines = [worded(one) for one in content.observations if one.section == section.name]
        if any(lines):
            parts += [f"{section.heading.meaning}:", *lines]
    return plain("\n".join(parts))


def _identifier(house: House, name: str) -> Resource:
    """Names of reports say first by what they are known: an order, a report, a document of some number."""
    known_by, _, number = name.partition(" ")
    return entity(house, "FILL" if known_by == "order" else "", number or name)


def _code(house: House, content: Content) -> Resource:
    procedure = content.procedure
    if not procedure.value:
        return {"text": plain(procedure.meaning)} if plain(procedure.meaning) else IMAGING_REPORT
    return {"coding": [coding(house, procedure.value, procedure.meaning, procedure.scheme)]}


def _based_on(house: House, source: ReportSource, known: Known) -> list[Resource]:
    numbers = (*source.row.studies, *source.row.fillers, *source.row.placers, *source.row.accessions)
    found = (known.orders.get((source.organisation, one)) for one in numbers)
    return [known.order(house, *one) for one in dict.fromkeys(found) if one is not None]


def _told(written: str, zone: tzinfo) -> str:
    at: datetime | None = hl7_moment(written, zone)
    if at is None:
        return ""
    return at.date().isoformat() if len(written.strip()) <= _DAY else at.isoformat()


_DAY = 8                                 # characters of YYYYMMDD


def _text(content: Content) -> list[Resource]:
    said = whole_text(content)
    if not said:
        return []
    return [{"contentType": "text/plain; charset=utf-8", "data": base64.b64encode(said.encode()).decode()}]


def _documents(house: House, source: ReportSource) -> list[Resource]:
    return [shown_at(house, source, one, document_id(house, source.name, one.key)) for one in source.listed]
