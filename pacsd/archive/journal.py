"""Facts that are in no object's bytes, appended where the bytes are, so that an index can be rebuilt from blobs alone.

One small blob for each fact, or for all that are said at a time, `journal/<yyyy>/<mm>/<dd>/<ulid>.json`, durable before
`append` returns; where many are said, a record of a segment, `<ulid>.log/<offset>.json`. Facts name
organisations by code and everything else by UID or identifier, never by a key of the index. Whoever applies a fact
must be able to apply it twice: repair replays the last ones after a crash, rebuild all of them.

Each blob says its `moment`, microseconds since the epoch: segments of several processes are written side by side, and
when a record of one was written no copy of it, as a backup holds, can tell.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from heapq import heappop, heappush
from typing import Protocol

import orjson

from pacsd.blobs.port import BlobInfo, BlobStore
from pacsd.blobs.ulid import Ulids, ulid_time
from pacsd.faults import Fault, PacsdError

log = logging.getLogger("pacsd.archive")

VERSION, VERSION_OF_MANY = 1, 2
PREFIX = "journal/"
_SEGMENT = ".log"                        # which several blobs share
_ULID_CHARACTERS = 26
_MILLISECOND = 1_000                     # in microseconds
FHIR_PREFIX = "fhir-journal/"            # a journal of its own: what clients write through FHIR is much, and read back
                                         # in its own way


class FactKind(Enum):
    """What was said. The value is what stands in the blob."""

    PATIENT_OVERLAY = "overlay.patient"      # authority, patient_id, attributes
    STUDY_OVERLAY = "overlay.study"          # organisation, study, attributes
    # organisation, study, series {uid: [sop, ...]}, code; since IHE RAD-66 is served also note (its UID), reason,
    # awaited (what was not there is to be kept, hidden, when it comes)
    REJECT = "reject"
    REJECTION_NOTE = "rejection.note"        # organisation, study, series, sop, code: this instance is a note
    RESTORE = "restore"                      # organisation, study, series {uid: [sop, ...]}, reason
    PURGE = "purge"                          # organisation, study, series {uid: [sop, ...]}
    HOLD = "hold"                            # organisation, study, reason: not to be deleted
    RELEASE = "release"                      # organisation, study, reason
    REPLACE = "replace"                      # key, study, series, sop, digest: the bytes that count from now on
    PATIENT_MERGE = "patient.merge"          # authority, patient_id, into
    ORDER = "order"                          # organisation, authority, patient_id, procedure, steps: all of it
    STEP_PERFORMED = "step.performed"        # organisation, scheduled [[study, accession, [step id, ...]], ...], status
    PATIENT_UNMERGE = "patient.unmerge"      # authority, patient_id
    PATIENT_DETAILS = "patient.details"      # authority, patient_id, organisation, details {name: value}
    PERSON_LINK = "person.link"              # authority, patient_id, other_authority, other_id
    PERSON_SEPARATE = "person.separate"      # authority, patient_id, other_authority, other_id
    PERSON_MATCHED = "person.matched"        # steps [[step, authority, patient_id, other_authority, other_id], ...]
    FHIR = "fhir"                            # organisation, type, id, version, method, deleted, owner, body
    ACCESS_GRANTED = "access.granted"        # organisation, name, grantee, study or patient_id, …
    ACCESS_REVOKED = "access.revoked"        # organisation, name, by, reason
    CARE_ENCOUNTER = "care.encounter"        # organisation, name, authority, patient_id, stands, from, until
    LINK_MADE = "link.made"                  # organisation, name, studies or patient_id, until, digest, pin, …
    LINK_VIEWED = "link.viewed"              # organisation, name, views: so many by then
    LINK_REVOKED = "link.revoked"            # organisation, name, by, reason
    LINK_FILM = "link.film"                  # organisation, study, closed, by, reason
    ORGANISATION = "organisation"            # organisation, name, assigning_authority, active, keeper
    APPLICATION_ENTITY = "application.entity"    # organisation, title, keeper, caller, remote
    REPORT = "report"                        # organisation, uid, names, patients, status, content or content_key, …


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact; `at` orders facts and tells which objects were there when it was said."""

    key: str
    kind: FactKind
    at: datetime
    body: Mapping[str, object]


class Records(Protocol):
    """Where who says much says it: pacsd.blobs.record_log.RecordLog."""

    def put(self, folder: str, data: bytes) -> BlobInfo | None:
        """Keep a blob in a folder, durable on return; None for one that is to be a file of its own."""

    def close(self) -> None:
        """Leave what was written to its readers."""


class _Waiting:
    """What one thread wants to say, until it is said."""

    def __init__(self, facts: Sequence[bytes]) -> None:
        self.facts = facts
        self.said = False
        self.error: PacsdError | None = None


class Journal:
    """Appends and replays facts; used by many threads and processes at once."""

    def __init__(
        self, blobs: BlobStore, *, prefix: str = PREFIX, ulids: Ulids | None = None, records: Records | None = None
    ) -> None:
        self._blobs = blobs
        self._records = records
        self._prefix = prefix
        self._ulids = ulids or Ulids()
        self._moment = 0                         # of the last blob
        self._turn = threading.Lock()            # whose turn it is to write what waits
        self._waiting: deque[_Waiting] = deque()

    def append(self, fact: Mapping[str, object]) -> Fact:
        """Keep a fact for good; `fact["fact"]` names its kind. Raises PacsdError FULL, UNAVAILABLE: it was not said."""
        body = dict(fact)
        kind = FactKind(body.pop("fact"))
        with self._turn:
            ulid, moment = self._next()
            at = ulid_time(ulid)
            said = {"version": VERSION, "moment": moment, "fact": kind.value, "at": at.isoformat()}
            text = orjson.dumps({**said, **body})
            return Fact(self._put(ulid, text), kind, at, body)

    def append_all(self, facts: Sequence[tuple[Mapping[str, object], datetime]]) -> None:
        """Keep facts, each with when it was said, for good: all or none. Raises PacsdError FULL, UNAVAILABLE.

        What other threads say meanwhile goes into the same blob: a blob costs more than the facts in it.
        """
        mine = _Waiting([
            orjson.dumps({**body, "fact": FactKind(body["fact"]).value, "at": at.isoformat()}) for body, at in facts
        ])
        self._waiting.append(mine)
        with self._turn:
            if not mine.said:
                self._say_waiting()
        if mine.error is not None:
            raise mine.error

    def _say_waiting(self) -> None:
        all_of_them = [self._waiting.popleft() for _ in range(len(self._waiting))]
        error: PacsdError | None = PacsdError(Fault.INTERNAL, "the journal was not written")
        try:
            ulid, moment = self._next()
            texts = b",".join(text for one in all_of_them for text in one.facts)
            self._put(ulid, b'{"version":%d,"moment":%d,"facts":[%b]}' % (VERSION_OF_MANY, moment, texts))
            error = None
        except PacsdError as problem:
            error = problem
        finally:
            for one in all_of_them:
                one.error, one.said = error, True

    def close(self) -> None:
        """Give back what was written ahead."""
        if self._records is not None:
            self._records.close()

    def _next(self) -> tuple[str, int]:
        """The name and the moment of the next blob: of the same millisecond, and none before the last one's."""
        ulid = self._ulids()
        begun = _microseconds(ulid)
        self._moment = max(begun, self._moment, min(int(time.time() * 1e6), begun + _MILLISECOND - 1))
        return ulid, self._moment

    def _put(self, ulid: str, text: bytes) -> str:
        """Keep what is said, one after the other; the key of it."""
        folder = f"{self._prefix}{ulid_time(ulid):%Y/%m/%d}"
        kept = self._records.put(folder, text) if self._records is not None else None
        return kept.key if kept is not None else self._blobs.put(f"{folder}/{ulid}.json", text).key

    def replay(self, *, since: datetime | None = None) -> Iterator[Fact]:
        """Facts in the order they were said, from `since` on.

        Raises PacsdError UNAVAILABLE at a fact that cannot be read: to skip one would change the truth. But the last
        record of a segment may be half of one, of which a crash kept the rest from the disk: nobody was promised it.
        """
        for prefix in self._days(since):
            for facts in self._as_said(self._blobs.list(prefix)):
                yield from (fact for fact in facts if since is None or fact.at >= since)

    def _as_said(self, infos: Iterable[BlobInfo]) -> Iterator[Sequence[Fact]]:
        """What blobs say in the order they were said: segments of several processes are written side by side.

        `infos` are in the order of keys, which begin with when a blob was said or a segment begun: what was said before
        the next of these is yielded before it. At most what was said while a segment was written is held.
        """
        held: list[tuple[int, str, Sequence[Fact]]] = []
        for info in infos:
            begun = _begun(info.key)
            while held and held[0][0] < begun:
                yield heappop(held)[2]
            moment, facts = self._read(info.key)
            heappush(held, (max(moment, begun), info.key, facts))
        while held:
            yield heappop(held)[2]

    def _read(self, key: str) -> tuple[int, Sequence[Fact]]:
        """When it was said, where it tells, and its facts."""
        found = self._parsed(key)
        if found is None and self._was_cut_off(key):
            log.warning("the journal's last words are not whole", extra={"key": key})
            return 0, ()
        if found is None:                        # one that was being written is whole when another follows it
            found = self._parsed(key)
        if found is None:
            raise PacsdError(Fault.UNAVAILABLE, f"the journal's {key} cannot be read")
        return found

    def _parsed(self, key: str) -> tuple[int, Sequence[Fact]] | None:
        """What a blob says; None where it does not say any. Raises PacsdError UNSUPPORTED."""
        try:
            body = orjson.loads(self._blobs.read(key))
            version, moment = body.pop("version"), int(body.pop("moment", 0))
            if version not in (VERSION, VERSION_OF_MANY):
                raise PacsdError(Fault.UNSUPPORTED, f"a later version wrote {key}")
            bodies = [body] if version == VERSION else body["facts"]
            return moment, [
                Fact(key, FactKind(one.pop("fact")), datetime.fromisoformat(one.pop("at")), one) for one in bodies
            ]
        except (orjson.JSONDecodeError, KeyError, ValueError, AttributeError, TypeError):
            return None

    def _was_cut_off(self, key: str) -> bool:
        """Whether it is the last record of a segment: a writer that goes on has synced those before."""
        segment = key.rpartition("/")[0]
        return segment.endswith(_SEGMENT) and max(info.key for info in self._blobs.list(f"{segment}/")) == key

    def _days(self, since: datetime | None) -> Iterator[str]:
        if since is None:
            yield self._prefix
            return
        day = since.astimezone(UTC).date()
        while day <= datetime.now(UTC).date() + timedelta(days=1):
            yield f"{self._prefix}{day:%Y/%m/%d}/"
            day += timedelta(days=1)


def _begun(key: str) -> int:
    """The moment of which the name of a blob or of its segment is."""
    folder, _, name = key.rpartition("/")
    return _microseconds((folder.rpartition("/")[2] if folder.endswith(_SEGMENT) else name)[:_ULID_CHARACTERS])


def _microseconds(ulid: str) -> int:
    try:
        return round(ulid_time(ulid).timestamp() * 1000) * _MILLISECOND
    except (ValueError, OverflowError):          # none of ours: where its name stands
        return 0
