"""What rendering needs of stored objects, read from the front of their data sets and kept for a while."""

import threading
from collections import OrderedDict

from pacsd.archive.pack_file import PieceReader
from pacsd.archive.received import CharacterSetOf, as_declared, true_character_set
from pacsd.archive.retrieve import InstanceRef
from pacsd.blobs.port import BlobStore
from pacsd.codec import walk
from pacsd.codec.render.image_header import ImageHeader
from pacsd.index.records import Extent

KEPT_BYTES = 64 << 20                    # for each process


class ImageHeaders:
    """Headers by where the object is: its bytes never change, and a blob may hold several."""

    def __init__(self, blobs: BlobStore, character_set_of: CharacterSetOf = as_declared) -> None:
        self._blobs = blobs
        self._character_set_of = character_set_of
        self._kept: OrderedDict[Extent, ImageHeader] = OrderedDict()
        self._kept_bytes = 0
        self._lock = threading.Lock()

    def __call__(self, ref: InstanceRef) -> ImageHeader:
        """The header of an instance as it is stored. Raises PacsdError MALFORMED for bytes that are no data set."""
        with self._lock:
            if ref.extent in self._kept:
                self._kept.move_to_end(ref.extent)
                return self._kept[ref.extent]
        header = self._read(ref)
        self._keep(ref.extent, header)
        return header

    def _read(self, ref: InstanceRef) -> ImageHeader:
        with self._blobs.open(ref.extent.key) as blob:
            piece = PieceReader(blob, ref.extent)
            source = walk.Dataset(
                piece,
                offset_bytes=ref.dataset_offset_bytes,
                length_bytes=ref.extent.length_bytes - ref.dataset_offset_bytes,
                transfer_syntax_uid=ref.transfer_syntax_uid,
            )
            return ImageHeader(source, true_character_set(piece, self._character_set_of))

    def _keep(self, where: Extent, header: ImageHeader) -> None:
        with self._lock:
            if where not in self._kept:
                self._kept[where] = header
                self._kept_bytes += header.size_bytes
            while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._kept_bytes -= oldest.size_bytes
