"""$import of NDJSON in the body of the request, or of files at URLs, worked on afterwards, as $export is."""

import uuid
from collections.abc import Mapping
from typing import Any

from fhir.bulk import importing as bulk
from fhir.bulk.fetching import checked
from fhir.format.instants import instant
from fhir.interaction.permission import not_written
from fhir.interaction.request import Answer, Request, checked_type
from fhir.interaction.services import Server
from fhir.operation.asynchronous import NDJSON, Asynchronous
from fhir.outcome import FhirError
from fhir.store.jobs import Job
from pacsd.faults import Fault, PacsdError

MOST_SOURCES = 1_000                     # files of one import
MEDIA_TYPES = (NDJSON, "application/ndjson", "application/x-ndjson")


def import_all(server: Server, request: Request) -> Answer:
    """202 with where to ask how it stands, once the body is durable: lines, or Parameters that name files by URL.

    Raises FhirError for any other body.
    """
    if request.parameters:
        raise FhirError(Fault.UNSUPPORTED, "an import has no parameters in its URL")
    if request.resource is not None:
        IMPORTS.room(server, request)
        named = {"sources": _sources(request.resource), **_about(request)}
        return IMPORTS.accepted(server, request, uuid.uuid4(), named)
    if request.content_type.partition(";")[0].strip().lower() not in MEDIA_TYPES or server.blobs is None:
        raise FhirError(Fault.UNSUPPORTED, f"an import is {NDJSON}, or Parameters", status=415)
    if not request.content.strip():
        raise FhirError(Fault.MALFORMED, "there is no line in the body", code="required")
    IMPORTS.room(server, request)
    identifier = uuid.uuid4()
    key = f"{bulk.PREFIX}{identifier}/lines.ndjson"
    server.blobs.put(key, request.content)
    wanted = {"file": key, "bytes": len(request.content), **_about(request)}
    try:
        return IMPORTS.accepted(server, request, identifier, wanted)
    except BaseException:                # without its job nobody would ever remove it
        server.blobs.delete([key])
        raise


def _about(request: Request) -> dict[str, Any]:
    """By what URL it was asked for, and what who asked may not write."""
    return {"url": f"{request.base}/$import", "refused": not_written(request)}


def _sources(told: Mapping[str, Any]) -> list[dict[str, str]]:
    """The files that Parameters name: each `input` has a `type` and a `url`. Raises FhirError."""
    if told.get("resourceType") != "Parameters":
        raise FhirError(Fault.MALFORMED, "the body of an import is Parameters", code="structure")
    found = []
    for row in _rows(told, "parameter"):
        name, value = str(row.get("name")), _value(row)
        if name == "input":
            found.append(_source({str(part.get("name")): _value(part) for part in _rows(row, "part")}))
        elif name == "inputFormat" and value not in MEDIA_TYPES:
            raise FhirError(Fault.UNSUPPORTED, f"the inputFormat is {NDJSON}")
        elif name not in ("inputFormat", "inputSource"):
            raise FhirError(Fault.UNSUPPORTED, f"{name[:64]!r} is no parameter that is known here")
    if not 1 <= len(found) <= MOST_SOURCES:
        raise FhirError(Fault.MALFORMED, f"an import has an input of 1 to {MOST_SOURCES} files", code="required")
    return found


def _source(part: Mapping[str, str]) -> dict[str, str]:
    if part.keys() != {"type", "url"}:
        raise FhirError(Fault.MALFORMED, "an input has a type and a url", code="required")
    try:
        return {"type": checked_type(part["type"]), "url": checked(part["url"])}
    except PacsdError as error:
        raise FhirError(Fault.MALFORMED, error.message, code="value") from error


def _rows(told: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = told.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise FhirError(Fault.MALFORMED, f"{name} is an array of objects", code="structure")
    return rows


def _value(row: Mapping[str, Any]) -> str:
    return next((one for key, one in row.items() if key.startswith("value") and isinstance(one, str)), "")


def _progress(job: Job) -> str:
    if "sources" in job.request:
        return f"file {int(job.state.get('source', 0)) + 1} of {len(job.request['sources'])}"
    return f"{int(job.state.get('offset', 0))} of {int(job.request['bytes'])} bytes"


def _manifest(url: str, job: Job) -> Mapping[str, Any]:
    """How many resources of each type were kept, and the files of OperationOutcomes of refused lines."""
    return {
        "transactionTime": instant(job.created_at), "request": job.request["url"],
        "output": [{"type": kind, "count": count} for kind, count in sorted(job.state.get("kept", {}).items())],
        "error": [{"type": "OperationOutcome", "url": f"{url}/_file?number={number}", "count": one["count"]}
                  for number, one in enumerate(job.output)],
    }  # fmt: skip


IMPORTS = Asynchronous(bulk.KIND, 100, _progress, _manifest)
