"""$import of NDJSON in the body of the request, worked on afterwards, as $export is."""

import uuid
from collections.abc import Mapping
from typing import Any

from fhir.bulk import importing as bulk
from fhir.format.instants import instant
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.asynchronous import NDJSON, Asynchronous
from fhir.outcome import FhirError
from fhir.store.jobs import Job
from pacsd.faults import Fault

MEDIA_TYPES = (NDJSON, "application/ndjson", "application/x-ndjson")


def import_all(server: Server, request: Request) -> Answer:
    """202 with where to ask how it stands, once the body is durable. Raises FhirError for anything but NDJSON."""
    if request.parameters:
        raise FhirError(Fault.UNSUPPORTED, "an import has no parameters: it takes in the lines of its body")
    if request.content_type.partition(";")[0].strip().lower() not in MEDIA_TYPES or server.blobs is None:
        raise FhirError(Fault.UNSUPPORTED, f"an import is {NDJSON}; files at URLs are not fetched", status=415)
    if not request.content.strip():
        raise FhirError(Fault.MALFORMED, "there is no line in the body", code="required")
    IMPORTS.room(server, request)
    identifier = uuid.uuid4()
    key = f"{bulk.PREFIX}{identifier}/lines.ndjson"
    server.blobs.put(key, request.content)
    wanted = {"file": key, "bytes": len(request.content), "url": f"{request.base}/$import"}
    try:
        return IMPORTS.accepted(server, request, identifier, wanted)
    except BaseException:                # without its job nobody would ever remove it
        server.blobs.delete([key])
        raise


def _progress(job: Job) -> str:
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
