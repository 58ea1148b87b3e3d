"""Store instances (PS3.18 10.5): Part 10 files, streamed to the spool as they arrive.

Every object has its own outcome. Complete objects are made durable and visible while later ones still arrive, so
that many share one sync and one transaction of the index.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from pacsd.access.directory import Peer
from pacsd.faults import Fault, PacsdError
from pacsd.web.addresses import uid
from pacsd.web.media_types import DICOM, MULTIPART_RELATED, media_type, negotiate
from pacsd.web.multipart import Event, MultipartReader, PartData, PartEnd, PartStart, boundary_of
from pacsd.web.problem import HttpError
from pacsd.web.services import Reception, Services
from pacsd.web.store_response import OFFERS, Outcome, failed, response, stored

_TURN_BYTES = 1 << 20            # gathered from the network before a thread writes them
_TURN_EVENTS = 4_096             # or so many events of small parts

_UNDECIDED = failed(PacsdError(Fault.INTERNAL, "processing failure"))

_log = logging.getLogger("pacsd.web")


async def store(services: Services, request: Request) -> Response:
    """POST /studies and /studies/{study}: 200 all stored, 202 some, 409 none (PS3.18 Table 10.5.3-1)."""
    study = uid(request, "study") if "study" in request.path_params else None
    form = negotiate(request, OFFERS)
    base_url = services.addresses.dicom_web(request)
    parts = _parts(services, request)
    upload = _Upload(services, services.directory.web_reader(), study)
    try:
        async for chunk in _body(services, request):
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
    return response(outcomes, base_url=base_url, form=form)


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
    """A body that is one Part 10 file, as the events of a single part."""

    def __init__(self) -> None:
        self._begun = False

    def feed(self, chunk: bytes) -> Iterable[Event]:
        begin: list[Event] = [] if self._begun else [PartStart({"content-type": DICOM})]
        self._begun = True
        return [*begin, PartData(memoryview(chunk))]

    def finish(self) -> list[Event]:
        if not self._begun:
            raise PacsdError(Fault.MALFORMED, "the request has no body")
        return [PartEnd()]


def _parts(services: Services, request: Request) -> _MultipartBody | _SingleBody:
    """How the body is to be read. Raises HttpError 415 for what cannot be stored, PacsdError MALFORMED."""
    content_type = request.headers.get("content-type", "")
    essence, parameters = media_type(content_type)
    kind = parameters.get("type", DICOM).lower() if essence == MULTIPART_RELATED else essence
    if kind != DICOM or request.headers.get("content-encoding", "identity").lower() != "identity":
        detail = 'store application/dicom, alone or as multipart/related; type="application/dicom", not encoded'
        raise HttpError(415, "Unsupported Media Type", detail, headers={"Accept-Post": f"{MULTIPART_RELATED}, {DICOM}"})
    if essence != MULTIPART_RELATED:
        return _SingleBody()
    boundary, _ = boundary_of(content_type)
    return _MultipartBody(MultipartReader(boundary, services.limits.multipart))


async def _body(services: Services, request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises HttpError 413 above the limit, 408 when the client stalls."""
    most = services.limits.max_upload_bytes
    declared = request.headers.get("content-length", "")
    if most is not None and declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    taken = 0
    chunks = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(services.limits.upload_stall_s):
                chunk = await anext(chunks, None)
        except TimeoutError as error:
            raise HttpError(
                408, "Request Timeout", "the upload has stalled", headers={"Connection": "close"}
            ) from error
        if chunk is None:
            return
        taken += len(chunk)
        if most is not None and taken > most:
            raise _too_large(most)
        if chunk:
            yield chunk


def _too_large(most: int) -> HttpError:
    detail = f"one request may hold {most} bytes"
    return HttpError(413, "Content Too Large", detail, headers={"Connection": "close"})


@dataclass(frozen=True, slots=True)
class _Received:
    """A part that is complete: a reception to commit, or why there is none."""

    reception: Reception | None
    outcome: Outcome | None = None


class _Upload:
    """The parts of one request on their way in. Coroutines of one task only; threads do what touches the disk."""

    def __init__(self, services: Services, peer: Peer, study: str | None) -> None:
        self._threads = services.threads
        self._writer = _Writer(services, peer, study)
        self._free = asyncio.Semaphore(services.limits.commits_in_flight)
        self._commits: set[asyncio.Task[None]] = set()
        self._outcomes: list[Outcome | None] = []
        self._waiting: list[Event] = []
        self._waiting_bytes = 0

    async def take(self, events: Iterable[Event]) -> None:
        """Parts, as the reader finds them."""
        for event in events:
            self._waiting.append(event)
            if isinstance(event, PartData):
                self._waiting_bytes += len(event.data)
        if self._waiting_bytes >= _TURN_BYTES or len(self._waiting) >= _TURN_EVENTS:
            await self._turn()

    async def finish(self) -> list[Outcome]:
        """One outcome for each part, in their order."""
        await self._turn()
        if self._commits:
            await asyncio.wait(self._commits)
        return [outcome or _UNDECIDED for outcome in self._outcomes]

    async def give_up(self) -> list[Outcome]:
        """The request ends badly: the current part is forgotten; those complete before it are kept, and reported."""
        try:
            return await self.finish()
        finally:
            await self._threads.commit(self._writer.abort)

    async def _turn(self) -> None:
        events, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if not events:
            return
        for received in await self._threads.commit(self._writer.apply, events):
            self._outcomes.append(received.outcome)
            if received.reception is not None:
                await self._begin_commit(received.reception)

    async def _begin_commit(self, reception: Reception) -> None:
        number = len(self._outcomes) - 1
        await self._free.acquire()
        task = asyncio.ensure_future(self._commit(number, reception))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)

    async def _commit(self, number: int, reception: Reception) -> None:
        try:
            self._outcomes[number] = await self._threads.commit(_committed, reception)
        finally:
            self._free.release()


class _Writer:
    """Applies events to receptions; synchronous, one call at a time."""

    def __init__(self, services: Services, peer: Peer, study: str | None) -> None:
        self._receive = services.archive.ingest.receive_part10
        self._peer = peer
        self._study = study
        self._current: Reception | None = None
        self._refused: Outcome | None = None

    def apply(self, events: Sequence[Event]) -> list[_Received]:
        """What became complete."""
        complete = []
        for event in events:
            if isinstance(event, PartData):
                self._write(event.data)
            elif isinstance(event, PartStart):
                self._open(event)
            else:
                complete.append(_Received(self._current, self._refused))
                self._current = self._refused = None
        return complete

    def abort(self) -> None:
        """Forget the current part."""
        if self._current is not None:
            self._current.abort()
            self._current = None

    def _open(self, start: PartStart) -> None:
        kind, _ = media_type(start.headers.get("content-type", DICOM))
        if kind != DICOM:
            self._refused = failed(PacsdError(Fault.MALFORMED, "a part is not application/dicom"))
            return
        try:
            self._current = self._receive(self._peer, study_instance_uid=self._study)
        except PacsdError as error:
            self._refused = failed(error)

    def _write(self, data: memoryview) -> None:
        if self._current is None:
            return
        try:
            self._current.write(data)
        except PacsdError as error:
            self._refused = failed(error, *_named(self._current))
            self.abort()


def _committed(reception: Reception) -> Outcome:
    """Commit, whatever happens, to an outcome."""
    try:
        return stored(reception.commit())
    except PacsdError as error:
        return failed(error, *_named(reception))
    except Exception as error:
        _log.error("store failed", extra={"fault": "internal", "error": type(error).__name__})
        reception.abort()
        return failed(PacsdError(Fault.INTERNAL, "processing failure"), *_named(reception))


def _named(reception: Reception) -> tuple[str, str]:
    return reception.sop_class_uid, reception.sop_instance_uid


