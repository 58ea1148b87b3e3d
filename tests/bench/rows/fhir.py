"""FHIR: resources created, read and sent in transactions, each of them journalled and committed before the answer."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.bench.fhir_floor import floor
from tests.bench.load import Job, measure
from tests.bench.measures import Bench, Row, Samples
from tests.bench.peers import Server
from tests.bench.rows.hl7 import syncs_per_second

ENTRIES = 100
_TRANSACTION = "/fhir"
DCM = "http://dicom.nema.org/resources/ontology/DCM"


def resources(seed: int) -> Iterator[dict[str, Any]]:
    """The declared mix, for ever: for each Patient an Encounter, an ImagingStudy, a DiagnosticReport, six values."""
    random_ = random.Random(seed)
    while True:
        number = random_.randrange(10**12)
        subject = {"reference": f"Patient/p{number}"}
        yield patient(number)
        yield {
            "resourceType": "Encounter", "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "identifier": [{"system": "http://hospital.example/encounters", "value": f"E{number}"}],
            "subject": subject, "period": {"start": "2026-11-02T08:00:00+08:00", "end": "2026-11-02T09:00:00+08:00"},
        }  # fmt: skip
        yield imaging_study(number, subject)
        observed = [f"o{number}-{one}" for one in range(6)]
        yield {
            "resourceType": "DiagnosticReport", "status": "final", "subject": subject,
            "identifier": [{"system": "http://hospital.example/reports", "value": f"R{number}"}],
            "code": {"coding": [{"system": "http://loinc.org", "code": "24627-2", "display": "CT Chest"}]},
            "issued": "2026-11-02T10:11:12.123+08:00", "conclusion": "双肺未见明显异常。No acute abnormality.",
            "result": [{"reference": f"Observation/{one}"} for one in observed],
        }  # fmt: skip
        for one in range(6):
            yield observation(number, one, subject)


def patient(number: int) -> dict[str, Any]:
    """A Patient."""
    return {
        "resourceType": "Patient", "active": True, "gender": ("male", "female")[number % 2],
        "identifier": [{"system": "http://hospital.example/patients", "value": f"P{number}"},
                       {"system": "urn:oid:2.16.156.10011.1.3", "value": f"11010119{number % 10**10:010d}"}],
        "name": [{"text": "王小明", "family": "Wang", "given": ["Xiaoming"]}], "birthDate": "1980-01-02",
        "telecom": [{"system": "phone", "value": f"138{number % 10**8:08d}"}],
        "address": [{"city": "Beijing", "line": ["Chang'an Jie 1"], "country": "CN"}],
    }  # fmt: skip


def imaging_study(number: int, subject: dict[str, str]) -> dict[str, Any]:
    """An ImagingStudy of two series."""
    return {
        "resourceType": "ImagingStudy", "status": "available", "subject": subject,
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:1.2.840.{number}"}],
        "started": "2026-11-02T08:30:00+08:00", "numberOfSeries": 2, "numberOfInstances": 4, "description": "CT chest",
        "series": [{
            "uid": f"1.2.840.{number}.{one}", "number": one, "modality": {"system": DCM, "code": "CT"},
            "instance": [{"uid": f"1.2.840.{number}.{one}.{each}", "sopClass": {
                "system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2"}, "number": each}
                for each in (1, 2)],
        } for one in (1, 2)],
    }  # fmt: skip


def observation(number: int, one: int, subject: dict[str, str]) -> dict[str, Any]:
    """A measured value."""
    return {
        "resourceType": "Observation", "status": "final", "subject": subject,
        "identifier": [{"system": "http://hospital.example/observations", "value": f"O{number}-{one}"}],
        "code": {"coding": [{"system": "http://loinc.org", "code": f"{one}1234-5", "display": "Diameter"}]},
        "effectiveDateTime": "2026-11-02T08:40:00+08:00",
        "valueQuantity": {"value": one + 0.5, "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm"},
    }  # fmt: skip


def mixed(count: int, seed: int) -> list[dict[str, Any]]:
    """So many of the mix."""
    made = resources(seed)
    return [next(made) for _ in range(count)]


def created(bench: Bench) -> Samples:
    """Resources a second, one request each, eight connections."""
    samples: Samples = {"pacsd": []}
    with bench.fresh("pacsd") as server:
        for turn in range(bench.rounds + 1):
            some = mixed(bench.corpora.scaled(3000 if turn else 600), seed=turn)     # the first is to warm up
            paths, bodies = [f"/fhir/{one['resourceType']}" for one in some], [json.dumps(one) for one in some]
            load = measure(Job(server.http_port, paths, bodies=bodies))
            samples["pacsd"] += [load.per_second] if turn else []
        _beside(bench, server, samples, "write")
    return samples


def read(bench: Bench) -> Samples:
    """Resources a second, one request each, eight connections."""
    samples: Samples = {"pacsd": []}
    with bench.fresh("pacsd") as server:
        names = _filled(server, bench.corpora.scaled(2000))
        for turn in range(bench.rounds + 1):
            load = measure(Job(server.http_port, names, requests=bench.corpora.scaled(6000 if turn else 1000)))
            samples["pacsd"] += [load.per_second] if turn else []
        _beside(bench, server, samples, "read")
    return samples


def transacted(bench: Bench) -> Samples:
    """Resources a second, in transactions of a hundred, four connections."""
    samples: Samples = {"pacsd": []}
    with bench.fresh("pacsd") as server:
        for turn in range(bench.rounds + 1):
            bodies = [transaction(mixed(ENTRIES, seed=1000 * turn + n))
                      for n in range(bench.corpora.scaled(40 if turn else 8))]  # fmt: skip
            load = measure(Job(server.http_port, [_TRANSACTION], bodies=bodies, connections=4))
            samples["pacsd"] += [load.per_second * ENTRIES] if turn else []
        samples["fsync"] = [syncs_per_second(server.folder) for _ in range(bench.rounds)]
    return samples


def transaction(some: list[dict[str, Any]]) -> str:
    """A transaction that creates them."""
    entries = [
        {"fullUrl": f"urn:uuid:{number:032x}", "resource": one,
         "request": {"method": "POST", "url": one["resourceType"]}}
        for number, one in enumerate(some)
    ]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _filled(server: Server, count: int) -> list[str]:
    """Paths of resources that were put there."""
    paths = [f"/fhir/Patient/p{number}" for number in range(count)]
    for start in range(0, count, ENTRIES):
        entries = [{"resource": {**patient(number), "id": f"p{number}"},
                    "request": {"method": "PUT", "url": f"Patient/p{number}"}}
                   for number in range(start, min(count, start + ENTRIES))]  # fmt: skip
        body = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
        measure(Job(server.http_port, [_TRANSACTION], bodies=[body], connections=1))
    return paths


def _beside(bench: Bench, server: Server, samples: Samples, kind: str) -> None:
    samples["floor"] = [floor(server, kind, requests=bench.corpora.scaled(4000)) for _ in range(bench.rounds)]
    if kind == "write":
        samples["fsync"] = [syncs_per_second(server.folder) for _ in range(bench.rounds)]
    bench.note("floor: Starlette in two processes, and for each request one statement of PostgreSQL's")


ROWS = (
    Row("fhir-create", "FHIR create, journalled before the answer, eight connections", "1/s", created,
        higher_is_better=True, sides=("pacsd", "floor", "fsync"), targets=((None, 400.0),)),
    Row("fhir-read", "FHIR read, eight connections", "1/s", read,
        higher_is_better=True, sides=("pacsd", "floor"), targets=((None, 1500.0),)),
    Row("fhir-transaction", "FHIR transactions of 100, resources a second, four connections", "1/s", transacted,
        higher_is_better=True, sides=("pacsd", "fsync"), targets=((None, 800.0),)),
)  # fmt: skip
