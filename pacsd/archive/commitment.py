"""Storage commitment: what the archive answers for, and what it does not (PS3.4 Annex J; IHE RAD-10).

An instance is committed to when its bytes are durable where the index says, of the class that was named, in the
requester's own organisation, and neither rejected nor purged. Whole sets are looked up at a time.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from itertools import islice

from pacsd.access.scope import Scope
from pacsd.archive.sidecar import SidecarIndex
from pacsd.blobs.thin import ThinBlobs
from pacsd.faults import Fault, PacsdError
from pacsd.index import commitments as rows
from pacsd.index.commitments import Kept, Reference, Transaction
from pacsd.index.connect import Pool
from pacsd.index.locate import by_series
from pacsd.index.notifications import NewNotification
from pacsd.index.records import PackRow, SeriesContent

COMMITMENT = "commitment"                # the kind of notification that tells a result
PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1.1"           # PS3.4 J.3.5
MAX_REFERENCES = 50_000                  # of one request
_AT_ONCE = 5_000                         # instances that one look at the index asks for
_SERIES_AT_ONCE = 50
log = logging.getLogger("pacsd.archive")
_SAME_ASSOCIATION_S = 5.0                # how long whoever received a request has to answer on its association


class FailureReason(IntEnum):
    """Why an instance is not committed to (PS3.3 C.14.1.1)."""

    PROCESSING_FAILURE = 0x0110          # it should be there, and its bytes are not
    NO_SUCH_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    DUPLICATE_TRANSACTION_UID = 0x0131
    RESOURCE_LIMITATION = 0x0213


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a request: every reference is in one of the two."""

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[str, str, int], ...]             # with the Failure Reason


@dataclass(frozen=True, slots=True)
class Accepted:
    """A durable request; `notification` is the key under which its result waits to be told, if anybody is told."""

    pk: int
    notification: int | None


class Commitments:
    """Takes requests and decides them; for many threads and processes at once."""

    def __init__(
        self,
        pool: Pool,
        blobs: ThinBlobs,
        sidecar: Callable[[PackRow], SidecarIndex],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._blobs = blobs
        self._sidecar = sidecar
        self._clock = clock

    def request(
        self,
        *,
        organisation: int,
        requester: str,
        transaction_uid: str,
        references: Iterable[Reference],
        own_title: str = "",
        tell: bool = True,
    ) -> Accepted:
        """Keep a request, durable on return; with `tell` its result will be told to the AE `requester` by `own_title`.

        Raises PacsdError MALFORMED for none, TOO_MUCH for too many references; without `tell`, CONFLICT for a
        Transaction UID that is in use.
        """
        asked = tuple(dict.fromkeys(references))         # referenced once (PS3.4 J.3.2.1.1.3), however often named
        if not asked:
            raise PacsdError(Fault.MALFORMED, "no instance is referenced")
        if len(asked) > MAX_REFERENCES:
            raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_REFERENCES} references")
        now = self._clock()
        told = NewNotification(
            COMMITMENT, requester, own_title, PUSH_MODEL_INSTANCE, now + timedelta(seconds=_SAME_ASSOCIATION_S)
        )
        pk, notification = rows.keep(
            self._pool, organisation=organisation, requester=requester, transaction_uid=transaction_uid, at=now,
            request=asked, notification=told if tell else None,
        )  # fmt: skip
        if not pk:
            raise PacsdError(Fault.CONFLICT, "the Transaction UID is in use")
        return Accepted(pk, notification)

    def decide(self, pk: int) -> Result:
        """What came of a request: looked up the first time, the same ever after. Raises PacsdError NOT_FOUND."""
        asked = rows.transaction(self._pool, pk)
        if asked is None:
            raise PacsdError(Fault.NOT_FOUND, "there is no such request for storage commitment")
        if asked.decided_at is None:
            failures = [(*one, reason.value) for one, reason in self._failures(asked).items()]
            rows.decide(self._pool, pk, at=self._clock(), failures=failures)
            asked = rows.transaction(self._pool, pk) or asked
        return _result(asked)

    def result(self, scope: Scope, transaction_uid: str, *, requester: str = "") -> Result:
        """What came of the request of a Transaction UID. Raises PacsdError NOT_FOUND."""
        asked = rows.by_uid(self._pool, scope, transaction_uid, requester)
        if asked is None:
            raise PacsdError(Fault.NOT_FOUND, "there is no such request for storage commitment")
        return self.decide(asked.pk)

    def forget(self, *, keep_s: float) -> bool:
        """Delete some requests that are older; whether there are more."""
        limit = 200
        return rows.forget(self._pool, before=self._clock() - timedelta(seconds=keep_s), limit=limit) == limit

    def lacking(self, organisation: int, references: Iterable[Reference]) -> dict[Reference, FailureReason]:
        """Those of the references that the organisation does not keep so, with the reason."""
        found: dict[Reference, FailureReason] = {}
        for batch in _batches(references):
            found.update(self._batch(organisation, batch))
        return found

    def missing(self, organisation: int, references: Iterable[Reference]) -> list[Reference]:
        """Those that never came to the organisation, of whatever class; what was rejected had come."""
        found: list[Reference] = []
        for batch in _batches(references):
            kept = rows.kept(self._pool, organisation, sorted({uid for _, uid in batch}))
            there = self._classes(kept).keys() | kept.rejected
            found += [one for one in batch if one[1] not in there]
        return found

    def _failures(self, asked: Transaction) -> Mapping[Reference, FailureReason]:
        if asked.repeated:
            return dict.fromkeys(asked.request, FailureReason.DUPLICATE_TRANSACTION_UID)
        return self.lacking(asked.organisation, asked.request)

    def _batch(
        self, organisation: int, references: Sequence[Reference]
    ) -> Iterator[tuple[Reference, FailureReason]]:
        kept = rows.kept(self._pool, organisation, sorted({uid for _, uid in references}))
        classes = self._classes(kept)
        for reference in references:
            class_uid, uid = reference
            stored = classes.get(uid)
            if stored is None or uid in kept.rejected:
                yield reference, FailureReason.NO_SUCH_INSTANCE
            elif not stored:
                yield reference, FailureReason.PROCESSING_FAILURE
            elif stored != class_uid:
                yield reference, FailureReason.CLASS_INSTANCE_CONFLICT

    def _classes(self, kept: Kept) -> dict[str, str]:
        """The SOP Class UID of each instance whose bytes are there; "" of one whose bytes are not."""
        holding = _Holding(self._blobs)
        found = dict(self._packed(kept, holding))
        for uid, (class_uid, key, end) in kept.alone.items():
            found[uid] = class_uid if holding(key, end) else ""
        return found

    def _packed(self, kept: Kept, holding: "_Holding") -> Iterator[tuple[str, str]]:
        wanted: dict[int, list[str]] = {}
        for uid, series in kept.maybe.items():
            for one in series:
                wanted.setdefault(one, []).append(uid)
        pending = iter(sorted(wanted))
        while batch := list(islice(pending, _SERIES_AT_ONCE)):
            for content in by_series(self._pool, batch):
                yield from self._in_packs(content, wanted[content.series], holding)

    def _in_packs(
        self, content: SeriesContent, uids: Sequence[str], holding: "_Holding"
    ) -> Iterator[tuple[str, str]]:
        left = [uid for uid in uids if uid not in content.replaced]
        read = [(pack, sidecar) for pack in content.packs if left and (sidecar := self._read(pack)) is not None]
        if left and len(read) < len(content.packs):
            yield from ((uid, "") for uid in left)       # unless another pack has it
        for pack, sidecar in read:
            for uid in left:
                entry = sidecar.get(uid)
                if entry is not None:
                    there = holding(pack.key, entry.offset_bytes + entry.length_bytes)
                    yield uid, entry.sop_class_uid if there else ""

    def _read(self, pack: PackRow) -> SidecarIndex | None:
        """The sidecar of a pack; None where it is gone or damaged, so that nothing in the pack is answered for."""
        try:
            return self._sidecar(pack)
        except PacsdError as error:
            if error.fault not in (Fault.NOT_FOUND, Fault.UNAVAILABLE):
                raise
            log.error("a pack's sidecar cannot be read", extra={"key": pack.sidecar_key, "fault": error.fault.value})
            return None


def _batches(references: Iterable[Reference]) -> Iterator[list[Reference]]:
    pending = iter(references)
    while batch := list(islice(pending, _AT_ONCE)):
        yield batch


class _Holding:
    """Whether blobs are there and as long as they must be, each looked at once; thin ones with what fills them."""

    def __init__(self, blobs: ThinBlobs) -> None:
        self._blobs = blobs
        self._sizes: dict[str, int] = {}

    def __call__(self, key: str, end_bytes: int) -> bool:
        if key not in self._sizes:
            try:
                self._sizes[key] = self._blobs.size(key) if self._blobs.has_source(key) else -1
            except PacsdError as error:
                if error.fault is not Fault.NOT_FOUND:
                    raise
                self._sizes[key] = -1
        return self._sizes[key] >= end_bytes


def _result(asked: Transaction) -> Result:
    failed = {(class_uid, uid) for class_uid, uid, _ in asked.failures}
    committed = tuple(one for one in asked.request if one not in failed)
    return Result(asked.transaction_uid, committed, asked.failures)
