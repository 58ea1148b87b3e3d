"""The answer to a search, of studies as of workitems and non-patient instances (PS3.18 8.3.4, 10.6.3, 11.9.3, 12.6.3).

A long answer is read to its end, onto the disk, before its first byte is sent: while it is read it holds a connection
to the index, and those are few, while clients that take it slowly may be many.

No match is 200 with an empty array: the current edition dropped the 204 of earlier ones (10.6.3.1), and clients that
know only the 204 still read an empty array as what it is.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import orjson
from starlette.responses import Response

from pacsd.web.content_coding import GZIP, gzipped, gzipping, worth_coding
from pacsd.web.media_types import DICOM_JSON, DICOM_XML, JSON, Representation
from pacsd.web.multipart import MultipartWriter
from pacsd.web.services import Scratch, Services
from pacsd.web.streaming import StreamedResponse
from pacsd.web.xml_model import native_model

OFFERS = (Representation(DICOM_JSON), Representation(DICOM_XML, multipart=True), Representation(JSON))
_BATCH_RESULTS = 1_000                   # up to here an answer stays in memory
_SHOWN_KEYS = 10                         # in a warning
_UTF8 = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}

Found = Generator[dict[str, Any], None, None]


@dataclass(frozen=True, slots=True)
class Asked:
    """How the results of a search are to be given, and what the client is to be told beside them."""

    form: Representation
    limit: int | None
    base_url: str
    warnings: Sequence[str] = ()
    gzip: bool = False


def limited(asked: int | None, most: int | None) -> int | None:
    """The client's limit, or the server's where that is less."""
    return min((one for one in (asked, most) if one is not None), default=None)


def one_more(limit: int | None) -> int | None:
    """What to search for, so that it is known whether the limit leaves anything out."""
    return None if limit is None else limit + 1


def answered(services: Services, asked: Asked, results: Iterator[bytes]) -> Response:
    """The results, each a data set as JSON, up to the limit; where one more comes a warning says so."""
    given = islice(results, asked.limit)
    first = list(islice(given, _BATCH_RESULTS))
    content_type, pieces = _written(asked.form, chain(first, given))
    if len(first) == _BATCH_RESULTS:
        return _long(services, asked, results, content_type, pieces)
    body = b"".join(pieces)
    gzip = asked.gzip and worth_coding(len(body))
    headers = _headers(asked, content_type, gzip=gzip, more=_is_more(asked, results))
    return Response(gzipped([body]) if gzip else body, headers=headers)


def _long(
    services: Services, asked: Asked, results: Iterator[bytes], content_type: str, pieces: Iterator[bytes]
) -> Response:
    scratch = services.archive.ingest.scratch()
    try:
        for batch in gzipping(_batches(pieces)) if asked.gzip else _batches(pieces):
            scratch.write(batch)
        headers = _headers(asked, content_type, gzip=asked.gzip, more=_is_more(asked, results))
    except BaseException:
        scratch.close()
        raise
    return StreamedResponse(
        _read_back(scratch), threads=services.threads, media_type=headers.pop("Content-Type"),
        size_bytes=scratch.size_bytes, headers=headers, stall_s=services.limits.download_stall_s,
    )  # fmt: skip


def _read_back(scratch: Scratch) -> Iterator[bytes]:
    try:
        yield from scratch.read(0, scratch.size_bytes)
    finally:
        scratch.close()


def _is_more(asked: Asked, results: Iterator[bytes]) -> bool:
    return asked.limit is not None and next(results, None) is not None


def _headers(asked: Asked, content_type: str, *, gzip: bool, more: bool) -> dict[str, str]:
    """With the Warning of what was not done, and that results were left out (PS3.18 8.3.4).

    How many were left out is not counted: that would cost the search of all of them.
    """
    texts = [*asked.warnings, *(["There are additional results that can be requested"] if more else [])]
    warning = {"Warning": ", ".join(f"299 {asked.base_url}: {text}" for text in texts)} if texts else {}
    coding = {"Content-Encoding": GZIP} if gzip else {}
    return {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding", **coding, **warning}


def unsupported_keys(paths: Sequence[str]) -> list[str]:
    """Warnings that name keys which are not matched by, the first of them (PS3.18 8.3.4.1)."""
    texts = [f"The matching key {path} is not supported. It has been ignored." for path in paths[:_SHOWN_KEYS]]
    left = len(paths) - len(texts)
    return [*texts, f"{left} more matching keys are not supported. They have been ignored."] if left else texts


def data_sets(found: Found) -> Generator[bytes, None, None]:
    """Results as `answered` wants them. To be closed, which closes `found`."""
    with closing(found):
        for one in found:
            yield orjson.dumps({**_UTF8, **one})


def _written(form: Representation, results: Iterable[bytes]) -> tuple[str, Iterator[bytes]]:
    """The content type, and the body in pieces. No part at all cannot be written as multipart: it is empty then."""
    if form.media_type != DICOM_XML:
        return form.media_type, _array(results)
    writer = MultipartWriter(DICOM_XML)
    return writer.content_type, _parts(results, writer)


def _array(results: Iterable[bytes]) -> Iterator[bytes]:
    separator = b"["
    for one in results:
        yield separator + one
        separator = b","
    yield b"]" if separator == b"," else b"[]"


def _parts(results: Iterable[bytes], writer: MultipartWriter) -> Iterator[bytes]:
    none = True
    for one in results:
        yield writer.head(DICOM_XML) + native_model(orjson.loads(one))
        none = False
    if not none:
        yield writer.close()


def _batches(pieces: Iterator[bytes]) -> Iterator[bytes]:
    while batch := b"".join(islice(pieces, _BATCH_RESULTS)):
        yield batch
