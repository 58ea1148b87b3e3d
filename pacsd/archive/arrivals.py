"""What a durable object may become: visible, a repeat of what is kept, or one that contradicts it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pacsd.archive.journal import FactKind, Journal
from pacsd.archive.sidecar import SidecarEntry, SidecarIndex
from pacsd.blobs.port import BlobStore
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Arrival, Extent, Outcome, PackRow, Stored

CHUNK_BYTES = 1 << 20
MAX_HASHED_ALIKE = 4                     # series of one organisation that hold the hash of a UID and not the UID
log = logging.getLogger("pacsd.archive")


class Index(Protocol):
    """The writer of arrivals."""

    def store(self, arrival: Arrival, durable: Callable[[], None] | None = ...) -> Stored: ...
    def store_all(self, arrivals: Sequence[Arrival], durable: Callable[[], None]) -> list[Stored | PacsdError]: ...
    def store_unlike(self, arrival: Arrival, series: Sequence[int]) -> Stored: ...
    def store_hidden(self, arrival: Arrival) -> Stored: ...
    def replace(self, arrival: Arrival, *, grace_s: float = ...) -> Stored: ...


class Arrivals:
    """Indexes arrivals and applies the configured rule to duplicates (`keep`, `replace` or `quarantine`).

    A spool file that does not become visible is removed here, except after UNAVAILABLE: then the repair indexes it
    later, and a sender that comes again is told it is a duplicate.
    """

    def __init__(
        self,
        index: Index,
        blobs: BlobStore,
        journal: Journal,
        *,
        duplicates: str,
        grace_s: float,
        packs_of: Callable[[int], tuple[PackRow, ...]],
        sidecar: Callable[[PackRow], SidecarIndex],
    ) -> None:
        self._index = index
        self._blobs = blobs
        self._journal = journal
        rules = {"keep": self._refuse, "replace": self._replace, "quarantine": self._quarantine}
        self._contradicted = rules[duplicates]
        self._grace_s = grace_s
        self._packs_of = packs_of
        self._sidecar = sidecar

    def admit(
        self, arrival: Arrival, durable: Callable[[], None] | None = None, *, again: bool = False
    ) -> Stored:
        """Index one arrival; `durable` is called once before it becomes visible, if it gets that far.

        `again` says that it was found in the spool: it may have been replaced since it arrived.
        Raises PacsdError CONFLICT (other bytes are kept under its UID and stay), REFUSED (it was rejected before),
        UNAVAILABLE.
        """
        return self._resolved(arrival, self._index.store(arrival, durable), again=again)

    def admit_all(self, arrivals: Sequence[Arrival], durable: Callable[[], None]) -> list[Stored | PacsdError]:
        """The same for arrivals that `durable` makes durable together: an answer for each, in order."""
        answers = self._index.store_all(arrivals, durable)
        return [self._answered(*one) for one in zip(arrivals, answers, strict=True)]

    def _answered(self, arrival: Arrival, stored: Stored | PacsdError) -> Stored | PacsdError:
        if isinstance(stored, PacsdError):
            return stored
        try:
            return self._resolved(arrival, stored, again=False)
        except PacsdError as error:
            return error

    def _resolved(self, arrival: Arrival, stored: Stored, *, again: bool) -> Stored:
        """What becomes of the arrival by the configured rule. Raises PacsdError as `admit`."""
        if stored.outcome is Outcome.STORED:
            return stored
        stored = self._decided(arrival, stored)
        rejected = stored.outcome is Outcome.REJECTED
        if rejected:                             # or awaited, to be kept and hidden
            stored = self._decided(arrival, self._index.store_hidden(arrival))
        if stored.outcome is Outcome.CONFLICT:
            if again and self._replaced_since(arrival):
                self._blobs.delete([arrival.extent.key])
                raise self._conflict(arrival, "the later one is kept")
            return self._contradicted(arrival, rejected)
        return self._kept(arrival, stored)

    def _kept(self, arrival: Arrival, stored: Stored) -> Stored:
        """The outcome, with the file gone where nobody reads it."""
        if stored.outcome is Outcome.STORED:
            return stored
        if stored.existing is None or stored.existing.key != arrival.extent.key:
            self._blobs.delete([arrival.extent.key])
        if stored.outcome is Outcome.REJECTED:
            raise PacsdError(Fault.REFUSED, "this instance was rejected before")
        return stored

    def _decided(self, arrival: Arrival, stored: Stored) -> Stored:
        """A conflict that only a sidecar can tell from a repeat, told."""
        unlike: list[int] = []
        while True:
            if stored.outcome is not Outcome.CONFLICT or stored.existing is not None or stored.packed_series is None:
                return stored
            found = self._packed(stored.packed_series, arrival.sop_instance_uid)
            if found is not None:
                break
            if len(unlike) == MAX_HASHED_ALIKE:
                raise PacsdError(Fault.UNAVAILABLE, "the instance is being moved; send it again")
            unlike.append(stored.packed_series)          # two UIDs with one hash, or purged a moment ago
            stored = self._index.store_unlike(arrival, unlike)
        pack, entry = found
        same = entry.digest == arrival.digest and entry.transfer_syntax_uid == arrival.transfer_syntax_uid
        return Stored(
            Outcome.DUPLICATE if same else Outcome.CONFLICT,
            Extent(pack.key, entry.offset_bytes, entry.length_bytes),
            stored.packed_series,
        )

    def _packed(self, series: int, sop_instance_uid: str) -> tuple[PackRow, SidecarEntry] | None:
        for pack in self._packs_of(series):
            entry = self._sidecar(pack).get(sop_instance_uid)
            if entry is not None:
                return pack, entry
        return None

    def _refuse(self, arrival: Arrival, _rejected: bool) -> Stored:
        self._blobs.delete([arrival.extent.key])
        raise self._conflict(arrival, "the first is kept")

    def _replace(self, arrival: Arrival, rejected: bool) -> Stored:
        """Journal first: after a rebuild the later bytes must win again, and be shown where the first were rejected."""
        self._journal.append({
            "fact": "replace", "key": arrival.extent.key, "study": arrival.study_instance_uid,
            "series": arrival.series_instance_uid, "sop": arrival.sop_instance_uid, "digest": arrival.digest.hex(),
        })
        if rejected:
            self._journal.append({
                "fact": "restore", "organisation": arrival.extent.key.split("/")[1], "reason": "replaced",
                "study": arrival.study_instance_uid,
                "series": {arrival.series_instance_uid: [arrival.sop_instance_uid]},
            })
        stored = self._index.replace(arrival, grace_s=self._grace_s)
        if stored.outcome is Outcome.CONFLICT:
            raise PacsdError(Fault.UNAVAILABLE, "the instance is being moved; send it again")
        if stored.outcome is Outcome.STORED:
            log.warning("an instance was replaced by another of the same UID", extra={"sop": arrival.sop_instance_uid})
        return self._kept(arrival, stored)

    def _replaced_since(self, arrival: Arrival) -> bool:
        """Whether the journal's last word on this instance is for other bytes."""
        last: Mapping[str, Any] | None = None
        for fact in self._journal.replay(since=arrival.received_at):
            if fact.kind is FactKind.REPLACE and _same_instance(fact.body, arrival):
                last = fact.body
        return last is not None and last["digest"] != arrival.digest.hex()

    def _quarantine(self, arrival: Arrival, _rejected: bool) -> Stored:
        """Keep the bytes aside, and say that they are not stored."""
        key = "quarantine/" + arrival.extent.key.removeprefix("spool/")
        writer = self._blobs.create(key)
        try:
            with self._blobs.open(arrival.extent.key) as reader:
                for at in range(0, reader.size_bytes, CHUNK_BYTES):
                    writer.write(reader.pread(CHUNK_BYTES, at))
            writer.commit()
        except PacsdError as error:
            if error.fault is not Fault.CONFLICT:        # else it is there since a process ended here
                raise
        finally:
            writer.abort()
        self._blobs.delete([arrival.extent.key])
        raise self._conflict(arrival, "this one is in quarantine")

    def _conflict(self, arrival: Arrival, consequence: str) -> PacsdError:
        log.warning(
            "two objects share a SOP Instance UID",
            extra={"sop": arrival.sop_instance_uid, "source_ae": arrival.source_ae, "consequence": consequence},
        )
        return PacsdError(Fault.CONFLICT, f"another object has this SOP Instance UID; {consequence}")


def _same_instance(body: Mapping[str, Any], arrival: Arrival) -> bool:
    owner = arrival.extent.key.split("/")[1]                 # spool/<organisation>/…
    return bool(body["sop"] == arrival.sop_instance_uid and body["key"].split("/")[1] == owner)
