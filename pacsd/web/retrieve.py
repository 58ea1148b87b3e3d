"""Retrieve: studies, series and instances as Part 10 files (PS3.18 10.4)."""

from collections.abc import Iterator, Sequence
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response

from pacsd.web import conditional, zipped
from pacsd.web.addresses import uid
from pacsd.web.media_types import DICOM, Representation, negotiate, not_acceptable
from pacsd.web.multipart import MultipartWriter
from pacsd.web.problem import HttpError
from pacsd.web.ranges import single_part
from pacsd.web.services import InstanceRef, Part10, Retrieve, Services
from pacsd.web.streaming import StreamedResponse, abandon


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
    base_url = services.addresses.dicom_web(request)
    refs = await services.threads.run(services.archive.retrieve.instances, services.scope(), *uids)
    if zipped.is_wanted(request):
        return await zipped.answer(services, request, refs)
    chosen, form = _acceptable(request, refs, single=len(uids) == 3)
    status = 200 if len(chosen) == len(refs) else 206      # PS3.18 10.4.3: some, but not all, can be given so
    tag = conditional.instances_tag(form, chosen, base_url)
    unchanged = conditional.answered(request, tag)
    if unchanged is not None:
        return unchanged
    if not form.multipart:
        part10 = await services.threads.run(services.archive.retrieve.part10, chosen[0])
        return single_part(services, request, part10.chunks, form.part_type, part10.size_bytes, tag)
    # The first file is opened before the answer begins, so that its failure still has a status of its own.
    first = await services.threads.run(services.archive.retrieve.part10, chosen[0])
    writer = MultipartWriter(DICOM)
    body = _multipart(services.archive.retrieve, chosen, first, writer, base_url)
    return StreamedResponse(
        body,
        threads=services.threads,
        media_type=writer.content_type,
        status_code=status,
        headers=conditional.headers(tag),
        stall_s=services.limits.download_stall_s,
    )


def _acceptable(
    request: Request, refs: Sequence[InstanceRef], *, single: bool
) -> tuple[Sequence[InstanceRef], Representation]:
    """The instances whose stored transfer syntax is acceptable, and the form to give them in.

    A client that names no transfer syntax gets the stored one: transcoding to Explicit VR Little Endian, which
    PS3.18 8.7.3.5.2 makes the default, is not there yet, and the part says what it is. Raises HttpError 406.
    """
    by_syntax: dict[str, Representation] = {}
    offers: list[Representation] = []
    for syntax in dict.fromkeys(ref.transfer_syntax_uid for ref in refs):
        possible = _offers(syntax, single=single)
        offers += possible
        try:
            by_syntax[syntax] = negotiate(request, possible)
        except HttpError:
            continue
    if not by_syntax:
        raise not_acceptable(offers)
    chosen = [ref for ref in refs if ref.transfer_syntax_uid in by_syntax]
    return chosen, by_syntax[chosen[0].transfer_syntax_uid]


def _offers(transfer_syntax_uid: str, *, single: bool) -> tuple[Representation, ...]:
    multipart = Representation(DICOM, multipart=True, transfer_syntax_uid=transfer_syntax_uid)
    return (multipart, Representation(DICOM, transfer_syntax_uid=transfer_syntax_uid)) if single else (multipart,)


def _multipart(
    retrieve: Retrieve, refs: Sequence[InstanceRef], first: Part10, writer: MultipartWriter, base_url: str
) -> Iterator[bytes]:
    """The whole body. One file is open at a time; closing the generator closes it."""
    opened = chain((first,), map(retrieve.part10, refs[1:]))
    for ref, part10 in zip(refs, opened, strict=True):
        content_type = f"{DICOM}; transfer-syntax={ref.transfer_syntax_uid}"
        try:
            yield writer.head(content_type, location=instance_url(base_url, ref), size_bytes=part10.size_bytes)
            yield from part10.chunks
        finally:
            abandon(part10.chunks)
    yield writer.close()
