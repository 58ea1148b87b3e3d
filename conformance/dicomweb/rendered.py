"""Retrieve of rendered resources (PS3.18 10.4.1.1.3): media types and statuses."""

from collections.abc import Sequence

import numpy

from conformance.dicomweb import expect, pictures
from conformance.dicomweb.prepared import REPORT_TEXT, Prepared
from conformance.dicomweb.retrieve import UNKNOWN
from conformance.dicomweb.server import Answer, Server
from conformance.dicomweb.suite import Transaction
from conformance.dicomweb.synthetic import CT_COLUMNS, CT_ROWS, FRAME_COLUMNS, FRAME_ROWS, Instance
from conformance.judging import NotSupported

RENDERED = Transaction("rendered", "Retrieve rendered (WADO-RS)", "10.4")
NOT_THERE = (404, 405, 406, 415, 501)
REFUSALS = (400, *NOT_THERE)  # without parameters 400 can only be about the media type or the resource
JPEG_PARTS = 'multipart/related; type="image/jpeg"'


def picture(server: Server, path: str, accept: str = "image/jpeg") -> bytes:
    """The picture of a rendered resource. NotSupported where there is no such resource, or not in this type."""
    answer = expect.offered(server.get(path, accept), without=REFUSALS if "?" not in path else NOT_THERE)
    expect.media_type(answer, accept)
    expect.same(accept, pictures.media_type(answer.body), "first bytes of")
    return answer.body


def available(server: Server, instance: Instance) -> None:
    """Raise NotSupported unless an instance can be rendered at all: a refusal says nothing then."""
    expect.offered(server.get(f"{instance.path}/rendered", "image/jpeg"))


@RENDERED.required("instance", "Table 10.4.1-3, Table 8.7.4-1", "A single-frame image as JPEG, baseline, of its size")
def instance(server: Server, data: Prepared) -> None:
    came = picture(server, f"{data.ct.path}/rendered")
    expect.same((CT_COLUMNS, CT_ROWS), pictures.size(came), "width and height (8.3.5.1.3)")
    expect.same(0xC0, pictures.jpeg_process(came), "JPEG baseline (8.7.4), marker")


@RENDERED.required("png", "Table 8.7.4-1", "A single-frame image as PNG of 8 bits a channel")
def png(server: Server, data: Prepared) -> None:
    came = pictures.samples(picture(server, f"{data.ct.path}/rendered", "image/png"))
    expect.same((CT_ROWS, CT_COLUMNS), came.shape[:2], "rows and columns (8.3.5.1.3)")


@RENDERED.required("gif", "Table 8.7.4-1", "A single-frame image as GIF")
def gif(server: Server, data: Prepared) -> None:
    came = picture(server, f"{data.ct.path}/rendered", "image/gif")
    expect.same((CT_COLUMNS, CT_ROWS), pictures.size(came), "width and height (8.3.5.1.3)")


@RENDERED.required("wildcard", "8.7.7", "Accept: image/* and */* get image/jpeg, the default")
def wildcard(server: Server, data: Prepared) -> None:
    available(server, data.ct)
    for accept in ("image/*", "*/*"):
        answer = expect.status(server.get(f"{data.ct.path}/rendered", accept), 200)
        expect.media_type(answer, "image/jpeg")
        pictures.size(answer.body)


@RENDERED.required("frame", "Table 10.4.1-3", "One frame of a multi-frame image")
def frame(server: Server, data: Prepared) -> None:
    frames = f"{data.multiframe.path}/frames"
    first, third = (picture(server, f"{frames}/{number}/rendered", "image/png") for number in (1, 3))
    expect.same((FRAME_COLUMNS, FRAME_ROWS), pictures.size(third), "width and height (8.3.5.1.3)")
    same = numpy.array_equal(pictures.samples(first), pictures.samples(third))
    expect.that(not same, "two frames that differ", "the same picture twice")


def _pictures(answer: Answer, count: int) -> Sequence[bytes]:
    parts = expect.media_type(expect.offered(answer, without=REFUSALS), "multipart/related").parts()
    expect.same(count, len(parts), "number of parts")
    for part in parts:
        expect.same("image/jpeg", pictures.media_type(part.body), "first bytes of")
    return [part.body for part in parts]


@RENDERED.required("frames", "Table 10.4.1-3, 8.7.8.1", "Several frames as multipart, one part each")
def frames(server: Server, data: Prepared) -> None:
    came = _pictures(server.get(f"{data.multiframe.path}/frames/1,3/rendered", JPEG_PARTS), 2)
    expect.that(came[0] != came[1], "two frames that differ", "the same picture twice")


@RENDERED.required("series", "Table 10.4.1-3, 10.4.4", "A series as multipart, one part for each single-frame image")
def series(server: Server, data: Prepared) -> None:
    path = f"/studies/{data.ct.study}/series/{data.ct.series}/rendered"
    _pictures(server.get(path, JPEG_PARTS), len(data.slices))


@RENDERED.required("study", "Table 10.4.1-3, 10.4.4", "A study as multipart")
def study(server: Server, data: Prepared) -> None:
    answer = server.get(f"/studies/{data.color.study}/rendered", JPEG_PARTS)
    expect.same((FRAME_COLUMNS, FRAME_ROWS), pictures.size(_pictures(answer, 1)[0]), "width and height")


@RENDERED.optional("animated", "Table 8.7.4-1", "A multi-frame image as animated GIF")
def animated(server: Server, data: Prepared) -> None:
    came = picture(server, f"{data.multiframe.path}/rendered", "image/gif")
    expect.same((FRAME_COLUMNS, FRAME_ROWS), pictures.size(came), "width and height (8.3.5.1.3)")
    images = came.count(b"\x21\xf9\x04")  # one graphic control extension for each frame of an animation
    expect.that(images >= 2, "a frame for each frame", f"{images}")


@RENDERED.required("color", "10.4.1.1.3", "A color image in its colors")
def color(server: Server, data: Prepared) -> None:
    came = pictures.samples(picture(server, f"{data.color.path}/rendered", "image/png")).astype(int)
    expect.same(3, came.shape[2], "color channels")
    corners = came[2, 2], came[2, -3], came[-3, 2], came[-3, -3]
    for got, wanted in zip(corners, ((250, 10, 20), (10, 240, 30), (20, 30, 230), (128, 128, 128)), strict=True):
        expect.that(abs(got - numpy.array(wanted)).max() <= 8, f"about {wanted}", tuple(map(int, got)))


def _text(server: Server, data: Prepared, media_type: str) -> str:
    answer = expect.offered(server.get(f"{data.report.path}/rendered", media_type), without=REFUSALS)
    text = expect.media_type(answer, media_type).body.decode("utf-8", "replace")
    expect.that("No focal lesion" in text, f"the text {REPORT_TEXT!r}", text[:200])
    return text


@RENDERED.required("text.html", "Table 8.7.4-1", "A structured report as text/html, its text escaped")
def text_html(server: Server, data: Prepared) -> None:
    text = _text(server, data, "text/html")
    expect.that("<b>seen</b>" not in text, "markup within a value to be escaped", "it as it was")


@RENDERED.required("text.plain", "Table 8.7.4-1", "A structured report as text/plain")
def text_plain(server: Server, data: Prepared) -> None:
    text = _text(server, data, "text/plain")
    expect.that("<html" not in text.lower(), "text without markup", text[:80])


@RENDERED.required("unknown", "Table 10.4.3-1", "Rendering of what does not exist: 404")
def unknown(server: Server, data: Prepared) -> None:
    available(server, data.ct)
    expect.status(server.get(f"/studies/{UNKNOWN}/rendered", JPEG_PARTS), 404, 410)
    expect.status(server.get(f"{data.multiframe.path}/frames/99/rendered", "image/jpeg"), 400, 404)


@RENDERED.required("not-acceptable", "Table 10.4.3-1, 8.7.8.1", "No media type it can be rendered to: 406, or JPEG")
def not_acceptable(server: Server, data: Prepared) -> None:
    available(server, data.ct)
    expect.unacceptable(server.get(f"{data.ct.path}/rendered", "audio/basic"), "image/jpeg")


@RENDERED.required("accept-parameter", "8.3.3.1, Table 10.4.1-5", "The accept query parameter chooses the media type")
def accept_parameter(server: Server, data: Prepared) -> None:
    available(server, data.ct)
    answer = expect.status(server.get(f"{data.ct.path}/rendered?accept=image/png", "*/*"), 200)
    if answer.media_type != "image/png":
        try:
            picture(server, f"{data.ct.path}/rendered", "image/png")
        except NotSupported:
            return  # falls back to the default where it has no PNG (8.3.3.1)
    expect.media_type(answer, "image/png")
