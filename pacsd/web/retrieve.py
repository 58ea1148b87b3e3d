"""Retrieve: studies, series and instances as Part 10 files (PS3.18 10.4), transcoded where it is asked for."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response

from pacsd.archive.retrieve import Piece
from pacsd.faults import PacsdError
from pacsd.web import bulk_parts, bulkdata, conditional, zipped
from pacsd.web.addresses import uid
from pacsd.web.media_types import DICOM, Representation, not_acceptable
from pacsd.web.multipart import MultipartWriter
from pacsd.web.ranges import single_part
from pacsd.web.services import InstanceRef, Retrieve, Services
from pacsd.web.streaming import StreamedResponse, abandon
from pacsd.web.transcoding import CANNOT_BE_TRANSCODED, ChosenForm, Opened, chosen_forms, opened

PARTS = (Representation(DICOM, multipart=True),)
PARTS_OR_ALONE = (*PARTS, Representation(DICOM))


async def study(services: Services, request: Request) -> Response:
    """All instances of a study (PS3.18 10.4.1.1.1)."""
    return await _answer(services, request, uid(request, "study"))


async def series(services: Services, request: Request) -> Response:
    """All instances of a series (PS3.18 10.4.1.1.2)."""
    return await _answer(services, request, uid(request, "study"), uid(request, "series"))


async def instance(services: Services, request: Request) -> Response:
    """One instance (PS3.18 10.4.1.1.3)."""
    return await _answer(
        services, request, uid(request, "study"), uid(request, "series"), uid(request, "instance")
    )


def instance_url(base_url: str, ref: InstanceRef) -> str:
    """Where an instance is retrieved."""
    return (
        f"{base_url}/studies/{ref.study_instance_uid}/series/{ref.series_instance_uid}"
        f"/instances/{ref.sop_instance_uid}"
    )


async def _answer(services: Services, request: Request, *uids: str) -> Response:
    if bulk_parts.is_wanted(request):
        return await bulkdata.every(services, request)
    base_url = services.addresses.dicom_web(request)
    refs = await services.threads.run(services.archive.retrieve.instances, services.scope(), *uids)
    if zipped.is_wanted(request):
        return await zipped.answer(services, request, refs)
    forms = PARTS_OR_ALONE if len(uids) == 3 else PARTS
    return await given(services, request, refs, forms, partial(instance_url, base_url))


async def given(
    services: Services, request: Request, refs: Sequence[InstanceRef], forms: tuple[Representation, ...],
    url_of: Callable[[InstanceRef], str],
) -> Response:  # fmt: skip
    """The files in the forms that are wanted. Raises HttpError 406."""
    base_url = services.addresses.dicom_web(request)
    chosen = await services.threads.run(chosen_forms, services.archive.retrieve, request, refs, forms)
    tag = conditional.instances_tag(chosen[0].form, [one.given for one in chosen], base_url)
    unchanged = conditional.answered(request, tag)
    if unchanged is not None:
        return unchanged
    # The first file is opened before the answer begins, so that its failure still has a status of its own.
    stored = not any(one.form.transcoded for one in chosen)
    threads = services.threads if stored else services.codec_threads
    first = await threads.run(_first, services.archive.retrieve, chosen[0])
    if not chosen[0].form.multipart:
        file = first.part10
        size_bytes, pieces = file.size_bytes, file.pieces
        return single_part(
            services, request, pieces, first.part_type, size_bytes, tag, threads=threads, direct=stored
        )  # fmt: skip
    writer = MultipartWriter(DICOM)
    size_bytes = await services.threads.run(_size_bytes, services.archive.retrieve, chosen, url_of)
    return StreamedResponse(
        _multipart(services.archive.retrieve, chosen, first, writer, url_of),
        threads=threads,
        media_type=writer.content_type,
        size_bytes=size_bytes,
        status_code=200 if len(chosen) == len(refs) else 206,   # PS3.18 10.4.3: some, but not all, can be given so
        headers=conditional.headers(tag),
        stall_s=services.limits.download_stall_s,
        direct=stored,
    )


def _first(retrieve: Retrieve, one: ChosenForm) -> Opened:
    """The first file. Raises HttpError 406 where it cannot be made and the stored one will not do."""
    try:
        return opened(retrieve, one)
    except PacsdError as error:
        if not one.form.transcoded or error.fault not in CANNOT_BE_TRANSCODED:
            raise
        raise not_acceptable([one.as_stored]) from error


def _size_bytes(
    retrieve: Retrieve, chosen: Sequence[ChosenForm], url_of: Callable[[InstanceRef], str]
) -> int | None:
    """Of the whole body, where every file goes as it is stored: then its end can be told from a connection that broke,
    and nothing is copied once more to be cut into chunks (RFC 9112 7.1)."""
    like = MultipartWriter(DICOM)            # its boundary is as long as that of any other
    total = 0
    for one in chosen:
        size = None if one.form.transcoded else retrieve.size_bytes(one.ref)
        if size is None:
            return None
        total += len(like.head(one.form.part_type, location=url_of(one.ref), size_bytes=size)) + size
    return total + len(like.close())


def _multipart(
    retrieve: Retrieve, chosen: Sequence[ChosenForm], first: Opened, writer: MultipartWriter,
    url_of: Callable[[InstanceRef], str],
) -> Iterator[Piece]:
    """The whole body. One file is open at a time; closing the generator closes it."""
    files = chain((first,), (opened(retrieve, one) for one in chosen[1:]))
    for one, file in zip(chosen, files, strict=True):
        part10 = file.part10
        try:
            yield writer.head(file.part_type, location=url_of(one.ref), size_bytes=part10.size_bytes)
            yield from part10.pieces
        finally:
            abandon(part10.pieces)
    yield writer.close()
