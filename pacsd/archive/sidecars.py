"""Sidecars at hand: read once, kept while there is room."""

import threading
from collections import OrderedDict

from pacsd.archive.sidecar import SidecarIndex
from pacsd.blobs.port import BlobStore
from pacsd.index.records import PackRow

CACHE_BYTES = 32 * 1024 * 1024


class Sidecars:
    """Reads sidecars, keeping those used last within `cache_bytes` for each process; used by many threads."""

    def __init__(self, blobs: BlobStore, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._blobs = blobs
        self._cache_bytes = cache_bytes
        self._kept: OrderedDict[str, SidecarIndex] = OrderedDict()
        self._kept_bytes = 0
        self._lock = threading.Lock()

    def __call__(self, pack: PackRow) -> SidecarIndex:
        """The sidecar of a pack. Raises PacsdError NOT_FOUND, UNAVAILABLE (damaged), UNSUPPORTED."""
        with self._lock:
            kept = self._kept.get(pack.sidecar_key)
            if kept is not None:
                self._kept.move_to_end(pack.sidecar_key)
                return kept
        sidecar = SidecarIndex(self._blobs.read(pack.sidecar_key))
        if sidecar.size_bytes <= self._cache_bytes // 4:
            self._keep(pack.sidecar_key, sidecar)
        return sidecar

    def _keep(self, key: str, sidecar: SidecarIndex) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = sidecar
                self._kept_bytes += sidecar.size_bytes
            while self._kept_bytes > self._cache_bytes:
                _, oldest = self._kept.popitem(last=False)
                self._kept_bytes -= oldest.size_bytes
