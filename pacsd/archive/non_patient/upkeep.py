"""Instances that belong to no patient, compared with the index and brought back into an empty one."""

from collections.abc import Iterator, Mapping

from pacsd.archive.check import Finding, Trouble
from pacsd.archive.inventory import compared
from pacsd.archive.non_patient.reception import PREFIX, row_of
from pacsd.archive.received import CharacterSetOf
from pacsd.blobs.port import BlobStore
from pacsd.codec.part10 import read_meta
from pacsd.faults import Fault, PacsdError
from pacsd.index import non_patient as rows
from pacsd.index.connect import Pool
from pacsd.index.non_patient import NonPatientRow

_META_BYTES = 1 << 16


def check(blobs: BlobStore, pool: Pool) -> Iterator[Finding]:
    """Every row against its blob, and blobs that no row names."""
    for row in rows.every(pool):
        found = _compared(blobs, row)
        if found is not None and rows.is_kept(pool, row):        # and not purged meanwhile
            yield found
    for pair in compared(blobs.list(PREFIX), (row.key for row in rows.every(pool))):
        if pair.blob is not None and not pair.known:
            yield Finding(Trouble.UNINDEXED, pair.key)


def _compared(blobs: BlobStore, row: NonPatientRow) -> Finding | None:
    try:
        found = row_of(blobs, row.key, row.organisation, None)
    except PacsdError as error:
        kind = Trouble.MISSING if error.fault is Fault.NOT_FOUND else Trouble.CORRUPT
        return Finding(kind, row.key, row.sop_instance_uid, error.message)
    if found.digest != row.digest:
        return Finding(Trouble.CORRUPT, row.key, row.sop_instance_uid, "the data set has another digest")
    return None


class Rebuild:
    """Fills an empty index."""

    def __init__(
        self, blobs: BlobStore, pool: Pool, keys: Mapping[str, int], character_set_of: CharacterSetOf
    ) -> None:
        self._blobs = blobs
        self._pool = pool
        self._keys = keys
        self._character_set_of = character_set_of

    def run(self) -> Iterator[Finding]:
        """All of it. What could not be read is found. Raises PacsdError INTERNAL for an unknown organisation."""
        for info in self._blobs.list(PREFIX):
            code = info.key.split("/")[1]
            if code not in self._keys:
                raise PacsdError(Fault.INTERNAL, f"organisation {code} is not configured")
            try:
                source_ae = read_meta(self._blobs.read(info.key, length_bytes=_META_BYTES)).source_ae
                character_set = self._character_set_of(code, source_ae)
                row = row_of(self._blobs, info.key, self._keys[code], character_set)
                with rows.holding(self._pool, row.organisation, row.sop_instance_uid) as connection:
                    rows.insert(connection, row)
            except PacsdError as error:
                if error.fault is not Fault.MALFORMED:
                    raise
                yield Finding(Trouble.CORRUPT, info.key, "", error.message)
