"""Instances made for a project: each de-identified whole when it is first asked for, and kept for a while.

What it is kept as follows from all that it is made of: the stored bytes, corrections, policy, key and release. So a
correction or another policy makes another one, and nothing has to be thrown away for being old.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

import pacsd
from pacsd.archive.export import Export
from pacsd.archive.pack_file import PieceReader
from pacsd.archive.received import FIRST_LOOK_BYTES, read_header
from pacsd.archive.research.project import ResearchProject
from pacsd.archive.retrieve import InstanceRef, Retrieve, read
from pacsd.blobs.cache import Cache
from pacsd.codec.header import Header, scan
from pacsd.codec.part10 import read_meta
from pacsd.codec.structure import NeedMoreData
from pacsd.deidentify import Outcome
from pacsd.faults import Fault, PacsdError
from pacsd.index.described import instance_members
from pacsd.index.records import Extent, LooseInstance

REFUSALS = frozenset((Fault.MALFORMED, Fault.UNSUPPORTED, Fault.TOO_MUCH))
_KNOWN = 100_000                         # instances of one process
_LOCKS = 64
_DIGEST_BYTES = 16
_MADE_AT = datetime(1900, 1, 1, tzinfo=UTC)          # when something was received is nobody's business


@dataclass(frozen=True, slots=True)
class _Refused:
    """What the policy does not let through."""


class Made:
    """The instances of one project."""

    def __init__(self, project: ResearchProject, retrieve: Retrieve, export: Export, cache: Cache) -> None:
        self._project, self._retrieve, self._export, self._cache = project, retrieve, export, cache
        self._known: OrderedDict[bytes, LooseInstance | _Refused] = OrderedDict()
        self._lock = Lock()
        self._making = tuple(Lock() for _ in range(_LOCKS))

    def __call__(self, ref: InstanceRef) -> LooseInstance | None:
        """The instance as it is given out, its bytes in the cache; None for what the policy does not let through.

        Raises PacsdError UNAVAILABLE, FULL.
        """
        seal = self._seal(ref)
        with self._making[seal[0] % _LOCKS]:
            known = self._remembered(seal)
            if isinstance(known, _Refused):
                return None
            key = _key(seal)
            if self._cache.use(key):
                if known is None:
                    known = self._read(key, seal)
            else:
                known = self._make(ref, key, seal)
            self._remember(seal, known or _Refused())
            return known

    def header(self, ref: InstanceRef) -> Header | None:
        """What the header of a made instance says, without making its pixels; None as before."""
        try:
            outcome = self._outcome(ref)
            chunks, front = outcome.dataset, b""
            for chunk in chunks:
                front += chunk
                try:
                    return scan(front, outcome.report.transfer_syntax_uid, complete=False)
                except NeedMoreData:
                    continue
            return scan(front, outcome.report.transfer_syntax_uid)
        except PacsdError as error:
            if error.fault not in REFUSALS:
                raise
            return None

    def _make(self, ref: InstanceRef, key: str, seal: bytes) -> LooseInstance | None:
        try:
            self._cache.keep(key, self._outcome(ref).part10())
        except PacsdError as error:
            if error.fault not in REFUSALS:
                raise
            return None
        return self._read(key, seal)

    def _outcome(self, ref: InstanceRef) -> Outcome:
        stored, issuer = self._retrieve.part10(ref), self._export.assigning_authority(ref)
        return self._project.making.of_part10(read(stored.pieces), default_issuer=issuer)

    def _read(self, key: str, seal: bytes) -> LooseInstance:
        with self._cache.blobs.open(key) as blob:
            extent = Extent(key, 0, blob.size_bytes)
            piece = PieceReader(blob, extent)
            meta = read_meta(piece.pread(FIRST_LOOK_BYTES, 0))
            return LooseInstance(
                meta.sop_instance_uid, meta.sop_class_uid, meta.transfer_syntax_uid, extent, meta.dataset_offset,
                seal[:_DIGEST_BYTES], _MADE_AT, instance_members(read_header(piece, meta), None),
            )

    def _seal(self, ref: InstanceRef) -> bytes:
        making = self._project.making
        said = (f"{pacsd.__version__} {making.policy!r} {ref.study_instance_uid} {ref.sop_instance_uid} "
                f"{ref.transfer_syntax_uid} {ref.overlay!r} {ref.overlaid_at}")  # fmt: skip
        return making.project.seal("instance", said.encode() + ref.digest)

    def _remembered(self, seal: bytes) -> LooseInstance | _Refused | None:
        with self._lock:
            return self._known.get(seal)

    def _remember(self, seal: bytes, found: LooseInstance | _Refused) -> None:
        with self._lock:
            self._known[seal] = found
            self._known.move_to_end(seal)
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)


def _key(seal: bytes) -> str:
    return f"made/{seal[:1].hex()}/{seal[1:].hex()}"
