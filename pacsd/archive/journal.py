"""Facts that are in no object's bytes, appended where the bytes are, so that an index can be rebuilt from blobs alone.

One small blob for each fact, `journal/<yyyy>/<mm>/<dd>/<ulid>.json`, durable before `append` returns. Facts name
organisations by code and everything else by UID or identifier, never by a key of the index. Whoever applies a fact
must be able to apply it twice: repair replays the last ones after a crash, rebuild all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

import orjson

from pacsd.blobs.port import BlobStore
from pacsd.blobs.ulid import Ulids, ulid_time
from pacsd.faults import Fault, PacsdError

VERSION = 1
PREFIX = "journal/"


class FactKind(Enum):
    """What was said. The value is what stands in the blob."""

    PATIENT_OVERLAY = "overlay.patient"      # authority, patient_id, attributes
    STUDY_OVERLAY = "overlay.study"          # organisation, study, attributes
    REJECT = "reject"                        # organisation, study, series {uid: [sop, ...]}, code
    RESTORE = "restore"                      # organisation, study, series {uid: [sop, ...]}
    PURGE = "purge"                          # organisation, study, series {uid: [sop, ...]}
    REPLACE = "replace"                      # key, study, series, sop, digest: the bytes that count from now on
    PATIENT_MERGE = "patient.merge"          # authority, patient_id, into


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact; `at` orders facts and tells which objects were there when it was said."""

    key: str
    kind: FactKind
    at: datetime
    body: Mapping[str, object]


class Journal:
    """Appends and replays facts; used by many threads and processes at once."""

    def __init__(self, blobs: BlobStore, *, ulids: Ulids | None = None) -> None:
        self._blobs = blobs
        self._ulids = ulids or Ulids()

    def append(self, fact: Mapping[str, object]) -> Fact:
        """Keep a fact for good; `fact["fact"]` names its kind. Raises PacsdError FULL, UNAVAILABLE: it was not said."""
        body = dict(fact)
        kind = FactKind(body.pop("fact"))
        ulid = self._ulids()
        at = ulid_time(ulid)
        said = Fact(f"{PREFIX}{at:%Y/%m/%d}/{ulid}.json", kind, at, body)
        text = orjson.dumps({"version": VERSION, "fact": kind.value, "at": at.isoformat(), **body})
        self._blobs.put(said.key, text)
        return said

    def replay(self, *, since: datetime | None = None) -> Iterator[Fact]:
        """Facts in the order they were said, from `since` on.

        Raises PacsdError UNAVAILABLE at a fact that cannot be read: to skip one would change the truth.
        """
        for prefix in _days(since):
            for info in self._blobs.list(prefix):
                fact = self._read(info.key)
                if since is None or fact.at >= since:
                    yield fact

    def _read(self, key: str) -> Fact:
        try:
            body = orjson.loads(self._blobs.read(key))
            if body.pop("version") != VERSION:
                raise PacsdError(Fault.UNSUPPORTED, f"a later version wrote {key}")
            return Fact(key, FactKind(body.pop("fact")), datetime.fromisoformat(body.pop("at")), body)
        except (orjson.JSONDecodeError, KeyError, ValueError, AttributeError, TypeError) as error:
            raise PacsdError(Fault.UNAVAILABLE, f"the journal's {key} cannot be read") from error


def _days(since: datetime | None) -> Iterator[str]:
    if since is None:
        yield PREFIX
        return
    day = since.astimezone(UTC).date()
    while day <= datetime.now(UTC).date() + timedelta(days=1):
        yield f"{PREFIX}{day:%Y/%m/%d}/"
        day += timedelta(days=1)
