"""Objects on their way out of the house: every visible instance of a study, with what the archive knows beside it."""

from collections.abc import Iterator
from dataclasses import dataclass

from pacsd.access.scope import Scope
from pacsd.archive.pack_file import PieceReader
from pacsd.archive.retrieve import InstanceRef, Part10, Retrieve
from pacsd.blobs.port import BlobStore
from pacsd.codec.part10 import Receipt, read_meta
from pacsd.codec.structure import NeedMoreData

_META_BYTES, _MOST_META_BYTES = 1 << 11, 1 << 16         # nearly all are shorter than the first
_ELEMENT_BYTES = 8                       # of the head of an element


@dataclass(frozen=True, slots=True)
class Exported:
    """One instance, corrections applied; `assigning_authority` is who issued its Patient ID, where it does not say."""

    ref: InstanceRef
    assigning_authority: str
    part10: Part10


class Export:
    """Opens what is exported."""

    def __init__(self, retrieve: Retrieve, blobs: BlobStore) -> None:
        self._retrieve = retrieve
        self._blobs = blobs

    def instances(self, scope: Scope, study: str, series: str | None = None) -> Iterator[Exported]:
        """Every visible instance, opened when its turn comes. Raises PacsdError NOT_FOUND."""
        for ref in self._retrieve.instances(scope, study, series):
            yield Exported(ref, self.assigning_authority(ref), self._retrieve.part10(ref))

    def assigning_authority(self, ref: InstanceRef) -> str:
        """Who issued the Patient ID, where the object does not say: by the receipt in its file, "" without one."""
        blob = self._blobs.open(ref.extent.key)
        try:
            receipt = _receipt(PieceReader(blob, ref.extent))
        finally:
            blob.close()
        return "" if receipt is None else receipt.assigning_authority


def _receipt(reader: PieceReader) -> Receipt | None:
    head = reader.pread(_META_BYTES, 0)
    try:
        meta = read_meta(head)
        if meta.dataset_offset + _ELEMENT_BYTES <= len(head):        # else an element may begin where it was cut
            return meta.receipt
    except NeedMoreData:
        pass
    return read_meta(reader.pread(_MOST_META_BYTES, 0)).receipt
