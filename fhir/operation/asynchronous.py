"""What is worked on after its request (http://hl7.org/fhir/R4/async.html): asked for, asked after, cancelled, read."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson

from fhir.interaction.request import Answer, Raw, Request
from fhir.interaction.services import Server
from fhir.outcome import FhirError, Issue, outcome
from fhir.store import jobs
from fhir.store.jobs import Job
from pacsd.faults import Fault

NDJSON = "application/fhir+ndjson"
_KEPT = timedelta(hours=24)              # from when it was asked for
_ASK_AGAIN_S = 1
_MOST_DIGITS = 9                         # of the number of a file


@dataclass(frozen=True, slots=True)
class Asynchronous:
    """Requests of one kind, asked after at [base]/_KIND/ID. `most_waiting`: not done yet, of one organisation.

    `progress` tells how far a job is; `manifest` what it made, with links below the URL that it is given.
    """

    kind: str
    most_waiting: int
    progress: Callable[[Job], str]
    manifest: Callable[[str, Job], Mapping[str, Any]]

    def room(self, server: Server, request: Request) -> None:
        """Raises FhirError 429 where too many of the organisation's jobs wait already."""
        if jobs.count(server.pool, request.asker.scope, self.kind) >= self.most_waiting:
            raise FhirError(Fault.TOO_MUCH, f"{self.most_waiting} {self.kind}s are waiting already", status=429,
                            code="throttled", headers={"Retry-After": "60"})  # fmt: skip

    def accepted(self, server: Server, request: Request, identifier: uuid.UUID, wanted: Mapping[str, Any]) -> Answer:
        """202 with where to ask how it stands, once it cannot be lost."""
        jobs.add(server.pool, request.asker.scope, identifier, self.kind, wanted, keep=_KEPT)
        return Answer(202, headers={"Content-Location": f"{request.base}/_{self.kind}/{identifier}"})

    def status(self, server: Server, request: Request) -> Answer:
        """202 while it is worked on, 200 with the manifest, or why it failed. Raises FhirError NOT_FOUND."""
        job = self._job(server, request)
        if job.status == jobs.WAITING:
            return Answer(202, headers={"X-Progress": self.progress(job), "Retry-After": str(_ASK_AGAIN_S)})
        if job.status == jobs.FAILED:
            return Answer(500, resource=outcome([Issue("error", "processing", job.error)]))
        content = orjson.dumps(self.manifest(f"{request.base}/_{self.kind}/{job.id}", job))
        return Answer(200, raw=Raw(content, "application/json"),
                      headers={"Expires": format_datetime(job.expires_at.astimezone(UTC), usegmt=True)})  # fmt: skip

    def cancel(self, server: Server, request: Request) -> Answer:
        """202: it is not worked on any more, and its files go. Raises FhirError NOT_FOUND."""
        jobs.cancel(server.pool, self._job(server, request).id)
        return Answer(202)

    def file(self, server: Server, request: Request) -> Answer:
        """200 with a file of the manifest. Raises FhirError NOT_FOUND."""
        job = self._job(server, request)
        number = dict(request.parameters).get("number", "")
        known = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS and int(number) < len(job.output)
        if not known or server.blobs is None:
            raise FhirError(Fault.NOT_FOUND, "there is no such file")
        return Answer(200, raw=Raw(server.blobs.read(job.output[int(number)]["file"]), NDJSON))

    def _job(self, server: Server, request: Request) -> Job:
        try:
            found = jobs.read(server.pool, request.asker.scope, uuid.UUID(request.id), self.kind)
        except ValueError:
            found = None
        if found is None or found.status == jobs.CANCELLED or found.expires_at < datetime.now(UTC):
            raise FhirError(Fault.NOT_FOUND, f"there is no such {self.kind}")
        return found
