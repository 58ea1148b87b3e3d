"""What an import takes in: lines of NDJSON, in batches that are each one transaction.

A step fetches a file, where URLs were named, or takes a part of it in and says where it ended. After a crash a part is
taken in again: a line with an id says nothing new then, and one without gets the same id again, so nothing comes twice.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID, uuid4, uuid5

import httpx

from fhir import outgoing
from fhir.bulk.fetching import fetch
from fhir.bulk.worker import AGAIN, Later
from fhir.definitions.structures import structures
from fhir.format import json, ndjson
from fhir.format.ndjson import Line
from fhir.interaction.permission import REGISTER
from fhir.interaction.request import checked_id
from fhir.interaction.services import Server
from fhir.interaction.transaction import AUDIT
from fhir.interaction.versions import acceptable, first, following
from fhir.outcome import FhirError, Issue, of_error, outcome
from fhir.outgoing import Door
from fhir.store import jobs, locks
from fhir.store.jobs import Job
from fhir.store.stored import Change, Name
from fhir.store.unit import Unit
from pacsd.blobs.port import BlobStore
from pacsd.faults import Fault, PacsdError

KIND = "import"
PREFIX = "fhir-import/"
STEP_BYTES = 2 << 20                     # of the file, about
BATCH = 250                              # resources of one transaction
MOST_TRIES = 5                           # to fetch a file
MOST_ERRORS = 10_000                     # lines with something wrong, after which the import is given up


class Taken(NamedTuple):
    """What became of lines: how many of each type are kept, and an OperationOutcome for each that is not."""

    kept: Counter[str]
    errors: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Imports:
    """Works on imports."""

    server: Server
    blobs: BlobStore
    step_bytes: int = STEP_BYTES
    door: Door = field(default_factory=Door)
    client: httpx.Client = field(default_factory=outgoing.client)
    monotonic: Callable[[], float] = time.monotonic

    def step(self, job: Job) -> bool:
        """Take the next part in, or fetch the next file; whether there is more. Raises PacsdError."""
        sources = job.request.get("sources", ())
        if sources and "file" not in job.state:
            return self._fetch(job, sources)
        told = job.state if sources else job.request
        key, size, source = str(told["file"]), int(told["bytes"]), int(job.state.get("source", 0))
        offset, number = int(job.state.get("offset", 0)), int(job.state.get("line", 0))
        part = self._part(key, offset, size)
        lines = (one._replace(number=number + one.number) for one in ndjson.read([part]))
        taken = self.take(job, lines, source)
        failed = int(job.state.get("failed", 0)) + len(taken.errors)
        kept = Counter(job.state.get("kept", {})) + taken.kept
        state = {**job.state, "offset": offset + len(part), "line": number + part.count(b"\n"), "failed": failed,
                 "kept": dict(kept)}  # fmt: skip
        output = [{"file": self._errors(job.id, taken.errors), "count": len(taken.errors)}] if taken.errors else []
        if failed > MOST_ERRORS:
            return jobs.advance(self.server.pool, job.id, state=state, output=output, status=jobs.FAILED,
                                error=f"more than {MOST_ERRORS} lines are wrong") and False  # fmt: skip
        done = offset + len(part) >= size
        if done and source + 1 < len(sources):
            done, state = False, {"source": source + 1, "failed": failed, "kept": dict(kept)}
        more = jobs.advance(self.server.pool, job.id, state=state, output=output,
                            status=jobs.DONE if done else jobs.WAITING)  # fmt: skip
        if sources and offset + len(part) >= size:
            self.blobs.delete([key])         # it was fetched for this alone
        return more and not done

    def take(self, job: Job, lines: Iterable[Line], source: int = 0) -> Taken:
        """Keep what lines say, as far as nothing speaks against it, up to where too many are wrong."""
        taken = Taken(Counter(), [])
        for batch in _batches(self._named(job, lines, taken.errors, source)):
            self._keep(job, batch, taken)
        return taken

    def _fetch(self, job: Job, sources: Sequence[Mapping[str, str]]) -> bool:
        """Have the next file here. Where it cannot be had the import waits a minute, a few times, and is given up."""
        source, tries = int(job.state.get("source", 0)), int(job.state.get("tries", 0)) + 1
        key = f"{PREFIX}{job.id}/source-{source}-{uuid4().hex}.ndjson"
        try:
            size = self._stored(job, key, sources[source]["url"])
        except PacsdError as error:
            if error.fault is Fault.FULL:
                raise
            if error.fault is not Fault.UNAVAILABLE or tries >= MOST_TRIES:
                raise PacsdError(Fault.NOT_FOUND, f"source {source + 1}: {error.message}") from error
            jobs.advance(self.server.pool, job.id, state={**job.state, "tries": tries})
            raise Later from error
        state = {**job.state, "source": source, "file": key, "bytes": size, "offset": 0, "line": 0, "tries": 0}
        return jobs.advance(self.server.pool, job.id, state=state)

    def _stored(self, job: Job, key: str, url: str) -> int:
        """Fetch a file into a blob; its size. Who does it goes on holding the job. Raises PacsdError."""
        writer, held, size = self.blobs.create(key), self.monotonic(), 0

        def take(piece: bytes) -> None:
            nonlocal held, size
            writer.write(piece)
            size += len(piece)
            if self.monotonic() - held > jobs.HELD_S / 6:
                held = self.monotonic()
                if not jobs.advance(self.server.pool, job.id, state=job.state):
                    raise PacsdError(Fault.GONE, "the import was cancelled")

        try:
            fetch(self.client, self.door, url, take, monotonic=self.monotonic)
            writer.commit()
        except BaseException:
            writer.abort()
            raise
        return size

    def _part(self, key: str, offset: int, size: int) -> bytes:
        """From an offset to the end of a line."""
        part = self.blobs.read(key, offset_bytes=offset, length_bytes=min(self.step_bytes, size - offset))
        while offset + len(part) < size and b"\n" not in part:
            if len(part) > ndjson.MAX_LINE_BYTES + self.step_bytes:
                raise PacsdError(Fault.TOO_MUCH, "a line is longer than 16 MiB")
            part += self.blobs.read(key, offset_bytes=offset + len(part),
                                    length_bytes=min(self.step_bytes, size - offset - len(part)))  # fmt: skip
        return part if offset + len(part) >= size else part[: part.rindex(b"\n") + 1]

    def _named(
        self, job: Job, lines: Iterable[Line], errors: list[dict[str, Any]], source: int
    ) -> Iterator[tuple[int, Name, dict[str, Any]]]:
        """Resources that may be kept, with their line and name."""
        sources = job.request.get("sources", ())
        for line in lines:
            try:
                resource = _resource(line, str(sources[source]["type"]) if sources else "")
                unnamed = f"{source} {line.number}" if source else str(line.number)
                name = Name(resource["resourceType"], str(resource.get("id") or uuid5(job.id, unnamed)))
                checked_id(name.id)
                if name.type == AUDIT:
                    raise FhirError(Fault.UNSUPPORTED, "audit events are fed one by one, or in a batch")
                if name.type in job.request.get("refused", REGISTER):
                    raise FhirError(Fault.FORBIDDEN, "who asked for the import may not write resources of this type")
                acceptable(self.server, resource, name.type)
            except PacsdError as error:
                errors.append(_told(line.number, error))
                if len(errors) > MOST_ERRORS:
                    return
                continue
            yield line.number, name, resource

    def _keep(self, job: Job, batch: Sequence[tuple[int, Name, dict[str, Any]]], taken: Taken) -> None:
        """One transaction; line by line where one of them is in the way of the others."""
        names = [name for _, name, _ in batch]

        def act(unit: Unit) -> None:
            unit.base = str(job.request.get("url", "")).removesuffix("/$import")
            current = unit.newest(names)
            keys = iter(unit.keys(sum(one not in current for one in names)))
            changes: list[Change] = []
            for _, name, resource in batch:
                if name not in current:
                    changes.append(first(self.server, unit, name, resource, method="PUT", pk=next(keys)))
                elif change := following(self.server, unit, current[name], name, resource, method="PUT"):
                    changes.append(change)
            unit.write(changes)

        try:
            self.server.units.run(act, scope=job.scope, organisation=job.organisation, held=locks.of_resources(names))
            taken.kept.update(name.type for name in names)
        except PacsdError as error:
            if error.fault in AGAIN:
                raise
            if len(batch) == 1:
                taken.errors.append(_told(batch[0][0], error))
                return
            for one in batch:
                self._keep(job, [one], taken)

    def _errors(self, job: UUID, errors: Sequence[dict[str, Any]]) -> str:
        key = f"{PREFIX}{job}/errors-{uuid4().hex}.ndjson"
        self.blobs.put(key, b"".join(json.write(one) + b"\n" for one in errors))
        return key


def _batches(
    found: Iterator[tuple[int, Name, dict[str, Any]]]
) -> Iterator[list[tuple[int, Name, dict[str, Any]]]]:
    """Of BATCH at most, and of each resource one version: a second one is of the next batch."""
    batch: list[tuple[int, Name, dict[str, Any]]] = []
    names: set[Name] = set()
    for one in found:
        if len(batch) == BATCH or one[1] in names:
            yield batch
            batch, names = [], set()
        batch.append(one)
        names.add(one[1])
    if batch:
        yield batch


def _resource(line: Line, wanted: str) -> dict[str, Any]:
    """The resource of a line, of the type that its file is said to have."""
    if line.error is not None or line.resource is None:
        raise line.error or PacsdError(Fault.MALFORMED, "there is no resource")
    kind = line.resource.get("resourceType")
    if kind not in structures().resource_types:
        raise FhirError(Fault.MALFORMED, "the line is of no resource type of FHIR R4", code="structure")
    if wanted and kind != wanted:
        raise FhirError(Fault.MISMATCH, f"the line is no {wanted}, as its file is said to have")
    return line.resource


def _told(number: int, error: PacsdError) -> dict[str, Any]:
    """An OperationOutcome that names the line."""
    _, issues, _ = of_error(error)
    return outcome([Issue(one.severity, one.code, f"line {number}: {one.diagnostics}", one.expression)
                    for one in issues])  # fmt: skip
