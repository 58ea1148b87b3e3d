"""$export of all, of patients, of a group (http://hl7.org/fhir/uv/bulkdata/STU2/export.html)."""

import uuid
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from fhir.bulk import export as bulk
from fhir.definitions.structures import structures
from fhir.interaction.request import Answer, Raw, Request
from fhir.interaction.services import Server
from fhir.interaction.times import period
from fhir.interaction.versions import instant
from fhir.operation.parameters import Given, In, given
from fhir.outcome import FhirError, Issue, outcome
from fhir.search.conditions import Reader
from fhir.search.request import read
from fhir.store import jobs
from fhir.store.jobs import Job
from pacsd.faults import Fault

PARAMETERS = (
    In("_outputFormat", "string"), In("_since", "instant"), In("_type", "string", None),
    In("_typeFilter", "string", None),
)  # fmt: skip
NDJSON = "application/fhir+ndjson"
_FORMATS = (NDJSON, "application/ndjson", "ndjson")
_MOST_DIGITS = 9
_KEPT = timedelta(hours=24)              # from when it was asked for
_MOST_WAITING = 20                       # jobs of an organisation that are not done
_MOST_FILTERS = 64                       # of one export, all types together
_BEFORE = timedelta(minutes=1)           # what was being written at transactionTime is in the next one for sure


def export(server: Server, request: Request) -> Answer:
    """202 with where to ask how it stands. Raises FhirError for parameters that are not supported, 429 for too many."""
    told = given(request, PARAMETERS)
    if told.text("_outputFormat") not in ("", *_FORMATS):
        raise FhirError(Fault.UNSUPPORTED, f"_outputFormat is {NDJSON}")
    scope = request.asker.scope
    patients = _patients(server, request)
    types = _types(told, patients is not None)
    wanted: dict[str, Any] = {
        "base": request.base, "url": _url(request), "types": types, "patients": patients, "since": told.text("_since"),
        "filters": _filters(server, request, told, types),
    }  # fmt: skip
    if told.text("_since"):
        period(told.text("_since"), "_since")
    if jobs.count(server.pool, scope) >= _MOST_WAITING:
        raise FhirError(Fault.TOO_MUCH, f"{_MOST_WAITING} jobs are waiting already", status=429, code="throttled",
                        headers={"Retry-After": "60"})  # fmt: skip
    identifier = uuid.uuid4()
    jobs.add(server.pool, scope, identifier, bulk.KIND, wanted, keep=_KEPT)
    return Answer(202, headers={"Content-Location": f"{request.base}/_export/{identifier}"})


def status(server: Server, request: Request) -> Answer:
    """202 while it is worked on, 200 with the manifest, or why it failed. Raises FhirError NOT_FOUND."""
    job = _job(server, request)
    if job.status == jobs.WAITING:
        done, of = int(job.state.get("type", 0)), len(job.request["types"])
        return Answer(202, headers={"X-Progress": f"{done} of {of} types", "Retry-After": "2"})
    if job.status == jobs.FAILED:
        return Answer(500, resource=outcome([Issue("error", "exception", job.error)]))
    content = orjson.dumps(_manifest(request.base, job))
    return Answer(200, raw=Raw(content, "application/json"),
                  headers={"Expires": format_datetime(job.expires_at.astimezone(UTC), usegmt=True)})  # fmt: skip


def cancel(server: Server, request: Request) -> Answer:
    """202: it is not worked on any more, and its files go. Raises FhirError NOT_FOUND."""
    jobs.cancel(server.pool, _job(server, request).id)
    return Answer(202)


def file(server: Server, request: Request) -> Answer:
    """200 with a file of the manifest. Raises FhirError NOT_FOUND."""
    job = _job(server, request)
    number = dict(request.parameters).get("number", "")
    known = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS and int(number) < len(job.output)
    if not known or server.blobs is None:
        raise FhirError(Fault.NOT_FOUND, "there is no such file")
    return Answer(200, raw=Raw(server.blobs.read(job.output[int(number)]["file"]), NDJSON))


def _job(server: Server, request: Request) -> Job:
    try:
        found = jobs.read(server.pool, request.asker.scope, uuid.UUID(request.id), bulk.KIND)
    except ValueError:
        found = None
    if found is None or found.status == jobs.CANCELLED or found.expires_at < datetime.now(UTC):
        raise FhirError(Fault.NOT_FOUND, "there is no such export")
    return found


def _patients(server: Server, request: Request) -> list[str] | None:
    """Whose compartments are exported: None: all there is; empty: of all patients."""
    if not request.type:
        return None
    return bulk.members(server.pool, request.asker.scope, request.id) if request.type == "Group" else []


def _types(told: Given, of_patients: bool) -> list[str]:
    every = bulk.of_patients() if of_patients else structures().resource_types
    asked = [one for text in told.all("_type") for one in text.split(",") if one]
    for one in asked:
        if one not in every:
            raise FhirError(Fault.UNSUPPORTED, f"{one[:64]!r} is not exported here")
    return list(dict.fromkeys(asked)) or list(every)


def _filters(server: Server, request: Request, told: Given, types: list[str]) -> dict[str, list[list[list[str]]]]:
    """By type, searches of which one must find a resource. Raises PacsdError for what is unknown in them."""
    found: dict[str, list[list[list[str]]]] = {}
    reader = Reader(request.base, server.zone, datetime.now(UTC))
    wanted = [one for value in told.all("_typeFilter") for one in _apart(value)]
    if len(wanted) > _MOST_FILTERS:
        raise FhirError(Fault.TOO_BROAD, f"more than {_MOST_FILTERS} _typeFilters")
    for text in wanted:
        kind, mark, query = text.partition("?")
        if not mark or kind not in types:
            raise FhirError(Fault.UNSUPPORTED, f"a _typeFilter is of a type that is exported: {text[:64]!r}")
        pairs = parse_qsl(query, keep_blank_values=True)
        if any("\0" in part for pair in pairs for part in pair):
            raise FhirError(Fault.MALFORMED, "a _typeFilter is text", code="value")
        read(reader, [kind], pairs, strict=True)
        found.setdefault(kind, []).append([list(pair) for pair in pairs])
    return found


def _apart(value: str) -> list[str]:
    """Several in one value: a comma before `Type?` stands between two."""
    parts: list[str] = []
    for one in value.split(","):
        if parts and "?" not in one:
            parts[-1] += f",{one}"
        else:
            parts.append(one)
    return parts


def _url(request: Request) -> str:
    path = "/".join(one for one in (request.base, request.type, request.id, "$export") if one)
    query = "&".join(f"{name}={value}" for name, value in request.parameters)
    return f"{path}?{query}" if query else path


def _manifest(base: str, job: Job) -> dict[str, Any]:
    return {
        "transactionTime": instant(job.created_at - _BEFORE), "request": job.request["url"],
        "requiresAccessToken": False,
        "output": [{"type": one["type"], "url": f"{base}/_export/{job.id}/_file?number={number}", "count": one["count"]}
                   for number, one in enumerate(job.output)],
        "error": [],
    }  # fmt: skip
