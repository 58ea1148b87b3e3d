"""$import of NDJSON in the body of the request, worked on afterwards, as $export is."""

import uuid
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson

from fhir.bulk import importing as bulk
from fhir.interaction.request import Answer, Raw, Request
from fhir.interaction.services import Server
from fhir.interaction.versions import instant
from fhir.operation.export import NDJSON
from fhir.outcome import FhirError, Issue, outcome
from fhir.store import jobs
from fhir.store.jobs import Job
from pacsd.faults import Fault

MEDIA_TYPES = (NDJSON, "application/ndjson", "application/x-ndjson")
_MOST_DIGITS = 9
_KEPT = timedelta(hours=24)
_MOST_WAITING = 100                      # jobs of an organisation that are not done


def import_all(server: Server, request: Request) -> Answer:
    """202 with where to ask how it stands, once the body is durable. Raises FhirError for anything but NDJSON."""
    if request.parameters:
        raise FhirError(Fault.UNSUPPORTED, "an import has no parameters: it takes in the lines of its body")
    if request.content_type.partition(";")[0].strip().lower() not in MEDIA_TYPES or server.blobs is None:
        raise FhirError(Fault.UNSUPPORTED, f"an import is {NDJSON}; files at URLs are not fetched", status=415)
    if not request.content.strip():
        raise FhirError(Fault.MALFORMED, "there is no line in the body", code="required")
    scope = request.asker.scope
    if jobs.count(server.pool, scope) >= _MOST_WAITING:
        raise FhirError(Fault.TOO_MUCH, f"{_MOST_WAITING} jobs are waiting already", status=429, code="throttled",
                        headers={"Retry-After": "60"})  # fmt: skip
    identifier = uuid.uuid4()
    key = f"{bulk.PREFIX}{identifier}/lines.ndjson"
    server.blobs.put(key, request.content)
    wanted = {"file": key, "bytes": len(request.content), "url": f"{request.base}/$import"}
    jobs.add(server.pool, scope, identifier, bulk.KIND, wanted, keep=_KEPT)
    return Answer(202, headers={"Content-Location": f"{request.base}/_import/{identifier}"})


def status(server: Server, request: Request) -> Answer:
    """202 while it is worked on, 200 with what was kept and refused, or why it was given up. Raises FhirError."""
    job = _job(server, request)
    if job.status == jobs.WAITING:
        done, of = int(job.state.get("offset", 0)), int(job.request["bytes"])
        return Answer(202, headers={"X-Progress": f"{done} of {of} bytes", "Retry-After": "1"})
    if job.status == jobs.FAILED:
        return Answer(500, resource=outcome([Issue("error", "processing", job.error)]))
    content = orjson.dumps(_manifest(request.base, job))
    return Answer(200, raw=Raw(content, "application/json"),
                  headers={"Expires": format_datetime(job.expires_at.astimezone(UTC), usegmt=True)})  # fmt: skip


def cancel(server: Server, request: Request) -> Answer:
    """202: it is not worked on any more; what was kept stays. Raises FhirError NOT_FOUND."""
    jobs.cancel(server.pool, _job(server, request).id)
    return Answer(202)


def file(server: Server, request: Request) -> Answer:
    """200 with OperationOutcomes of refused lines. Raises FhirError NOT_FOUND."""
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
        raise FhirError(Fault.NOT_FOUND, "there is no such import")
    return found


def _manifest(base: str, job: Job) -> dict[str, Any]:
    url = f"{base}/_import/{job.id}/_file?number="
    return {
        "transactionTime": instant(job.created_at), "request": job.request["url"],
        "output": [{"type": kind, "count": count} for kind, count in sorted(job.state.get("kept", {}).items())],
        "error": [{"type": "OperationOutcome", "url": f"{url}{number}", "count": one["count"]}
                  for number, one in enumerate(job.output)],
    }  # fmt: skip
