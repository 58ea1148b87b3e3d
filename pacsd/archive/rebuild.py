"""`pacsd rebuild`: the index from blobs and journal alone.

Packs tell through their sidecars who is in them, spool files through their receipts; of each object only the head is
read. Objects are admitted study by study in the order they were received, so that what the first one said still counts.
Then the journal is replayed. The database must be migrated and empty, and nothing else may be running on it.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Protocol

from pacsd.archive.alternate import unadopted
from pacsd.archive.journal import Fact, FactKind, Journal
from pacsd.archive.pack_file import PREFIX, SIDECAR_SUFFIX, PieceReader, WrittenPack
from pacsd.archive.pack_members import members_of
from pacsd.archive.received import Received, read_header, read_receipt, read_received
from pacsd.archive.repair import SPOOL_PREFIX
from pacsd.archive.sidecar import PackHead, SidecarIndex
from pacsd.blobs.port import BlobReader
from pacsd.blobs.thin import ThinBlobs
from pacsd.codec.part10 import FileMeta
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Arrival, Extent, Outcome, SeriesContent, Stored

log = logging.getLogger("pacsd.archive")

_Whose = tuple[str, str]                 # organisation code, Study Instance UID
_Named = tuple[str, str]                 # organisation code, SOP Instance UID


class RebuildIndex(Protocol):
    """Where the truth is put back."""

    def store_many(self, arrivals: Iterable[Arrival]) -> list[Stored | PacsdError]:
        """As on arrival; an answer for each."""

    def content(self, organisation: str, study_instance_uid: str, series_instance_uid: str) -> SeriesContent | None:
        """What the index says of one series of an organisation (by code)."""

    def adopt_pack(self, content: SeriesContent, pack: WrittenPack, *, generation: int) -> None:
        """As committing a pack whose loose rows already point into it: nothing becomes garbage."""

    def adopt_alternate(self, pack_key: str, alternate: WrittenPack, *, thin: bool | None) -> bool:
        """Show an alternate again, and whether its pack is thin by it; False if that pack is not there."""

    def add_garbage(self, keys: Sequence[str], *, grace_s: float) -> None:
        """Delete these blobs after a while."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One copy of an instance; `pack` is empty for a spool file."""

    sop_instance_uid: str
    digest: bytes
    received_us: int
    generation: int
    extent: Extent
    pack: str
    whole: bool = True                   # false in a thin pack while what fills it is gone


@dataclass(slots=True)
class _Study:
    """Where the objects of one study are."""

    packs: list[str] = field(default_factory=list)       # keys of sidecars
    spool: list[str] = field(default_factory=list)
    bare: list["_Candidate"] = field(default_factory=list)      # in packs whose sidecar cannot be read


@dataclass(frozen=True, slots=True)
class _Said:
    """By instance: the digest of the bytes that were last told to count, and when it was last purged."""

    winners: dict[_Named, bytes]
    purged_us: dict[_Named, int]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of a rebuild. `refused` objects are kept as blobs, and each was logged."""

    studies: int = 0
    instances: int = 0
    packs: int = 0
    facts: int = 0
    unfinished: int = 0
    refused: int = 0


class Rebuild:
    """Builds the index anew."""

    def __init__(
        self,
        blobs: ThinBlobs,
        index: RebuildIndex,
        journal: Journal,
        apply: Mapping[FactKind, Callable[[Fact], None]],
        *,
        organisations: Mapping[str, int],
        character_set_of: Callable[[str, str], str | None],      # organisation code, source AE
        grace_s: float,
    ) -> None:
        self._blobs = blobs
        self._index = index
        self._journal = journal
        self._apply = apply
        self._organisations = organisations
        self._character_set_of = character_set_of
        self._grace_s = grace_s
        self._done = Rebuilt()

    def run(self, progress: Callable[[Rebuilt], None] = lambda done: None) -> Rebuilt:
        """All of it. Raises PacsdError UNAVAILABLE at a journal that cannot be read, INTERNAL for an organisation
        that is not configured: half a truth is worse than none."""
        self._done = Rebuilt()
        said = self._said()
        for whose, study in self._studies().items():
            self._study(whose, study, said)
            progress(self._done)
        self._alternates()
        for fact in self._journal.replay():
            self._replay(fact)
        return self._done

    def _alternates(self) -> None:
        """Those of packs that are there; what else was made besides is of no use any more, and made again. From those
        of thin packs nothing is taken."""
        if spare := unadopted(self._blobs, self._index.adopt_alternate):
            self._index.add_garbage(spare, grace_s=self._grace_s)

    def _replay(self, fact: Fact) -> None:
        try:
            if fact.kind in self._apply:
                self._apply[fact.kind](fact)
        except PacsdError as error:
            if error.fault is not Fault.NOT_FOUND:
                raise
            log.info("a fact speaks of what is no longer there", extra={"key": fact.key})
        self._count(facts=1)

    def _count(self, **more: int) -> None:
        self._done = replace(self._done, **{name: getattr(self._done, name) + n for name, n in more.items()})

    def _said(self) -> _Said:
        """What the journal says of copies of one instance."""
        said = _Said({}, {})
        for fact in self._journal.replay():
            body: Mapping[str, Any] = fact.body
            if fact.kind is FactKind.REPLACE:
                said.winners[body["key"].split("/")[1], body["sop"]] = bytes.fromhex(body["digest"])
            elif fact.kind is FactKind.PURGE:
                for sop in chain.from_iterable(body["series"].values()):
                    said.purged_us[body["organisation"], sop] = _microseconds(fact.at)
            elif fact.kind is FactKind.ORGANISATION:             # before anything that is its own
                self._replay(fact)
        return said

    def _studies(self) -> dict[_Whose, _Study]:
        studies: dict[_Whose, _Study] = defaultdict(_Study)
        heads, bare = self._heads()
        for key, head in self._current(heads):
            studies[self._configured(head.organisation), head.study_instance_uid].packs.append(key)
        for pack in bare:
            for whose, candidate in self._members(pack):
                studies[self._configured(whose[0]), whose[1]].bare.append(candidate)
        for info in self._blobs.list(SPOOL_PREFIX):
            with self._blobs.open(info.key) as blob:
                reader = PieceReader(blob, Extent(info.key, 0, blob.size_bytes), keep=True)
                received = self._whole(info.key, reader)
            if received is not None:
                studies[self._configured(received[0]), received[1]].spool.append(info.key)
        return studies

    def _configured(self, organisation: str) -> str:
        if organisation not in self._organisations:
            raise PacsdError(Fault.INTERNAL, f"organisation {organisation} is not configured")
        return organisation

    def _whole(self, key: str, reader: PieceReader) -> _Whose | None:
        """Whose a spool file is, if it is complete."""
        try:
            received = read_received(reader, Extent(key, 0, reader.size_bytes))
        except PacsdError as error:
            log.error("a spool file cannot be read", extra={"key": key, "fault": error.fault.value})
            self._count(refused=1)
            return None
        if received is None:
            self._count(unfinished=1)
            return None
        return received.receipt.organisation, received.arrival(0, None).study_instance_uid

    def _heads(self) -> tuple[dict[str, PackHead], list[str]]:
        """What the sidecars say of their packs, by the sidecar's key; and packs without a sidecar to be read."""
        heads: dict[str, PackHead] = {}
        packs = []
        for info in self._blobs.list(PREFIX):
            if info.key.endswith(SIDECAR_SUFFIX):
                self._head(info.key, heads)
            else:
                packs.append(info.key)
        told = {head.pack for head in heads.values()}
        return heads, [pack for pack in packs if pack not in told]

    def _members(self, pack: str) -> list[tuple[_Whose, "_Candidate"]]:
        """The instances of a pack by its own headers; none of a pack that cannot be read."""
        found: list[tuple[_Whose, _Candidate]] = []
        try:
            with self._blobs.open(pack) as blob:
                for member in members_of(blob):
                    extent = Extent(pack, member.offset_bytes, member.length_bytes)
                    received = read_received(PieceReader(blob, extent), extent)
                    if received is None:
                        raise PacsdError(Fault.UNAVAILABLE, "a member of a pack does not agree with its receipt")
                    arrival = received.arrival(0, None)
                    received_us = _microseconds(received.receipt.received_at)
                    found.append((
                        (received.receipt.organisation, arrival.study_instance_uid),
                        _Candidate(arrival.sop_instance_uid, arrival.digest, received_us, -1, extent, ""),
                    ))
        except PacsdError as error:
            log.error("a pack cannot be read to its end", extra={"key": pack, "fault": error.fault.value})
            self._count(refused=1)
        return found

    def _current(self, heads: dict[str, PackHead]) -> Iterator[tuple[str, PackHead]]:
        """Sidecars of packs that no other pack was merged from."""
        there = {head.pack for head in heads.values()}
        gone = {
            key for head in heads.values() if head.replaces and self._blobs.has_source(head.pack)
            for key in head.replaces if key in there
        }  # fmt: skip
        stale = [key for key, head in heads.items() if head.pack in gone]
        if stale:
            self._index.add_garbage([blob for key in stale for blob in (key, heads[key].pack)], grace_s=self._grace_s)
        yield from ((key, head) for key, head in heads.items() if head.pack not in gone)

    def _head(self, key: str, heads: dict[str, PackHead]) -> None:
        try:
            head = SidecarIndex(self._blobs.read(key)).head
            self._blobs.size(head.pack)
        except PacsdError as error:
            log.error("a pack or its sidecar cannot be read", extra={"key": key, "fault": error.fault.value})
            return
        heads[key] = head

    def _study(self, whose: _Whose, study: _Study, said: _Said) -> None:
        sidecars = {}
        for key in study.packs:
            sidecar = SidecarIndex(self._blobs.read(key))
            sidecars[sidecar.head.pack] = key, sidecar
        candidates: dict[str, list[_Candidate]] = defaultdict(list)
        for candidate in (*self._candidates(sidecars, study.spool), *study.bare):
            candidates[candidate.sop_instance_uid].append(candidate)
        chosen = {sop: _chosen(those, said, (whose[0], sop)) for sop, those in candidates.items()}
        self._store(whose[0], sorted(chosen.values(), key=lambda one: (one.received_us, one.sop_instance_uid)))
        for pack, (sidecar_key, sidecar) in sidecars.items():
            if all(chosen[entry.sop_instance_uid].pack == pack for entry in sidecar):
                self._adopt(pack, sidecar_key, sidecar)          # else its instances stay loose rows until repacked
        kept = {one.extent.key for one in chosen.values()}
        beaten = [one.extent.key for those in candidates.values() for one in those if one.extent.key not in kept]
        if beaten:
            self._index.add_garbage(sorted(set(beaten)), grace_s=self._grace_s)
        self._count(studies=1)

    def _candidates(
        self, sidecars: Mapping[str, tuple[str, SidecarIndex]], spool: Sequence[str]
    ) -> Iterator[_Candidate]:
        for pack, (_, sidecar) in sidecars.items():
            whole = self._blobs.has_source(pack)
            for entry in sidecar:
                yield _Candidate(
                    entry.sop_instance_uid, entry.digest, entry.received_us, sidecar.head.generation,
                    Extent(pack, entry.offset_bytes, entry.length_bytes), pack, whole,
                )
        for key in spool:
            with self._blobs.open(key) as blob:
                extent = Extent(key, 0, blob.size_bytes)
                meta = read_receipt(PieceReader(blob, extent))
            if meta is not None and meta.receipt is not None:
                received_us = _microseconds(meta.receipt.received_at)
                yield _Candidate(meta.sop_instance_uid, meta.receipt.digest, received_us, 0, extent, "")

    def _store(self, organisation: str, chosen: Sequence[_Candidate]) -> None:
        # The first to arrive says whose the study is, as it did then; in one batch the order would be that of series.
        first, others = chosen[:1], chosen[1:]
        answers = self._index.store_many(self._arrivals(organisation, first))
        answers += self._index.store_many(self._arrivals(organisation, others))
        for answer in answers:
            if isinstance(answer, PacsdError) or answer.outcome is not Outcome.STORED:
                log.error("an object was not indexed", extra={"answer": str(answer)})
                self._count(refused=1)
            else:
                self._count(instances=1)

    def _arrivals(self, organisation: str, chosen: Sequence[_Candidate]) -> Iterator[Arrival]:
        blob: BlobReader | None = None
        try:
            for one in chosen:
                if blob is None or blob.key != one.extent.key:
                    if blob is not None:
                        blob.close()
                    blob = self._blobs.open(one.extent.key)
                yield self._arrival(organisation, one, PieceReader(blob, one.extent))
        finally:
            if blob is not None:
                blob.close()

    def _arrival(self, organisation: str, one: _Candidate, reader: PieceReader) -> Arrival:
        meta = read_receipt(reader)
        if meta is None or meta.receipt is None:
            raise PacsdError(Fault.UNAVAILABLE, f"a member of {one.extent.key} is damaged")
        return _as_received(one.extent, meta, reader).arrival(
            self._organisations[organisation], self._character_set_of(organisation, meta.source_ae)
        )

    def _adopt(self, pack: str, sidecar_key: str, sidecar: SidecarIndex) -> None:
        head = sidecar.head
        content = self._index.content(head.organisation, head.study_instance_uid, head.series_instance_uid)
        if content is None:
            return
        written = WrittenPack(pack, sidecar_key, self._blobs.size(pack), tuple(sidecar.instances()))
        self._index.adopt_pack(content, written, generation=head.generation)
        self._count(packs=1)


def _microseconds(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)


def _as_received(extent: Extent, meta: FileMeta, reader: PieceReader) -> Received:
    if meta.receipt is None:
        raise PacsdError(Fault.UNAVAILABLE, "a file without a receipt")
    return Received(extent, meta, meta.receipt, read_header(reader, meta))


def _chosen(those: Sequence[_Candidate], said: _Said, name: _Named) -> _Candidate:
    """The copy that counts: one that came after the last purge; what replaced the others, else the first received;
    a packed copy before a loose one, and one that can be read before either."""
    purged_us, winner = said.purged_us.get(name, 0), said.winners.get(name)
    alive = [one for one in those if one.received_us >= purged_us] or list(those)
    told = [one for one in alive if one.digest == winner] or alive
    first = min(told, key=lambda one: one.received_us)
    alike = [one for one in told if one.digest == first.digest]
    return max(alike, key=lambda one: (one.whole, one.pack != "", one.generation))
