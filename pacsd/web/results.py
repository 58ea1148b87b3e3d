"""The answer to a search of instances without levels: workitems, and instances that belong to no patient.

No match is 200 with an empty array, as in searches for studies.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import Any

import orjson
from starlette.responses import Response

from pacsd.web.media_types import DICOM_JSON, DICOM_XML, JSON, Representation
from pacsd.web.multipart import MultipartWriter
from pacsd.web.services import Services
from pacsd.web.streaming import StreamedResponse
from pacsd.web.xml_model import native_model

OFFERS = (Representation(DICOM_JSON), Representation(DICOM_XML, multipart=True), Representation(JSON))
_ONE_BODY_RESULTS = 500                  # up to here an answer is read at once; above it is streamed
_UTF8 = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}

Found = Generator[dict[str, Any], None, None]
Search = Callable[[int, int], tuple[Sequence[str], Found]]       # limit, offset: keys not matched by, and results


def answer(
    services: Services, search: Search, form: Representation, base_url: str, *, limit: int | None, offset: int,
    warnings: Sequence[str],
) -> Response:  # fmt: skip
    """The results in their form, streamed where they are many; what the client must know in Warning headers."""
    most = min(one for one in (limit, services.limits.max_results, 1 << 31) if one is not None)
    unsupported, found = search(most, offset)
    first = list(islice(found, _ONE_BODY_RESULTS))
    more = len(first) == min(most, _ONE_BODY_RESULTS) and _beyond(search, offset + most)
    headers = {"Cache-Control": "no-store", **_warnings(base_url, warnings, unsupported, more)}
    writer = MultipartWriter(DICOM_XML) if form.media_type == DICOM_XML else None
    content_type = form.media_type if writer is None else writer.content_type
    pieces = _json(first, found) if writer is None else _xml(first, found, writer)
    if len(first) < _ONE_BODY_RESULTS:
        with closing(pieces):
            body = b"" if writer is not None and not first else b"".join(pieces)
        return Response(body, headers={"Content-Type": content_type, **headers})
    return StreamedResponse(
        pieces, threads=services.threads, media_type=content_type, headers=headers,
        stall_s=services.limits.download_stall_s,
    )  # fmt: skip


def _beyond(search: Search, offset: int) -> bool:
    """Whether the answer leaves results out."""
    _, found = search(1, offset)
    with closing(found):
        return next(found, None) is not None


def _warnings(base_url: str, texts: Sequence[str], unsupported: Sequence[str], more: bool) -> dict[str, str]:
    said = [*texts, *(f"The matching key {path} is not supported. It has been ignored." for path in unsupported)]
    if more:
        said.append("There are additional results that can be requested")
    return {"Warning": ", ".join(f"299 {base_url}: {text}" for text in said)} if said else {}


def _json(first: Sequence[dict[str, Any]], rest: Found) -> Generator[bytes, None, None]:
    with closing(rest):
        yield b"["
        for number, one in enumerate(chain(first, rest)):
            yield (b"," if number else b"") + orjson.dumps({**_UTF8, **one})
        yield b"]"


def _xml(first: Sequence[dict[str, Any]], rest: Found, writer: MultipartWriter) -> Generator[bytes, None, None]:
    with closing(rest):
        for one in chain(first, rest):
            yield writer.head(DICOM_XML)
            yield native_model({**_UTF8, **one})
        yield writer.close()
