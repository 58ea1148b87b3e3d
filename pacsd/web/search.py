"""Search for studies, series and instances (PS3.18 10.6).

No match is 200 with an empty array: the current edition dropped the 204 of earlier ones (10.6.3.1), and clients
that know only the 204 still read an empty array as what it is.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pacsd.access.scope import Scope
from pacsd.web.addresses import uid
from pacsd.web.charset import require_utf8
from pacsd.web.content_coding import GZIP, accepts_gzip, gzipped, gzipping, worth_coding
from pacsd.web.media_types import DICOM_JSON, DICOM_XML, JSON, Representation, negotiate
from pacsd.web.multipart import MultipartWriter
from pacsd.web.search_parameters import (
    SERIES_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    Level,
    SearchParameters,
    parse,
)
from pacsd.web.services import Match, Services
from pacsd.web.streaming import StreamedResponse
from pacsd.web.xml_model import native_model

OFFERS = (
    Representation(DICOM_JSON),
    Representation(DICOM_XML, multipart=True),
    Representation(JSON),
)
_VARY = "Accept, Accept-Encoding"
_ONE_BODY_RESULTS = 1_000        # up to here an answer is read at once and is one body; above it is streamed

Write = Callable[[Match], str]           # the members of one match

_PATH_KEYS = {"study": STUDY_INSTANCE_UID, "series": SERIES_INSTANCE_UID}


async def studies(services: Services, request: Request) -> Response:
    """/studies"""
    return await _answer(services, request, "study")


async def series(services: Services, request: Request) -> Response:
    """/series and /studies/{study}/series"""
    return await _answer(services, request, "series")


async def instances(services: Services, request: Request) -> Response:
    """/instances, /studies/{study}/instances and /studies/{study}/series/{series}/instances"""
    return await _answer(services, request, "instance")


@dataclass(frozen=True, slots=True)
class _Page:
    """The first results, and the iterator that holds the others; `more` beyond the limit are not sent."""

    first: Sequence[Match]
    rest: "_Matches | None"
    more: bool
    unsupported: Sequence[str] = ()


async def _answer(services: Services, request: Request, level: Level) -> Response:
    form = negotiate(request, OFFERS)
    require_utf8(request)
    ancestors = {_PATH_KEYS[name]: uid(request, name) for name in request.path_params}
    parameters = parse(request.scope["query_string"], level, ancestors)
    base_url = services.addresses.dicom_web(request)
    gzip = accepts_gzip(request)
    if form.media_type != DICOM_XML:
        return await services.threads.run(_json_answer, services, parameters, base_url, form, gzip=gzip)
    return await services.threads.run(_xml_answer, services, parameters, base_url, gzip=gzip)


def _json_answer(
    services: Services, parameters: SearchParameters, base_url: str, form: Representation, *, gzip: bool
) -> Response:
    page = _page(services, parameters)
    write = partial(_members, base_url, parameters.upper)
    headers = {"Content-Type": form.media_type, "Vary": _VARY, **_warnings(base_url, parameters, page)}
    if page.rest is not None:
        return _stream(services, _json_pieces(page.first, page.rest, write), headers, gzip=gzip)
    body = _array(page.first, write)
    if gzip and worth_coding(len(body)):
        return Response(gzipped([body]), headers={**headers, "Content-Encoding": GZIP})
    return Response(body, headers=headers)


def _xml_answer(services: Services, parameters: SearchParameters, base_url: str, *, gzip: bool) -> Response:
    page = _page(services, parameters)
    writer = MultipartWriter(DICOM_XML)
    headers = {"Content-Type": writer.content_type, "Vary": _VARY, **_warnings(base_url, parameters, page)}
    if not page.first:
        return Response(b"", headers=headers)        # no part at all cannot be written as multipart
    write = partial(_members, base_url, parameters.upper)
    return _stream(services, _xml_pieces(page.first, page.rest, writer, write), headers, gzip=gzip)


def _stream(services: Services, pieces: Iterator[bytes], headers: dict[str, str], *, gzip: bool) -> Response:
    if gzip:
        headers["Content-Encoding"] = GZIP
    return StreamedResponse(
        gzipping(pieces) if gzip else pieces,
        threads=services.threads,
        media_type=headers.pop("Content-Type"),
        headers=headers,
        stall_s=services.limits.download_stall_s,
    )


def _page(services: Services, parameters: SearchParameters) -> _Page:
    """Run the search as far as one body holds. One result more than the limit is asked for, to know of it."""
    limit = _limit(parameters.query.limit, services.limits.max_results)
    if limit == 0:
        return _Page((), None, more=False)
    scope = services.scope()
    large = limit is None or limit > _ONE_BODY_RESULTS
    unsupported, matches = _search(services, parameters, scope, limit if large or limit is None else limit + 1)
    first = list(islice(matches, _ONE_BODY_RESULTS if large else limit))
    if not large:
        with closing(matches):
            return _Page(first, None, next(matches, None) is not None, unsupported)
    if len(first) < _ONE_BODY_RESULTS:
        return _Page(first, None, False, unsupported)
    more = limit is not None and _beyond(services, parameters, scope, limit)
    return _Page(first, matches, more, unsupported)


def _beyond(services: Services, parameters: SearchParameters, scope: Scope, limit: int) -> bool:
    """Whether a long answer leaves results out: asked on its own, for headers go before the last result is read."""
    following = replace(parameters, query=replace(parameters.query, offset=parameters.query.offset + limit))
    _, found = _search(services, following, scope, 1)
    with closing(found) as matches:
        return next(matches, None) is not None


def _search(
    services: Services, parameters: SearchParameters, scope: Scope, limit: int | None
) -> tuple[Sequence[str], "_Matches"]:
    """The keys that will not be matched by, and the matches."""
    search = services.archive.search
    compiled = search.compile(replace(parameters.query, limit=limit))
    return compiled.unsupported, _Matches(search(compiled, scope))


class _Matches(Iterator[Match]):
    """An iterator of matches that can be closed, whether or not the archive's own can."""

    def __init__(self, matches: Iterator[Match]) -> None:
        self._matches = iter(matches)

    def __next__(self) -> Match:
        return next(self._matches)

    def close(self) -> None:
        """Give the cursor back."""
        close: Any = getattr(self._matches, "close", None)
        if close is not None:
            close()


def _limit(asked: int | None, most: int | None) -> int | None:
    if asked is None or most is None:
        return most if asked is None else asked
    return min(asked, most)


def _warnings(base_url: str, parameters: SearchParameters, page: _Page) -> dict[str, str]:
    """Warning header (PS3.18 8.3.4): what was not done, and that results were left out.

    How many were left out is not counted: that would cost the search of all of them.
    """
    texts = list(parameters.warnings)
    texts += [f"The matching key {path} is not supported. It has been ignored." for path in page.unsupported]
    if page.more:
        texts.append("There are additional results that can be requested")
    return {"Warning": ", ".join(f"299 {base_url}: {text}" for text in texts)} if texts else {}


def _members(base_url: str, upper: bool, match: Match) -> str:
    return match.members(base_url, upper=upper)


def _array(matches: Sequence[Match], write: Write) -> bytes:
    if not matches:
        return b"[]"
    return ("[{" + "},{".join(map(write, matches)) + "}]").encode()


def _json_pieces(first: Sequence[Match], rest: "_Matches", write: Write) -> Iterator[bytes]:
    with closing(rest):
        yield _array(first, write)[:-1]
        while batch := list(islice(rest, _ONE_BODY_RESULTS)):
            yield b"," + _array(batch, write)[1:-1]
        yield b"]"


def _xml_pieces(
    first: Sequence[Match], rest: "_Matches | None", writer: MultipartWriter, write: Write
) -> Iterator[bytes]:
    with closing(rest) if rest is not None else nullcontext():
        for match in chain(first, rest or ()):
            yield writer.head(DICOM_XML)
            yield native_model(orjson.loads("{" + write(match) + "}"))
    yield writer.close()
