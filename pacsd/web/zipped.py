"""A study, series or instance as one ZIP of Part 10 files (PS3.18 8.7.3.10, PS3.12 Annex V).

Members are stored, not deflated, as `DICOM/S0000001/I0000001`: File IDs as PS3.10 8.2 allows them, a folder for each
series, in the order of the series and of their instances. Sizes and checksums stand before each member, so readers that
take a ZIP as it comes can read it too; there is no DICOMDIR.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from pacsd.archive.retrieve import read
from pacsd.archive.zip64 import StoredZip
from pacsd.web import conditional
from pacsd.web.media_types import ZIP, Representation, best_range
from pacsd.web.services import InstanceRef, Part10, Retrieve, Services
from pacsd.web.streaming import StreamedResponse, abandon
from pacsd.web.transcoding import ChosenForm, chosen_forms, opened

_FORMS = (Representation(ZIP),)
_HELD_BYTES = 32 << 20                   # of one member; a larger one is read twice, first for its checksum
_WRITTEN_AT = datetime(1980, 1, 1, tzinfo=UTC)       # the same content is the same ZIP, byte for byte


def is_wanted(request: Request) -> bool:
    """Whether the client names ZIP, and nothing that it likes better."""
    best = best_range(request)
    return best is not None and best.essence == ZIP


async def answer(services: Services, request: Request, refs: Sequence[InstanceRef]) -> Response:
    """The ZIP of these instances; 206 where only some can be given in the transfer syntax asked for.

    Raises HttpError 406.
    """
    chosen = await services.threads.run(chosen_forms, services.archive.retrieve, request, refs, _FORMS)
    transcoded = any(one.form.transcoded for one in chosen)
    tag = conditional.instances_tag(Representation(ZIP, transcoded=transcoded), [one.given for one in chosen], "")
    unchanged = conditional.answered(request, tag)
    if unchanged is not None:
        return unchanged
    name = request.path_params.get("instance") or request.path_params.get("series") or request.path_params["study"]
    return StreamedResponse(
        zipped(services.archive.retrieve, chosen),
        threads=services.codec_threads if transcoded else services.threads,
        media_type=ZIP,
        status_code=200 if len(chosen) == len(refs) else 206,
        headers={**conditional.headers(tag), "Content-Disposition": f'attachment; filename="{name}.zip"'},
        stall_s=services.limits.download_stall_s,
    )


def zipped(retrieve: Retrieve, chosen: Sequence[ChosenForm]) -> Iterator[bytes]:
    """The bytes of the ZIP, each instance in its form. One file is open at a time, and no more than 32 MiB
    of it in memory."""
    pieces: list[bytes] = []
    zip64 = StoredZip(pieces.append)
    for name, one in zip(_names(one.ref for one in chosen), chosen, strict=True):
        member = _looked_at(opened(retrieve, one).part10)
        zip64.begin(name, size_bytes=member.size_bytes, crc32=member.crc32, modified_at=_WRITTEN_AT)
        chunks = iter(member.held) if member.held is not None else read(opened(retrieve, one).part10.pieces)
        try:
            for chunk in chunks:
                zip64.write(chunk)
                yield from pieces
                pieces.clear()
        finally:
            abandon(chunks)
    zip64.finish()
    yield b"".join(pieces)


@dataclass(frozen=True, slots=True)
class _Member:
    """What stands before a member; its bytes too, if they are not too many."""

    size_bytes: int
    crc32: int
    held: list[bytes] | None


def _looked_at(part10: Part10) -> _Member:
    size = crc32 = 0
    held: list[bytes] | None = []
    chunks = read(part10.pieces)
    try:
        for chunk in chunks:
            size += len(chunk)
            crc32 = zlib.crc32(chunk, crc32)
            held = [*held, chunk] if held is not None and size <= _HELD_BYTES else None
    finally:
        abandon(chunks)
    return _Member(size, crc32, held)


def _names(refs: Iterable[InstanceRef]) -> Iterator[str]:
    series: dict[str, int] = {}
    counts: dict[str, int] = {}
    for ref in refs:
        uid = ref.series_instance_uid
        folder = series.setdefault(uid, len(series) + 1)
        counts[uid] = counts.get(uid, 0) + 1
        yield f"DICOM/S{folder:07}/I{counts[uid]:07}"
