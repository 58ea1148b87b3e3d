"""Store instances (PS3.18 10.5): Part 10 files, or metadata with bulk data, streamed to the disk as they arrive.

Every object has its own outcome. Complete files are made durable and visible while later ones still arrive, so
that many share one sync and one transaction of the index.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from pacsd.access.directory import Peer
from pacsd.faults import Fault, PacsdError
from pacsd.web.addresses import uid
from pacsd.web.charset import require_utf8
from pacsd.web.media_types import DICOM, DICOM_JSON, DICOM_XML, MULTIPART_RELATED, media_type, negotiate
from pacsd.web.multipart import Event, MultipartReader, PartData, PartEnd, PartStart, boundary_of
from pacsd.web.problem import HttpError
from pacsd.web.request_body import arriving
from pacsd.web.services import Ingest, Services
from pacsd.web.store_commits import Commits
from pacsd.web.store_files import FileBatch, FilesWriter
from pacsd.web.store_metadata import Assembly
from pacsd.web.store_response import OFFERS, STORED, Outcome, failed, reasons, response, stored_studies

log = logging.getLogger("pacsd.web")

_TURN_BYTES = 1 << 20            # gathered from the network before a thread writes them
_TURN_EVENTS = 4_096             # or so many events of small parts

ACCEPTED = (DICOM, DICOM_JSON, DICOM_XML)        # alone, or as the root type of multipart/related


async def store(services: Services, request: Request) -> Response:
    """POST /studies and /studies/{study}: 200 all stored, 202 some, 409 none (PS3.18 Table 10.5.3-1)."""
    study = uid(request, "study") if "study" in request.path_params else None
    return await store_in(services, request, services.archive.ingest, study=study)


async def store_in(
    services: Services, request: Request, ingest: Ingest, *, study: str | None = None, resource: str = ""
) -> Response:
    """What the request holds goes to `ingest`; without `resource` its instances have a study, which may be named."""
    form = negotiate(request, OFFERS)
    base_url = services.addresses.dicom_web(request)
    require_utf8(request)
    parts, kind = _parts(services, request)
    peer = services.peer()
    if kind == DICOM:
        upload: _Upload = _Files(services, ingest, peer, study)
    else:
        upload = _Metadata(services, ingest, peer, study, base_url)
    try:
        async for chunk in arriving(services.limits, request, services.limits.max_upload_bytes):
            await upload.take(parts.feed(chunk))
        await upload.take(parts.finish())
        outcomes = await upload.finish()
    except (HttpError, PacsdError) as error:
        outcomes = await upload.give_up()
        if not outcomes or isinstance(error, HttpError):
            raise
        outcomes.append(failed(error))
    except BaseException:
        await upload.give_up()
        raise
    request.scope[STORED] = stored_studies(outcomes)
    _log_refused(outcomes)
    return response(outcomes, base_url=base_url, form=form, notes=upload.notes, resource=resource)


def _log_refused(outcomes: Sequence[Outcome]) -> None:
    """One line a request, however many objects it held; nothing of what stands in them."""
    failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    if failures:
        log.warning("objects refused", extra={"refused": len(failures), "reasons": reasons(outcomes)})


class _MultipartBody:
    """A multipart/related body as events."""

    def __init__(self, reader: MultipartReader) -> None:
        self._reader = reader

    def feed(self, chunk: bytes) -> Iterable[Event]:
        return self._reader.feed(chunk)

    def finish(self) -> list[Event]:
        self._reader.finish()
        return []


class _SingleBody:
    """A body that is one part, as the events of this."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._begun = False

    def feed(self, chunk: bytes) -> Iterable[Event]:
        begin: list[Event] = [] if self._begun else [PartStart({"content-type": self._kind})]
        self._begun = True
        return [*begin, PartData(memoryview(chunk))]

    def finish(self) -> list[Event]:
        if not self._begun:
            raise PacsdError(Fault.MALFORMED, "the request has no body")
        return [PartEnd()]


def _parts(services: Services, request: Request) -> tuple[_MultipartBody | _SingleBody, str]:
    """How the body is to be read, and what its (root) parts are.

    Raises HttpError 415 for what cannot be stored, PacsdError MALFORMED.
    """
    content_type = request.headers.get("content-type", "")
    essence, parameters = media_type(content_type)
    kind = media_type(parameters.get("type", DICOM))[0] if essence == MULTIPART_RELATED else essence
    if kind not in ACCEPTED or request.headers.get("content-encoding", "identity").lower() != "identity":
        detail = f"store one of {', '.join(ACCEPTED)}, alone or as the type of multipart/related, not encoded"
        offers = [f'{MULTIPART_RELATED}; type="{one}"' for one in ACCEPTED]
        headers = {"Accept-Post": ", ".join((*offers, *ACCEPTED))}
        raise HttpError(415, "Unsupported Media Type", detail, headers=headers)
    if essence != MULTIPART_RELATED:
        return _SingleBody(kind), kind
    boundary, _ = boundary_of(content_type)
    return _MultipartBody(MultipartReader(boundary, services.limits.multipart)), kind


class _Upload(ABC):
    """The parts of one request on their way in, gathered until it is worth a thread's while.

    One turn is with a thread while the next one is gathered: the network and the disk do not wait for each other.
    """

    def __init__(self, services: Services) -> None:
        self._threads = services.threads
        self._commits = self._committing(services)
        self._waiting: list[Event] = []
        self._waiting_bytes = 0
        self._running: asyncio.Task[None] | None = None

    def _committing(self, services: Services) -> Commits:
        return Commits(services.threads, services.limits.commits_in_flight)

    async def take(self, events: Iterable[Event]) -> None:
        """Parts, as the reader finds them."""
        for event in events:
            self._waiting.append(event)
            if isinstance(event, PartData):
                self._waiting_bytes += len(event.data)
        if self._waiting_bytes >= _TURN_BYTES or len(self._waiting) >= _TURN_EVENTS:
            await self._turn()

    async def finish(self) -> list[Outcome]:
        """One outcome for each object, in their order."""
        await self._turn()
        await self._settled()
        return await self._commits.finish()

    @abstractmethod
    async def give_up(self) -> list[Outcome]:
        """The request ends badly: what is incomplete is forgotten; what was complete before is kept, and reported."""

    @property
    def notes(self) -> Sequence[str]:
        """What the client should know beside the outcomes."""
        return ()

    async def _turn(self) -> None:
        events, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if events:
            await self._settled()
            self._running = asyncio.ensure_future(self._apply(events))

    async def _settled(self) -> None:
        """Wait for the turn that a thread has. Raises what it raised; a cancelled request leaves it running."""
        if self._running is not None:
            await asyncio.wait((self._running,))
            done, self._running = self._running, None
            done.result()

    @abstractmethod
    async def _apply(self, events: list[Event]) -> None:
        """Let a thread have them."""


class _Files(_Upload):
    """Parts that are Part 10 files: to the spool at once, and committed while others still arrive."""

    def __init__(self, services: Services, ingest: Ingest, peer: Peer, study: str | None) -> None:
        super().__init__(services)
        self._writer = FilesWriter(ingest, peer, study, services.limits)

    def _committing(self, services: Services) -> Commits:
        return Commits(services.threads, services.limits.batches_in_flight)

    async def finish(self) -> list[Outcome]:
        await self._turn()
        await self._settled()
        await self._commit(await self._threads.commit(self._writer.finish))
        return await self._commits.finish()

    async def give_up(self) -> list[Outcome]:
        try:
            return await self.finish()
        finally:
            await self._threads.commit(self._writer.abort)

    async def _apply(self, events: list[Event]) -> None:
        await self._commit(await self._threads.commit(self._writer.apply, events))

    async def _commit(self, batches: Sequence[FileBatch]) -> None:
        for batch in batches:
            await self._commits.begin(batch.commit, len(batch))


class _Metadata(_Upload):
    """Parts that are metadata and bulk data: put together when all of them are there."""

    def __init__(self, services: Services, ingest: Ingest, peer: Peer, study: str | None, base_url: str) -> None:
        super().__init__(services)
        self._assembly = Assembly(ingest, peer, study, base_url, max_objects=services.limits.multipart.max_parts)

    async def finish(self) -> list[Outcome]:
        await self._turn()
        await self._settled()
        while (assembled := await self._threads.commit(self._assembly.next)) is not None:
            await self._commits.add(assembled.reception, assembled.outcome)
        outcomes = await self._commits.finish()
        await self._threads.commit(self._assembly.close)
        return outcomes

    async def give_up(self) -> list[Outcome]:
        try:
            await self._settled()
            return await self._commits.finish()
        finally:
            await self._threads.commit(self._assembly.close)

    @property
    def notes(self) -> Sequence[str]:
        return self._assembly.notes

    async def _apply(self, events: list[Event]) -> None:
        await self._threads.commit(self._assembly.apply, events)
