"""What an export puts out: resources of one type after the other, in files of NDJSON (Bulk Data Access 2.0, export).

One step writes one file, durable before the job says so: who takes over after a crash begins with the next one.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from uuid import uuid4

from fhir.definitions.compartments import ITSELF, compartments
from fhir.format import json
from fhir.search.conditions import Reader
from fhir.search.query import AllOf, AnyOf, Chain, Condition, Ids, Links, Match, OfTypes, Query
from fhir.search.request import read
from fhir.store import jobs, resources
from fhir.store.jobs import Job
from fhir.store.search import Hit, Searches
from fhir.store.sorting import After
from fhir.store.stored import Name
from pacsd.access.scope import Scope
from pacsd.blobs.port import BlobStore
from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Pool

KIND = "export"
PREFIX = "fhir-export/"
FILE_BYTES = 16 << 20                    # of one file, about
_PAGE = 1_000
_STEP_S = 10.0                           # that types without anything are passed over in one step
_MOST_MEMBERS = 10_000                   # of a group


@dataclass(frozen=True, slots=True)
class Exports:
    """Works on exports."""

    pool: Pool
    searches: Searches
    blobs: BlobStore
    zone: tzinfo = UTC
    file_bytes: int = FILE_BYTES
    monotonic: Callable[[], float] = time.monotonic
    standing: Callable[[int], Scope] | None = None       # what an organisation sees today; None: as when it asked

    def _scope(self, job: Job) -> Scope:
        """For whom it is done: what they saw when they asked, without what they see no more."""
        if self.standing is None:
            return job.scope
        today = self.standing(job.organisation)
        seen = tuple(one for one in job.scope.organisations if one in today.organisations)
        return replace(job.scope, organisations=seen, opened=today.opened)

    def step(self, job: Job) -> bool:
        """Write the next file, of the next type that has any; whether there is more to do. Raises PacsdError."""
        types: list[str] = job.request["types"]
        number = int(job.state.get("type", 0))
        last = job.state.get("last")
        output: list[dict[str, Any]] = []
        until = self.monotonic() + _STEP_S
        while number < len(types) and not output and self.monotonic() < until:
            written, last, count = self._file(job, self._query(job, types[number]), last, types[number])
            if count:
                output.append({"type": types[number], "file": written, "count": count})
            if last is None:
                number += 1
        more = number < len(types)
        wanted = jobs.advance(self.pool, job.id, state={"type": number, "last": last}, output=output,
                              status=jobs.WAITING if more else jobs.DONE)  # fmt: skip
        if not wanted:
            self.blobs.delete(one["file"] for one in output)
        return wanted and more

    def _file(self, job: Job, query: Query, last: int | None, kind: str) -> tuple[str, int | None, int]:
        """A file of what comes after `last`: its key, where it ended (None: there is no more), and how many it has."""
        key = f"{PREFIX}{job.id}/{kind}-{uuid4().hex}.ndjson"
        writer = self.blobs.create(key)
        size = count = 0
        try:
            while True:
                page = self.searches.page(self.pool, self._scope(job), query, None if last is None else After((), last),
                                          most_bytes=self.file_bytes)  # fmt: skip
                for hit in page.hits:
                    line = _line(hit)
                    writer.write(line)
                    size, count, last = size + len(line), count + 1, hit.pk
                if not page.more or size >= self.file_bytes:
                    break
            if count:
                writer.commit()
            else:
                writer.abort()
        except BaseException:
            writer.abort()
            raise
        return key, last if page.more else None, count

    def _query(self, job: Job, kind: str) -> Query:
        conditions: list[Condition] = [OfTypes((kind,))]
        patients = job.request.get("patients")
        if patients is not None:
            conditions.append(_inside(kind, patients))
        pairs = [("_lastUpdated", f"ge{job.request['since']}")] if job.request.get("since") else []
        reader = Reader(job.request["base"], self.zone, datetime.now(UTC))
        conditions += read(reader, [kind], pairs, strict=True).query.conditions
        filters = [AllOf(tuple(read(reader, [kind], _pairs(one), strict=True).query.conditions))
                   for one in job.request.get("filters", {}).get(kind, ())]  # fmt: skip
        if filters:
            conditions.append(AnyOf(tuple(filters)))
        return Query((kind,), tuple(conditions), count=_PAGE)


def _pairs(told: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in told]


def _line(hit: Hit) -> bytes:
    """A resource on one line, as it is kept; written again if it has line breaks of its own."""
    body = hit.body
    return (json.write(json.read(body)) if b"\n" in body else body) + b"\n"


def of_patients() -> tuple[str, ...]:
    """Types of which exports of patients are."""
    return tuple(sorted({*compartments()["Patient"], "Patient"}))


def _inside(kind: str, patients: Sequence[str]) -> Condition:
    """Of the compartments of these patients; of any where none is named."""
    names = tuple(f"{kind}.{code}" for code in compartments()["Patient"].get(kind, ()) if code != ITSELF)
    if kind == "Patient":
        return Ids(tuple(patients), ("Patient",)) if patients else OfTypes(("Patient",))
    if not patients:
        return Chain(names, ("Patient",), OfTypes(("Patient",)))
    return Match(names, Links(tuple(f"Patient/{one}" for one in patients)))


def members(pool: Pool, scope: Scope, group: str) -> list[str]:
    """Ids of the patients of a Group. Raises PacsdError NOT_FOUND, TOO_BROAD, UNSUPPORTED without members listed."""
    stored = resources.read(pool, scope, Name("Group", group))
    if stored is None or stored.deleted:
        raise PacsdError(Fault.NOT_FOUND, "there is no such group")
    found = list(dict.fromkeys(_patients(json.read(stored.body))))
    if len(found) > _MOST_MEMBERS:
        raise PacsdError(Fault.TOO_BROAD, f"the group has more than {_MOST_MEMBERS} patients")
    if not found:
        raise PacsdError(Fault.UNSUPPORTED, "the group lists no patients")
    return found


def _patients(group: Mapping[str, Any]) -> Iterator[str]:
    for one in group.get("member", ()):
        name = str(one.get("entity", {}).get("reference", ""))
        if name.startswith("Patient/") and not one.get("inactive"):
            yield name.removeprefix("Patient/").partition("/")[0]
