"""Retrieve of thumbnails (PS3.18 10.4.1.1.4)."""

from conformance.dicomweb import expect, pictures
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.retrieve import UNKNOWN
from conformance.dicomweb.server import Server
from conformance.dicomweb.suite import Transaction
from conformance.judging import NotSupported

THUMBNAIL = Transaction("thumbnail", "Retrieve thumbnails (WADO-RS)", "10.4")


def _resources(data: Prepared) -> dict[str, str]:
    """PS3.18 Table 10.4.1-4."""
    study = f"/studies/{data.ct.study}"
    return {
        "study": f"{study}/thumbnail",
        "series": f"{study}/series/{data.ct.series}/thumbnail",
        "instance": f"{data.ct.path}/thumbnail",
        "frame": f"{data.multiframe.path}/frames/2/thumbnail",
    }


def _any(server: Server, data: Prepared) -> None:
    """Raise NotSupported if there is no thumbnail at any level; with one, there must be all."""
    statuses = {server.get(path, "image/jpeg").status for path in _resources(data).values()}
    if statuses <= set(expect.NOT_OFFERED):
        raise NotSupported(f"no thumbnail at any level: {sorted(statuses)}")


def _at(level: str) -> None:
    def run(server: Server, data: Prepared) -> None:
        _any(server, data)
        path = _resources(data)[level]
        answer = expect.status(server.get(path, "image/jpeg"), 200, 302, 303, 307)
        if answer.status != 200:
            where = server.resolved(answer.headers.get("location", ""), path)
            answer = expect.status(server.get(where, "image/jpeg"), 200)
        expect.media_type(answer, "image/jpeg")
        pictures.size(answer.body)

    THUMBNAIL.optional(level, "10.4.1.1.4, Table 10.4.1-4", f"A thumbnail of a {level}: one image")(run)


for _level in ("study", "series", "instance", "frame"):
    _at(_level)


@THUMBNAIL.optional("viewport", "8.3.5.1.3, Table 10.4.1-5", "viewport limits the size of a thumbnail")
def viewport(server: Server, data: Prepared) -> None:
    _any(server, data)
    answer = expect.status(server.get(f"{data.ct.path}/thumbnail?viewport=16,16", "image/jpeg"), 200, 302, 303, 307)
    if answer.status == 200:
        width, height = pictures.size(answer.body)
        expect.that(max(width, height) <= 16, "at most 16×16", f"{width}×{height}")


@THUMBNAIL.optional("viewport.region", "8.3.5.1.3", "A thumbnail's viewport with a region: 400")
def region(server: Server, data: Prepared) -> None:
    _any(server, data)
    answer = server.get(f"{data.ct.path}/thumbnail?viewport=16,16,0,0,8,8", "image/jpeg")
    if answer.status in (200, 302, 303, 307):
        raise NotSupported("viewport is optional for thumbnails (Table 10.4.1-5), and ignored")
    expect.status(answer, 400)


@THUMBNAIL.optional("unknown", "Table 10.4.3-1", "A thumbnail of what does not exist: 404")
def unknown(server: Server, data: Prepared) -> None:
    _any(server, data)
    expect.status(server.get(f"/studies/{UNKNOWN}/thumbnail", "image/jpeg"), 404, 410)
