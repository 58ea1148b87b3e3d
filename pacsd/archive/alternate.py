"""Alternates: packs beside packs, with the same instances coded losslessly in HTJ2K (PS3.5 10.18).

Of each pack that a rule names a second one is made, of those instances whose pixels are not coded with loss. Each is
decoded again before it counts: what was coded must have the same header and the same pixels as what was received. The
pack itself stays as it is and stays the truth; an alternate may be lost at any time, and is made again. That of a pack
which was made thin (pacsd.archive.thin) may not: it holds the only pixels.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Protocol

import xxhash

from pacsd.archive.claimed import LEASE_S, ClaimedSeries
from pacsd.archive.pack import Owner, disowned
from pacsd.archive.pack_file import (
    PACK_SUFFIX,
    SIDECAR_SUFFIX,
    PackWriter,
    Piece,
    PieceReader,
    SeriesHead,
    WrittenPack,
    checksums,
)
from pacsd.archive.pack_file import PREFIX as PACKS_PREFIX
from pacsd.archive.sidecar import PackedInstance, Proof, SidecarIndex
from pacsd.blobs.port import BlobInfo, BlobReader, BlobStore, BlobWriter
from pacsd.blobs.scratch import Scratch
from pacsd.blobs.thin import ThinBlobs, is_there
from pacsd.blobs.thin_file import ThinHead
from pacsd.blobs.ulid import Ulids
from pacsd.codec.frames import frame_extents
from pacsd.codec.part10 import build_meta
from pacsd.codec.transcode import Identity, identity, transcoded
from pacsd.codec.transfer_syntaxes import HTJ2K_LOSSLESS_RPCL
from pacsd.faults import Fault, PacsdError
from pacsd.index.alternates import Rule
from pacsd.index.records import Extent, PackRow, SeriesContent

PREFIX = "alternates/"
LOSSLESS = frozenset((                   # what is coded anew: nothing that lost anything, and nothing that is HTJ2K
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
))  # fmt: skip
_NO_LIMIT = 1 << 62                      # of an alternate: it is of one pack, which has one
_CANNOT = frozenset((Fault.UNSUPPORTED, Fault.MALFORMED, Fault.TOO_MUCH))
log = logging.getLogger("pacsd.archive")


class AlternateIndex(Protocol):
    """Where packs without alternates are found, and where an alternate is shown."""

    def claim_unexamined(self, rules: Sequence[Rule], *, lease_s: float, limit: int) -> list[SeriesContent]:
        """Series that a rule names, with packs of which no alternate was made."""

    def commit_alternate(self, series: int, pack: PackRow, alternate: WrittenPack | None) -> None:
        """In one transaction: the pack was examined, and this came of it."""

    def release(self, series: int) -> None:
        """End the claim."""


class Recoder:
    """Makes the alternates that are due, a few series at a time."""

    def __init__(
        self,
        blobs: BlobStore,
        index: AlternateIndex,
        sidecar: Callable[[PackRow], SidecarIndex],
        scratch: Callable[[], Scratch],
        *,
        rules: Sequence[Rule],
        owners: Mapping[int, Owner],
    ) -> None:
        self._blobs = blobs
        self._index = index
        self._sidecar = sidecar
        self._scratch = scratch
        self._rules = tuple(rules)
        self._owners = owners
        self._ulids = Ulids()
        self._claimed = ClaimedSeries(self._recode_unexamined, index.release, failed="a series was not coded")

    def run(self, *, limit: int = 4) -> bool:
        """Claim some series and code them; whether there were any. What fails in one is logged and waits its turn."""
        if not self._rules:
            return False
        return self._claimed.run(
            self._index.claim_unexamined(self._rules, lease_s=LEASE_S, limit=limit)
        )

    def _recode_unexamined(self, content: SeriesContent) -> bool:
        for pack in content.packs:
            if not pack.examined:
                self.recode(content, pack)
        return True

    def recode(self, content: SeriesContent, pack: PackRow) -> WrittenPack | None:
        """Make the alternate of a pack; None if nothing in it can be coded so. Raises PacsdError FULL, UNAVAILABLE."""
        sidecar = self._sidecar(pack)
        head = SeriesHead(
            self._owners[content.organisation].code, content.study_instance_uid, content.series_instance_uid,
            pack.generation, of=pack.key,
        )
        coding = _Coding(self._blobs, self._scratch)
        writer = PackWriter(coding, head, max_pack_bytes=_NO_LIMIT, ulids=self._ulids, prefix=PREFIX)
        hidden = content.replaced
        with coding:
            pieces = coding.pieces(pack, [one for one in sidecar.instances() if one.sop_instance_uid not in hidden])
            written = next(iter(list(writer.write(pieces))), None)
        with disowned(self._blobs, () if written is None else (written,)):
            self._index.commit_alternate(content.series, pack, written)
        return written


class Adopt(Protocol):
    """Where an alternate is shown again."""

    def __call__(self, pack_key: str, alternate: WrittenPack, *, thin: bool | None) -> bool:
        """Whether its pack is there; `thin`: it is thin by it."""


def unadopted(blobs: ThinBlobs, adopt: Adopt) -> list[str]:
    """Have every alternate adopted by the key of its pack; the keys of those that are not, and of what is no alternate.

    None of those from which thin packs are filled is among them; none at all while it is not known of one which those
    are. For a rebuild, while nobody makes any.
    """
    adopted: set[str] = set()
    all_known = True
    for _, head in blobs.heads(PACKS_PREFIX):
        all_known &= head is not None
        adopted.update(() if head is None else sources(head))
    keys = []
    for info in blobs.list(PREFIX):
        keys.append(info.key)
        if info.key.endswith(SIDECAR_SUFFIX):
            adopted |= _adopted(blobs, info.key, adopt)
    return [key for key in keys if key not in adopted] if all_known else []


def sources(head: ThinHead) -> tuple[str, str]:
    """The alternate that a thin pack is filled from, and its sidecar."""
    return head.source, head.source.removesuffix(PACK_SUFFIX) + SIDECAR_SUFFIX


def is_needed(blobs: ThinBlobs, keys: Sequence[str]) -> bool:
    """Whether these blobs of an alternate hold the only pixels of a pack, or may hold them.

    The sidecar tells which pack the alternate was made of; where there is none to be read, or it is that of another
    alternate, every thin pack of the organisation is asked.
    """
    for key in keys:
        if key.endswith(SIDECAR_SUFFIX):
            try:
                head = SidecarIndex(blobs.read(key)).head
            except PacsdError:
                continue
            if head.pack in keys:
                return _fills(blobs, head.of, head.pack)
    organisation = keys[0].split("/")[1]
    thin = (head for _, head in blobs.heads(f"{PACKS_PREFIX}{organisation}/"))
    return any(head is None or not set(sources(head)).isdisjoint(keys) for head in thin)


def _fills(blobs: ThinBlobs, pack: str, alternate: str) -> bool:
    try:
        return not blobs.is_whole(pack) and blobs.head(pack).source == alternate
    except PacsdError as error:
        return error.fault not in (Fault.NOT_FOUND, Fault.MALFORMED)


def _adopted(blobs: ThinBlobs, sidecar_key: str, adopt: Adopt) -> set[str]:
    try:
        sidecar = SidecarIndex(blobs.read(sidecar_key))
        head = sidecar.head
        written = WrittenPack(head.pack, sidecar_key, blobs.size(head.pack), tuple(sidecar.instances()))
        thin = _fills(blobs, head.of, head.pack)
        if adopt(head.of, written, thin=thin or None) or thin:
            return {sidecar_key, head.pack}
    except PacsdError as error:
        log.warning("an alternate was not adopted", extra={"key": sidecar_key, "fault": error.fault.value})
    return set()


def forget_lost(blobs: ThinBlobs, packs: Iterator[PackRow], forget: Callable[[PackRow], None]) -> None:
    """Have alternates made again whose blobs are gone; but those of thin packs, of which there is nothing to make them.
    """
    for pack in packs:
        alternate = pack.alternate
        if alternate is None or (is_there(blobs, alternate.key) and is_there(blobs, alternate.sidecar_key)):
            continue
        if blobs.is_thin(pack.key) and not blobs.is_whole(pack.key):
            log.error("an alternate of a thin pack is gone, or its sidecar is", extra={"key": alternate.key})
        else:
            log.error("an alternate is gone and will be made again", extra={"key": alternate.key})
            forget(alternate)


@dataclass(slots=True)
class _Coded:
    """A Part 10 file of a coded instance, in scratch; read as a blob."""

    scratch: Scratch
    key: str
    size_bytes: int
    base_bytes: int = 0

    def pread(self, length_bytes: int, offset_bytes: int) -> bytes:
        return b"".join(self.scratch.read(offset_bytes, max(0, min(length_bytes, self.size_bytes - offset_bytes))))

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        """The scratch goes when the next instance is coded."""

    def __enter__(self) -> "_Coded":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Coding:
    """The blob store as a pack writer sees it who copies instances that are coded one after the other."""

    def __init__(self, blobs: BlobStore, scratch: Callable[[], Scratch]) -> None:
        self._blobs = blobs
        self._scratch = scratch
        self._held = ExitStack()
        self._current: _Coded | None = None

    def pieces(self, pack: PackRow, instances: Sequence[PackedInstance]) -> Iterator[Piece]:
        """Each instance that can be coded, coded and proven; it can be opened until the next is asked for."""
        with self._blobs.open(pack.key) as blob:
            for one in instances:
                self._held.close()
                if one.transfer_syntax_uid in LOSSLESS and one.frames is not None:
                    piece = self._piece(blob, one)
                    if piece is not None:
                        yield piece

    def _piece(self, blob: BlobReader, one: PackedInstance) -> Piece | None:
        stored = PieceReader(blob, Extent(blob.key, one.offset_bytes, one.length_bytes), keep=True)
        if checksums(stored, one.dataset_offset_bytes).digest != one.digest:
            log.error("a packed instance is damaged and was not coded", extra={"sop": one.sop_instance_uid})
            return None
        try:
            before = identity(_dataset(stored, one), source=one.transfer_syntax_uid, length_bytes=_size(one))
            dataset_offset, digest = self._code(stored, one)
            after = self._identity(dataset_offset)
        except PacsdError as error:
            if error.fault not in _CANNOT:
                raise
            return None
        if before != after:
            log.error("an instance is not what it was once it is coded", extra={"sop": one.sop_instance_uid})
            return None
        described = replace(
            one, transfer_syntax_uid=HTJ2K_LOSSLESS_RPCL, dataset_offset_bytes=dataset_offset, digest=digest,
            proof=Proof(one.digest, before.header, before.pixels),
        )
        extent = Extent(one.sop_instance_uid, 0, self._file.size_bytes)
        return Piece(
            one.sop_instance_uid, extent, dataset_offset, digest, one.received_at, _describer(described)
        )

    def _code(self, stored: PieceReader, one: PackedInstance) -> tuple[int, bytes]:
        """The coded file into scratch; where its data set begins, and the digest of that."""
        scratch = self._held.enter_context(self._scratch())
        meta = build_meta(
            sop_class_uid=one.sop_class_uid, sop_instance_uid=one.sop_instance_uid,
            transfer_syntax_uid=HTJ2K_LOSSLESS_RPCL,
        ).data
        scratch.write(meta)
        digest = xxhash.xxh3_128()
        chunks = _dataset(stored, one)
        for chunk in transcoded(
            chunks, source=one.transfer_syntax_uid, target=HTJ2K_LOSSLESS_RPCL, length_bytes=_size(one)
        ):
            scratch.write(chunk)
            digest.update(chunk)
        self._current = _Coded(scratch, one.sop_instance_uid, scratch.size_bytes)
        return len(meta), digest.digest()

    def _identity(self, dataset_offset: int) -> Identity:
        coded = self._file
        size = coded.size_bytes - dataset_offset
        return identity(coded.scratch.read(dataset_offset, size), source=HTJ2K_LOSSLESS_RPCL, length_bytes=size)

    @property
    def _file(self) -> _Coded:
        if self._current is None:
            raise PacsdError(Fault.INTERNAL, "nothing is coded yet")
        return self._current

    def open(self, key: str) -> BlobReader:
        """The instance coded last."""
        return self._file

    def create(self, key: str) -> BlobWriter:
        """Begin a blob of the store behind."""
        return self._blobs.create(key)

    def put(self, key: str, data: bytes) -> BlobInfo:
        """A small blob of the store behind."""
        return self._blobs.put(key, data)

    def __enter__(self) -> "_Coding":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()


def _dataset(stored: PieceReader, one: PackedInstance) -> Iterator[bytes]:
    return stored.chunks(one.dataset_offset_bytes)


def _size(one: PackedInstance) -> int:
    return one.length_bytes - one.dataset_offset_bytes


def _describer(one: PackedInstance) -> Callable[[PieceReader, int, bytes], PackedInstance]:
    def describe(reader: PieceReader, offset_bytes: int, sha256: bytes) -> PackedInstance:
        frames = frame_extents(
            reader, offset_bytes=one.dataset_offset_bytes, length_bytes=reader.size_bytes - one.dataset_offset_bytes,
            transfer_syntax_uid=one.transfer_syntax_uid,
        )
        return replace(
            one, offset_bytes=offset_bytes, length_bytes=reader.size_bytes, sha256=sha256, frames=frames
        )

    return describe
