"""$export of all, of patients, of a group (http://hl7.org/fhir/uv/bulkdata/STU2/export.html)."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from fhir.bulk import export as bulk
from fhir.definitions.structures import structures
from fhir.format.instants import instant
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.interaction.times import period
from fhir.operation.asynchronous import NDJSON, Asynchronous
from fhir.operation.parameters import Given, In, given
from fhir.outcome import FhirError
from fhir.search.conditions import Reader
from fhir.search.request import read
from fhir.store.jobs import Job
from pacsd.faults import Fault

PARAMETERS = (
    In("_outputFormat", "string"), In("_since", "instant"), In("_type", "string", None),
    In("_typeFilter", "string", None),
)  # fmt: skip
_FORMATS = (NDJSON, "application/ndjson", "ndjson")
_MOST_FILTERS = 64                       # of one export, all types together
_BEFORE = timedelta(minutes=1)           # what was being written at transactionTime is in the next one for sure


def export(server: Server, request: Request) -> Answer:
    """202 with where to ask how it stands. Raises FhirError for parameters that are not supported, 429 for too many."""
    told = given(request, PARAMETERS)
    if told.text("_outputFormat") not in ("", *_FORMATS):
        raise FhirError(Fault.UNSUPPORTED, f"_outputFormat is {NDJSON}")
    patients = _patients(server, request)
    types = _types(told, patients is not None)
    wanted: dict[str, Any] = {
        "base": request.base, "url": _url(request), "types": types, "patients": patients, "since": told.text("_since"),
        "filters": _filters(server, request, told, types),
    }  # fmt: skip
    if told.text("_since"):
        period(told.text("_since"), "_since")
    EXPORTS.room(server, request)
    return EXPORTS.accepted(server, request, uuid.uuid4(), wanted)


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


def _progress(job: Job) -> str:
    return f"{int(job.state.get('type', 0))} of {len(job.request['types'])} types"


def _manifest(url: str, job: Job) -> Mapping[str, Any]:
    return {
        "transactionTime": instant(job.created_at - _BEFORE), "request": job.request["url"],
        "requiresAccessToken": False,
        "output": [{"type": one["type"], "url": f"{url}/_file?number={number}", "count": one["count"]}
                   for number, one in enumerate(job.output)],
        "error": [],
    }  # fmt: skip


EXPORTS = Asynchronous(bulk.KIND, 20, _progress, _manifest)
