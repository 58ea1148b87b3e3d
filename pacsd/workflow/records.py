"""Workitems, subscriptions and performed steps as blobs, so that an index can be rebuilt from blobs alone.

They are facts that stand in no object's bytes, so each is durable beside the objects before it is answered, like what
the journal keeps. They stand outside `journal/` because they change often and end: one blob, under `worklist/`, says
all of one of them, each change writes another, and the former one is collected after a grace period.
What counts is the one of the highest revision, of those the latest. What a subscriber has not heard yet is not
recorded.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import orjson

from pacsd.blobs.port import BlobStore
from pacsd.blobs.ulid import Ulids, ulid_time
from pacsd.faults import Fault, PacsdError
from pacsd.index.performed_steps import PerformedStep
from pacsd.index.subscribers import Subscriber
from pacsd.index.workitems import Workitem

PREFIX = "worklist/"
VERSION = 1
KINDS = ("workitem", "subscriber", "performed_step")     # as they are brought back: subscribers name workitems
MAX_BYTES = 32 << 20                     # of one: each message may add to what is kept, and all of it is read again
_BATCH = 1000


class Records:
    """Writes and reads them; used by many threads and processes at once."""

    def __init__(self, blobs: BlobStore, codes: Mapping[int, str]) -> None:
        self._blobs = blobs
        self._codes = codes
        self._ulids = Ulids()

    def key(self) -> str:
        """A key for the next record."""
        ulid = self._ulids()
        return f"{PREFIX}{ulid_time(ulid):%Y/%m/%d}/{ulid}.json"

    def put_workitem(self, item: Workitem) -> None:
        """Durable on return, under `item.record`. Raises PacsdError FULL, UNAVAILABLE, TOO_MUCH above MAX_BYTES."""
        self._put(item.record, {
            "workitem": item.sop_instance_uid,
            "organisation": self._codes[item.organisation],
            "revision": item.revision,
            "state": item.state,
            "transaction_uid": item.transaction_uid,
            "created_at": item.created_at,
            "changed_at": item.changed_at,
            "finished_at": item.finished_at,
            "attributes": item.attributes,
        })  # fmt: skip

    def put_subscriber(self, one: Subscriber, explicit: Iterable[tuple[int, str, bool]]) -> None:
        """A subscriber, with the workitems it named itself and their deletion locks."""
        if one.record is None:
            raise PacsdError(Fault.INTERNAL, "a record without a key")
        self._put(one.record, {
            "subscriber": one.ae_title,
            "organisation": self._codes[one.organisation],
            "revision": one.revision,
            "worklist": one.worklist,
            "worklist_lock": one.worklist_lock,
            "filter": one.filter,
            "workitems": [[self._codes[organisation], uid, lock] for organisation, uid, lock in explicit],
        })  # fmt: skip

    def put_performed_step(self, step: PerformedStep) -> None:
        """Durable on return, under `step.record`. Raises PacsdError FULL, UNAVAILABLE, TOO_MUCH above MAX_BYTES."""
        self._put(step.record, {
            "performed_step": step.sop_instance_uid,
            "organisation": self._codes[step.organisation],
            "revision": step.revision,
            "state": step.state,
            "created_at": step.created_at,
            "changed_at": step.changed_at,
            "finished_at": step.finished_at,
            "attributes": step.attributes,
        })  # fmt: skip

    def current(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and content of what counts, in the order of KINDS; what is of one kind in the order of its creation.

        Raises PacsdError UNAVAILABLE at one that cannot be read: to skip it would change the truth.
        """
        best: dict[tuple[str, ...], tuple[int, str, str]] = {}
        for info in self._blobs.list(PREFIX):
            body = self._read(info.key)
            subject, revision = _subject(body)
            told = (revision, info.key, body.get("created_at", ""))
            best[subject] = max(best.get(subject, (-1, "", "")), told)
        for _, (_, key, _) in sorted(best.items(), key=_order):
            yield key, self._read(key)

    def says(self, key: str) -> tuple[str, str, str, int]:
        """What a record is of: its kind, organisation, name and revision. Raises PacsdError NOT_FOUND, UNAVAILABLE."""
        (kind, organisation, name), revision = _subject(self._read(key))
        return kind, organisation, name, revision

    def code(self, organisation: int) -> str:
        """The organisation as records name it."""
        return self._codes[organisation]

    def old_keys(self, *, older_than_s: float) -> Iterator[list[str]]:
        """Keys that are no longer young, in batches."""
        limit = datetime.now(UTC) - timedelta(seconds=older_than_s)
        keys = (info.key for info in self._blobs.list(PREFIX) if _time(info.key) < limit)
        while batch := list(islice(keys, _BATCH)):
            yield batch

    def _put(self, key: str, body: Mapping[str, Any]) -> None:
        text = orjson.dumps({"version": VERSION, **body})
        if len(text) > MAX_BYTES:
            raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_BYTES} bytes would be kept of it")
        self._blobs.put(key, text)

    def _read(self, key: str) -> dict[str, Any]:
        try:
            body: dict[str, Any] = orjson.loads(self._blobs.read(key))
            if body["version"] != VERSION:
                raise PacsdError(Fault.UNSUPPORTED, f"a later version wrote {key}")
            if not any(kind in body for kind in KINDS):
                raise PacsdError(Fault.UNSUPPORTED, f"a later version wrote {key}")
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise PacsdError(Fault.UNAVAILABLE, f"{key} cannot be read") from error
        return body


class Deferred:
    """Records of workitems as a larger transaction makes them, which may come to nothing: they are written by who
    calls what is added to `later`, once all of it stands."""

    def __init__(self, records: Records, later: list[Callable[[], object]]) -> None:
        self._records = records
        self._later = later

    def key(self) -> str:
        """A key for the next record."""
        return self._records.key()

    def put_workitem(self, item: Workitem) -> None:
        """As Records has it, later."""
        self._later.append(partial(self._records.put_workitem, item))


def _subject(body: Mapping[str, Any]) -> tuple[tuple[str, str, str], int]:
    kind = next(one for one in KINDS if one in body)
    return (kind, body["organisation"], body[kind]), body["revision"]


def _order(one: tuple[tuple[str, ...], tuple[int, str, str]]) -> tuple[int, str, tuple[str, ...]]:
    (kind, *rest), (_, _, created_at) = one
    return KINDS.index(kind), created_at, tuple(rest)


def _time(key: str) -> datetime:
    return ulid_time(key.rpartition("/")[2].removesuffix(".json"))
