"""Patient/$summary: an International Patient Summary (http://hl7.org/fhir/uv/ips) of what is kept here."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from fhir.definitions.compartments import compartments
from fhir.format import json
from fhir.format.instants import instant
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.document import document_of
from fhir.operation.parameters import In, given
from fhir.operation.referenced import fetched, local, references
from fhir.operation.stated import resource
from fhir.outcome import FhirError
from fhir.search.conditions import Reader
from fhir.search.query import Links, Match, Query, SortKey
from fhir.search.request import read
from fhir.store.search import Hit
from pacsd.faults import Fault

PARAMETERS = (In("profile", "canonical"), In("identifier", "string"))
_PROFILE = "http://hl7.org/fhir/uv/ips/StructureDefinition/"
MOST_OF_A_SECTION = 50                   # the newest
_OUTSIDE = ("Practitioner", "PractitionerRole", "Organization", "Medication", "Location", "Device", "Substance")


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its LOINC code and title, and searches that find what is in it. `required` ones are never left out."""

    code: str
    title: str
    searches: tuple[tuple[str, str], ...]            # resource type, and what narrows it
    required: bool = False


SECTIONS: tuple[Section, ...] = (
    Section("11450-4", "Active Problems 现有问题", (
        ("Condition", "clinical-status:not=resolved,inactive,remission"),), True),
    Section("48765-2", "Allergies and Intolerances 过敏与不耐受", (("AllergyIntolerance", ""),), True),
    Section("10160-0", "Medication 用药", (
        ("MedicationStatement", "status=active,intended"), ("MedicationRequest", "status=active")), True),
    Section("30954-2", "Results 检查检验结果", (
        ("DiagnosticReport", "status=final,amended,corrected,appended"), ("ImagingStudy", "status=available"),
        ("Observation", "status=final,amended,corrected"))),
    Section("47519-4", "History of Procedures 操作史", (("Procedure", ""),)),
    Section("11369-6", "Immunizations 预防接种", (("Immunization", ""),)),
    Section("46264-8", "Medical Devices 医疗器械", (("DeviceUseStatement", ""),)),
)  # fmt: skip


def summary(server: Server, request: Request) -> Answer:
    """200 with a document: a Composition of sections and what they name; what is not known is told as unavailable."""
    told = given(request, PARAMETERS)
    if told.text("identifier") or told.text("profile").partition("|")[0] not in ("", f"{_PROFILE}Bundle-uv-ips"):
        raise FhirError(Fault.UNSUPPORTED, "a summary is an IPS document of the Patient of the URL")
    patient = resource(server, request)
    found = {section.code: _entries(server, request, section) for section in SECTIONS}
    kept = {hit.pk: hit for hits in found.values() for hit in hits}
    resources = [json.read(hit.body) for hit in kept.values()]
    names = [one for each in (patient, *resources) for text in references(each)
             if (one := local(text, request.base)) and one.type in _OUTSIDE]  # fmt: skip
    beside = [json.read(hit.body) for hit in fetched(server, request, names).values()]
    author = {"resourceType": "Device", "id": str(uuid.uuid4()), "deviceName": [{
        "name": "pacsd", "type": "model-name"}]}  # fmt: skip
    composition = _composition(request.base, patient, author, found)
    made = document_of(request.base, [composition, patient, author, *resources, *beside])
    return Answer(200, resource={**made, "meta": {"profile": [f"{_PROFILE}Bundle-uv-ips"]}})


def _entries(server: Server, request: Request, section: Section) -> list[Hit]:
    """What is in a section: the newest first."""
    found: list[Hit] = []
    reader = Reader(request.base, server.zone, datetime.now(UTC))
    for kind, narrowed in section.searches:
        pairs = [tuple(narrowed.split("=", 1))] if narrowed else []
        conditions = read(reader, [kind], [(name, value) for name, value in pairs], strict=True).query.conditions
        names = tuple(f"{kind}.{code}" for code in compartments()["Patient"][kind] if code in ("patient", "subject"))
        mine = Match(names, Links((f"Patient/{request.id}",)))
        query = Query((kind,), (mine, *conditions), (SortKey("updated", (), descending=True),),
                      count=MOST_OF_A_SECTION)  # fmt: skip
        found += server.searches.page(server.pool, request.asker.scope, query).hits
    return found


def _composition(
    base: str, patient: Mapping[str, Any], author: Mapping[str, Any], found: Mapping[str, Sequence[Hit]]
) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "resourceType": "Composition", "id": str(uuid.uuid4()),
        "meta": {"profile": [f"{_PROFILE}Composition-uv-ips"]},
        "text": _narrative(["Patient summary 患者摘要"]), "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": f"{base}/Patient/{patient['id']}"}, "date": instant(now),
        "author": [{"reference": f"{base}/Device/{author['id']}"}], "title": "Patient summary 患者摘要",
        "section": [_section(base, one, found[one.code]) for one in SECTIONS if one.required or found[one.code]],
    }  # fmt: skip


def _section(base: str, section: Section, hits: Sequence[Hit]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "title": section.title, "code": {"coding": [{"system": "http://loinc.org", "code": section.code}]}}
    if not hits:
        reason = {"system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "unavailable"}
        return {**told, "text": _narrative(["No information is kept here. 本系统无相关信息。"]),
                "emptyReason": {"coding": [reason]}}  # fmt: skip
    return {**told, "text": _narrative([_shown(json.read(hit.body)) for hit in hits]),
            "entry": [{"reference": f"{base}/{hit.type}/{hit.id}"} for hit in hits]}  # fmt: skip


def _narrative(lines: Sequence[str]) -> dict[str, str]:
    items = "".join(f"<li>{escape(one)}</li>" for one in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><ul>{items}</ul></div>'}


def _shown(told: Mapping[str, Any]) -> str:
    """What people call a resource: its code, description or kind, and its conclusion."""
    names = ("code", "medicationCodeableConcept", "vaccineCode", "type")
    named: Mapping[str, Any] = next((told[key] for key in names if isinstance(told.get(key), dict)), {})
    coding: Mapping[str, Any] = next(iter(named.get("coding") or ()), {})
    text = named.get("text") or coding.get("display") or coding.get("code") or told.get("description")
    parts = (text or told["resourceType"], told.get("conclusion"), told.get("started") or told.get("issued"))
    return " · ".join(str(one) for one in parts if one)
