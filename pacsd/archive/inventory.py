"""Blobs held against the index's keys: two ordered lists walked side by side, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass

from pacsd.blobs.port import BlobInfo


@dataclass(frozen=True, slots=True)
class Pair:
    """A blob and whether the index knows its key; or a key that the index knows without a blob."""

    key: str
    blob: BlobInfo | None
    known: bool


def compared(blobs: Iterator[BlobInfo], known: Iterator[str]) -> Iterator[Pair]:
    """A full join of blobs and known keys, both in ascending order by code point; repeated keys count once."""
    blob, key = next(blobs, None), next(known, None)
    while blob is not None or key is not None:
        if blob is not None and (key is None or blob.key < key):
            yield Pair(blob.key, blob, False)
            blob = next(blobs, None)
        elif key is not None:
            held = blob if blob is not None and blob.key == key else None
            yield Pair(key, held, True)
            key = _after(known, key)
            blob = next(blobs, None) if held is not None else blob


def _after(keys: Iterator[str], last: str) -> str | None:
    return next((key for key in keys if key != last), None)
