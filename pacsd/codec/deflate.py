"""The deflated data set (PS3.5 A.5) as a stream, in and out."""

import zlib
from collections.abc import Iterable, Iterator

from pacsd.codec.structure import Bytes, MalformedDataset

_STEP_BYTES = 1 << 20


def deflated(chunks: Iterable[Bytes]) -> Iterator[bytes]:
    """Deflate without a zlib header, padded to even length."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    length = 0
    for chunk in chunks:
        if piece := deflater.compress(chunk):
            length += len(piece)
            yield piece
    piece = deflater.flush()
    yield piece + b"\0" * ((length + len(piece)) % 2)


def inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Inflate in steps of at most 1 MiB; a zlib header, which some writers add against the standard, is accepted.

    Raises MalformedDataset, also when the deflated bytes end too early.
    """
    inflater = None
    for chunk in chunks:
        if inflater is None:
            inflater = zlib.decompressobj(_wbits(chunk))
        while chunk and not inflater.eof:
            try:
                piece = inflater.decompress(chunk, _STEP_BYTES)
            except zlib.error as error:
                raise MalformedDataset("the deflated data set cannot be inflated") from error
            chunk = inflater.unconsumed_tail
            yield piece
        if inflater.eof:
            break
    if inflater is None:
        return
    yield inflater.flush()
    if not inflater.eof:
        raise MalformedDataset("the deflated data set is cut short")


def _wbits(front: bytes) -> int:
    try:
        zlib.decompressobj(-zlib.MAX_WBITS).decompress(front, 64)
    except zlib.error:
        return zlib.MAX_WBITS
    return -zlib.MAX_WBITS
