"""Metadata of studies, series and instances as DICOM JSON text (PS3.18 10.4.1.1.2), overlays put in."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from pacsd.access.scope import Scope
from pacsd.archive.describe import described
from pacsd.archive.pack_file import PieceReader
from pacsd.archive.received import CharacterSetOf, true_character_set
from pacsd.archive.retrieve import Contents, Selection
from pacsd.archive.sidecar import SidecarIndex
from pacsd.archive.sidecar_metadata import ORIGINAL_ATTRIBUTES_SEQUENCE, Member, document
from pacsd.blobs.port import BlobStore
from pacsd.codec.part10 import read_meta
from pacsd.faults import Fault, PacsdError
from pacsd.index.records import Extent, LooseInstance, PackRow, SeriesContent

KEPT_BYTES = 16 << 20                    # of loose instances' members, for each process
_META_BYTES = 1 << 16
_MODIFIED_ATTRIBUTES_SEQUENCE = "04000550"
_Overlay = Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class MetadataText:
    """A whole DICOM JSON array, in pieces."""

    chunks: Sequence[bytes]

    @property
    def size_bytes(self) -> int:
        """Bytes of all pieces."""
        return sum(map(len, self.chunks))


class Metadata:
    """Puts metadata together: packed instances from sidecars, loose ones from their files."""

    def __init__(
        self,
        blobs: BlobStore,
        contents: Contents,
        sidecar: Callable[[PackRow], SidecarIndex],
        character_set_of: CharacterSetOf,
    ) -> None:
        self._contents = contents
        self._sidecar = sidecar
        self._loose = _LooseMembers(blobs, character_set_of)

    def study(self, scope: Scope, study: str, *, base_url: str) -> MetadataText:
        """Every instance of a study. Raises PacsdError NOT_FOUND."""
        return self._text(scope, Selection((study,)), base_url)

    def series(self, scope: Scope, study: str, series: str, *, base_url: str) -> MetadataText:
        """Every instance of a series. Raises PacsdError NOT_FOUND."""
        return self._text(scope, Selection((study,), (series,)), base_url)

    def instance(self, scope: Scope, study: str, series: str, sop: str, *, base_url: str) -> MetadataText:
        """One instance. Raises PacsdError NOT_FOUND."""
        return self._text(scope, Selection((study,), (series,), (sop,)), base_url)

    def _text(self, scope: Scope, selection: Selection, base_url: str) -> MetadataText:
        wanted = frozenset(selection.sop_instance_uids)
        pieces = [
            piece
            for content in self._contents(scope, selection)
            for piece in self._of_series(content, wanted, base_url)
            if piece
        ]
        if not pieces:
            raise PacsdError(Fault.NOT_FOUND, "no such study, series or instance")
        chunks = [b"["]
        for piece in pieces:
            chunks += (piece, b",")
        chunks[-1] = b"]"
        return MetadataText(chunks)

    def _of_series(self, content: SeriesContent, wanted: frozenset[str], base_url: str) -> Iterator[bytes]:
        prefix = (
            f"{base_url}/studies/{content.study_instance_uid}/series/{content.series_instance_uid}/instances/"
        ).encode()
        for pack in content.packs:
            yield self._packed(content, pack, wanted, prefix)
        for loose in content.loose:
            if loose.sop_instance_uid not in content.rejected and (not wanted or loose.sop_instance_uid in wanted):
                members = self._loose(loose)
                overlay = overlay_texts(content, dict(members))
                yield document(members, prefix + loose.sop_instance_uid.encode(), overlay=overlay)

    def _packed(self, content: SeriesContent, pack: PackRow, wanted: frozenset[str], prefix: bytes) -> bytes:
        sidecar = self._sidecar(pack)
        hidden = content.rejected | content.replaced
        if wanted:
            entries = [entry for uid in wanted - hidden if (entry := sidecar.get(uid)) is not None]
        elif hidden:
            entries = [entry for entry in sidecar if entry.sop_instance_uid not in hidden]
        else:
            entries = list(sidecar)
        if not entries:
            return b""
        metadata = sidecar.metadata()
        return metadata.documents(
            [prefix + entry.sop_instance_uid.encode() for entry in entries],
            positions=None if len(entries) == len(sidecar) else [entry.position for entry in entries],
            overlay=overlay_texts(content, metadata.study),
        )


def overlay_texts(content: SeriesContent, old: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
    """An overlay as attribute texts, with the Original Attributes Sequence that it makes (PS3.3 C.12.1.1.9)."""
    if not content.overlay:
        return {}
    texts = {tag: None if value is None else orjson.dumps(value) for tag, value in content.overlay.items()}
    texts[ORIGINAL_ATTRIBUTES_SEQUENCE] = _original_attributes(content.overlay, old, content.overlaid_at)
    return texts


def _original_attributes(overlay: _Overlay, old: Mapping[str, bytes], when: datetime | None) -> bytes:
    replaced = b",".join(b'"%b":%b' % (tag.encode(), old[tag]) for tag in sorted(overlay) if tag in old)
    facts = {
        "04000562": {"vr": "DT", "Value": [f"{when or datetime.now(UTC):%Y%m%d%H%M%S.%f%z}"]},
        "04000563": {"vr": "LO", "Value": ["PACSD"]},
        "04000564": {"vr": "LO"},
        "04000565": {"vr": "CS", "Value": ["CORRECT"]},
    }
    item = b'{"%b":{"vr":"SQ","Value":[{%b}]},%b' % (
        _MODIFIED_ATTRIBUTES_SEQUENCE.encode(), replaced, orjson.dumps(facts)[1:]
    )
    before = orjson.loads(old.get(ORIGINAL_ATTRIBUTES_SEQUENCE, b"{}")).get("Value", [])
    items = b",".join([*map(orjson.dumps, before), item])
    return b'{"vr":"SQ","Value":[%b]}' % items


class _LooseMembers:
    """Members of loose instances read lately, by where they are: bytes never change, and a blob may hold several."""

    def __init__(self, blobs: BlobStore, character_set_of: CharacterSetOf) -> None:
        self._blobs = blobs
        self._character_set_of = character_set_of
        self._kept: OrderedDict[Extent, tuple[int, list[Member]]] = OrderedDict()
        self._kept_bytes = 0
        self._lock = threading.Lock()

    def __call__(self, loose: LooseInstance) -> list[Member]:
        where = loose.extent
        with self._lock:
            if where in self._kept:
                self._kept.move_to_end(where)
                return self._kept[where][1]
        with self._blobs.open(where.key) as blob:
            piece = PieceReader(blob, where)
            meta = read_meta(piece.pread(_META_BYTES, 0))
            members, _ = described(piece, meta, true_character_set(piece, self._character_set_of))
        self._keep(where, members)
        return members

    def _keep(self, where: Extent, members: list[Member]) -> None:
        size = sum(len(text) + 120 for _, text in members)
        with self._lock:
            if where not in self._kept and size < KEPT_BYTES // 8:
                self._kept[where] = size, members
                self._kept_bytes += size
            while self._kept_bytes > KEPT_BYTES:
                self._kept_bytes -= self._kept.popitem(last=False)[1][0]
