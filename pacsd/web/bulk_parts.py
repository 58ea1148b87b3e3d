"""Bulk data of studies, series and instances (PS3.18 10.4.1.1.5, 10.4.1.1.6): each value in a part with its URI."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from pacsd.codec.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from pacsd.faults import Fault, PacsdError
from pacsd.web import conditional
from pacsd.web.addresses import uid
from pacsd.web.media_types import (
    MULTIPART_RELATED,
    OCTET_STREAM,
    Representation,
    accepted,
    best_range,
    first_choice,
    not_acceptable,
)
from pacsd.web.multipart import MultipartWriter
from pacsd.web.pixel_forms import DAMAGED, Content, contents, forms, is_compressed
from pacsd.web.services import Bulk, Frames, InstanceRef, Services
from pacsd.web.streaming import READ_BYTES, StreamedResponse, abandon, resumed
from pacsd.web.transcoding import CANNOT_BE_TRANSCODED

_OF_ONE = 3                              # UIDs, of study, series and instance
PARTS = (Representation(OCTET_STREAM, True, EXPLICIT_VR_LITTLE_ENDIAN),)

Attributes = Mapping[str, Mapping[str, Any]]
Paths = Callable[[Attributes], Iterable[str]]        # of an instance's metadata: the paths of the values it is about


@dataclass(frozen=True, slots=True)
class Value:
    """A value and the form to give it in; `stored_will_do` where it may come as it is stored if it must."""

    ref: InstanceRef
    path: str
    form: Representation
    stored_will_do: bool


def is_wanted(request: Request) -> bool:
    """Whether the client asks for an instance resource as octets: that is its bulk data (Table 10.4.4-1, note 2)."""
    best = best_range(request)
    return best is not None and best.essence == MULTIPART_RELATED and best.parameters.get("type", "") == OCTET_STREAM


async def given(services: Services, request: Request, paths: Paths) -> Response:
    """All values of the study, series or instance that a request names, 206 where some are in no acceptable form.

    Raises PacsdError NOT_FOUND where there are none, HttpError 406 where none can be given.
    """
    uids = [uid(request, name) for name in ("study", "series", "instance") if name in request.path_params]
    base_url = services.addresses.dicom_web(request)
    chosen, partly = await services.threads.run(_chosen, services, request, uids, paths)
    tag = conditional.entity_tag(chosen[0].form, _facts(chosen, base_url))
    unchanged = conditional.answered(request, tag)
    if unchanged is not None:
        return unchanged
    threads = services.codec_threads if any(one.form.transcoded for one in chosen) else services.threads
    writer = MultipartWriter(chosen[0].form.media_type)
    body = _body(services.archive.frames, chosen, writer, base_url)
    try:
        head = await threads.run(next, body)         # so that the first value's failure still has a status of its own
    except PacsdError as error:
        if error.fault not in CANNOT_BE_TRANSCODED:
            raise
        raise not_acceptable([one for one in _offers(chosen[0].ref, chosen[0].path) if not one.transcoded]) from error
    return StreamedResponse(
        resumed(head, body),
        threads=threads,
        media_type=writer.content_type,
        status_code=206 if partly else 200,
        headers=conditional.headers(tag),
        stall_s=services.limits.download_stall_s,
    )


def location_of(base_url: str, ref: InstanceRef, path: str) -> str:
    """The Bulk Data URI of a value, as metadata has it."""
    return (
        f"{base_url}/studies/{ref.study_instance_uid}/series/{ref.series_instance_uid}"
        f"/instances/{ref.sop_instance_uid}/bulkdata/{path}"
    )


def read(bulk: Bulk, offset_bytes: int, length_bytes: int) -> Iterator[bytes]:
    """A range of a value."""
    at, end = offset_bytes, offset_bytes + length_bytes
    while at < end:
        chunk = bulk.read(at, min(READ_BYTES, end - at))
        if not chunk:
            return                       # shorter than said: the answer will be seen to be incomplete
        at += len(chunk)
        yield chunk


def _chosen(
    services: Services, request: Request, uids: Sequence[str], paths: Paths
) -> tuple[list[Value], bool]:
    """The values, each in the form it is given in, and whether some are in none."""
    found = services.archive.retrieve.instances(services.scope(), *uids)
    known = {name: told for text in _texts(services, uids, found) for name, told in _paths_in(text, paths)}
    wanted = [(ref, path) for ref in found for path in known.get(ref.sop_instance_uid, ())]
    if not wanted:
        raise PacsdError(Fault.NOT_FOUND, "there is no bulk data")
    form_of = partial(_form, accepted(request))
    values = [value for ref, path in wanted if (value := form_of(ref, path)) is not None]
    if not values:
        raise not_acceptable([form for ref, path in wanted for form in _offers(ref, path)])
    return values, len(values) < len(wanted)


def _texts(services: Services, uids: Sequence[str], found: Sequence[InstanceRef]) -> Iterator[bytes]:
    """The metadata, of one series after the other: a study's at once would be too much."""
    metadata = services.archive.metadata
    if len(uids) == _OF_ONE:
        yield b"".join(metadata.instance(services.scope(), *uids, base_url="").chunks)
        return
    for one in dict.fromkeys(ref.series_instance_uid for ref in found):
        yield b"".join(metadata.series(services.scope(), uids[0], one, base_url="").chunks)


def _paths_in(text: bytes, paths: Paths) -> list[tuple[str, tuple[str, ...]]]:
    """The paths of each instance of a metadata text."""
    return [(_sop_instance_uid(one), tuple(paths(one))) for one in orjson.loads(text)]


def _form(accept: Sequence[str], ref: InstanceRef, path: str) -> Value | None:
    form = first_choice(accept, _offers(ref, path))
    if form is None:
        return None
    as_stored = (Representation(form.media_type, True, ref.transfer_syntax_uid),)
    return Value(ref, path, form, first_choice(accept, as_stored) is not None)


def _offers(ref: InstanceRef, path: str) -> tuple[Representation, ...]:
    return forms(ref.transfer_syntax_uid) if is_compressed(ref, path) else PARTS


def _sop_instance_uid(attributes: Attributes) -> str:
    return str(next(iter(attributes.get("00080018", {}).get("Value", ())), ""))


def _facts(values: Sequence[Value], base_url: str) -> Iterator[bytes | str]:
    """What the answer is made of, whatever order packing has put the instances into."""
    yield base_url
    for one in sorted(values, key=lambda one: (one.ref.sop_instance_uid, one.path)):
        yield from (one.ref.sop_instance_uid, one.path, one.form.part_type, one.ref.digest)


def _body(frames: Frames, values: Sequence[Value], writer: MultipartWriter, base_url: str) -> Iterator[bytes]:
    for one in values:
        location = location_of(base_url, one.ref, one.path)
        representations = _contents(frames, one)
        try:
            for content in representations:
                yield writer.head(content.part_type, location=location, size_bytes=content.size_bytes)
                yield from content.chunks
        finally:
            abandon(representations)
    yield writer.close()


def _contents(frames: Frames, value: Value) -> Iterator[Content]:
    if is_compressed(value.ref, value.path):
        given = contents(frames, value.ref, value.form, stored_will_do=value.stored_will_do)
        try:
            first = next(given)
        except PacsdError as error:
            if not value.stored_will_do or error.fault not in DAMAGED:
                raise
        else:
            yield first
            yield from given
            return
    bulk = frames.bulk_of(value.ref, value.path)
    yield Content(bulk.media_type, bulk.size_bytes, read(bulk, 0, bulk.size_bytes))
