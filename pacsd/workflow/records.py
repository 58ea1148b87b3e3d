"""Workitems and subscriptions as blobs, so that an index can be rebuilt from blobs alone.

They are facts that stand in no object's bytes, so each is durable beside the objects before it is answered, like what
the journal keeps. They stand outside `journal/` because they change often and end: one blob, under `worklist/`, says
all of one workitem or subscriber, each change writes another, and the former one is collected after a grace period.
What counts is the one of the highest revision, of those the latest. What a subscriber has not heard yet is not
recorded.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import orjson

from pacsd.blobs.port import BlobStore
from pacsd.blobs.ulid import Ulids, ulid_time
from pacsd.faults import Fault, PacsdError
from pacsd.index.subscribers import Subscriber
from pacsd.index.workitems import Workitem

PREFIX = "worklist/"
VERSION = 1
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
        """Durable on return, under `item.record`. Raises PacsdError FULL, UNAVAILABLE."""
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

    def current(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and content of what counts: workitems in the order of their creation, then subscribers.

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
        self._blobs.put(key, orjson.dumps({"version": VERSION, **body}))

    def _read(self, key: str) -> dict[str, Any]:
        try:
            body: dict[str, Any] = orjson.loads(self._blobs.read(key))
            if body["version"] != VERSION:
                raise PacsdError(Fault.UNSUPPORTED, f"a later version wrote {key}")
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise PacsdError(Fault.UNAVAILABLE, f"{key} cannot be read") from error
        return body


def _subject(body: Mapping[str, Any]) -> tuple[tuple[str, str, str], int]:
    kind = "workitem" if "workitem" in body else "subscriber"
    return (kind, body["organisation"], body[kind]), body["revision"]


def _order(one: tuple[tuple[str, ...], tuple[int, str, str]]) -> tuple[bool, str, tuple[str, ...]]:
    (kind, *rest), (_, _, created_at) = one
    return kind == "subscriber", created_at, tuple(rest)


def _time(key: str) -> datetime:
    return ulid_time(key.rpartition("/")[2].removesuffix(".json"))
