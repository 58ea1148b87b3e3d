"""gzip of text answers (RFC 9110 8.4, 12.5.3), for clients that accept it.

Metadata is compressed anew, although sidecars keep it compressed: what stands in them is columns, between which URLs
and corrections are put on the way out. igzip takes 1.5 ms for each MB, which is less than any network saves.
"""

from collections.abc import Iterable, Iterator, Sequence

from isal import igzip_lib, isal_zlib
from starlette.requests import Request

from pacsd.web.media_types import quality_of_token
from pacsd.web.streaming import abandon

GZIP = "gzip"
_MIN_BYTES = 1024                        # smaller ones fit a packet anyway
_LEVEL = 1
_GZIP_BITS = 31


def accepts_gzip(request: Request) -> bool:
    """Whether the client names gzip as something it takes."""
    accepted = ",".join(request.headers.getlist("accept-encoding"))
    return GZIP in accepted and quality_of_token(accepted, GZIP) > 0.0


def worth_coding(size_bytes: int) -> bool:
    """Whether compressing that much changes anything."""
    return size_bytes >= _MIN_BYTES


def gzipped(pieces: Sequence[bytes]) -> bytes:
    """A body that is in memory, in one gzip member."""
    data: bytes = igzip_lib.compress(b"".join(pieces), _LEVEL, flag=igzip_lib.COMP_GZIP)
    return data


def gzipping(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A body as it comes."""
    compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP_BITS)
    try:
        for chunk in chunks:
            coded: bytes = compressor.compress(chunk)
            if coded:
                yield coded
        yield compressor.flush()
    finally:
        if isinstance(chunks, Iterator):
            abandon(chunks)
