"""What the suite stores before its checks, for the first of two organisations: a patient, two results, one image."""

import secrets
from typing import Any
from urllib.parse import quote

from pydicom.uid import generate_uid

from conformance.dicomweb import multipart, synthetic
from conformance.dicomweb.synthetic import Instance, Subject
from conformance.fhir import expect
from conformance.fhir.server import Answer, Model, Server
from conformance.judging import Failed
from conformance.security.suite import Site

DICOM_JSON = "application/dicom+json"
TAG_SYSTEM = "http://conformance.example/security/tag"
ID_SYSTEM = "http://conformance.example/security/id"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def new_tag() -> str:
    """Part of every identifier of a run."""
    return f"SEC{secrets.token_hex(6).upper()}"


def patient(tag: str) -> Model:
    """A patient of this run."""
    return {
        "resourceType": "Patient", "meta": {"tag": [{"system": TAG_SYSTEM, "code": tag}]},
        "identifier": [{"system": ID_SYSTEM, "value": tag}], "name": [{"family": f"Hidden{tag}", "given": ["Anna"]}],
        "gender": "female", "birthDate": "1970-01-01",
    }  # fmt: skip


def observation(tag: str, of: Model, category: str) -> Model:
    """A result of this run, of a category."""
    return {
        "resourceType": "Observation", "meta": {"tag": [{"system": TAG_SYSTEM, "code": tag}]}, "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": f"Patient/{of['id']}"}, "effectiveDateTime": "2026-01-02",
        "valueQuantity": {"value": 7, "unit": "g", "system": "http://unitsofmeasure.org", "code": "g"},
    }  # fmt: skip


def category_of(one: Model) -> str:
    """Its category as a token of a search."""
    coding = one["category"][0]["coding"][0]
    return quote(f"{coding['system']}|{coding['code']}", safe="")


def store(site: Site) -> None:
    """Store everything. Raises Failed where not even a patient can be stored."""
    site.tag = new_tag()
    site.stored["patient"] = _created(site, patient(site.tag))
    for key, category in (("laboratory", "laboratory"), ("vital", "vital-signs")):
        try:
            site.stored[key] = _created(site, observation(site.tag, site.stored["patient"], category))
        except Failed:
            continue
    if site.dicom_web:
        one = image(site.tag)
        if stow(site.first, site.dicom_web, one).status == 200:
            site.stored["image"] = one


def image(tag: str, *, study: str = "") -> Instance:
    """A CT slice that is nobody's yet, in a study of its own or in this one."""
    of = Subject(patient_id=tag, name=f"{tag}^Hidden", accession=tag[-12:], study=study or generate_uid())
    return synthetic.ct(of, series=generate_uid(), number=1)


def stow(server: Server, dicom_web: str, one: Instance) -> Answer:
    """STOW-RS (PS3.18 10.5)."""
    content_type, body = multipart.encoded([multipart.Part(one.part10)])
    return server.send("POST", f"{dicom_web}/studies", body, accept=DICOM_JSON, content_type=content_type)


def _created(site: Site, body: Model) -> Model:
    kind = str(body["resourceType"])
    answer = expect.status(site.first.post(f"/{kind}", body), 201)
    path = answer.headers.get("location", "").split("/_history/")[0]
    found: dict[str, Any] = expect.status(site.first.get(path if "://" in path else f"/{path}"), 200).resource(kind)
    return found
