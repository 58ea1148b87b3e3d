"""Query parameters of rendered resources (PS3.18 8.3.5)."""

from collections.abc import Sequence

import numpy

from conformance.dicomweb import decoding, expect, pictures
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.rendered import RENDERED, available, picture
from conformance.dicomweb.server import Server
from conformance.dicomweb.synthetic import INTERCEPT, SLOPE
from conformance.judging import NotSupported

Grey = numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.floating]]

TOLERANCE = 2  # of 256 grey values, for rounding


def refuses(server: Server, data: Prepared, name: str, values: Sequence[str]) -> None:
    """Raise Failed unless each of these values of a parameter is answered 400."""
    available(server, data.ct)
    for value in values:
        expect.status(server.get(f"{data.ct.path}/rendered?{name}={value}", "image/jpeg"), 400)


def _size(server: Server, data: Prepared, viewport: str) -> tuple[int, int]:
    return pictures.size(picture(server, f"{data.ct.path}/rendered?viewport={viewport}", "image/png"))


@RENDERED.required("viewport", "8.3.5.1.3", "A viewport scales the image into itself, keeping the aspect ratio")
def viewport(server: Server, data: Prepared) -> None:
    for asked, wanted in (("32,32", (32, 24)), ("128,96", (128, 96)), ("20,100", (20, 15))):
        got = _size(server, data, asked)
        apart = max(abs(got[0] - wanted[0]), abs(got[1] - wanted[1]))
        expect.that(apart <= 1, f"{wanted} for viewport={asked}", got)


@RENDERED.required("viewport.region", "8.3.5.1.3", "A region is cropped, then scaled; values may be left out")
def region(server: Server, data: Prepared) -> None:
    for asked, wanted in (("32,32,0,0,16,32", (16, 32)), ("32,32,32,24", (32, 24)), ("64,64,,,32,32", (64, 64))):
        got = _size(server, data, asked)
        apart = max(abs(got[0] - wanted[0]), abs(got[1] - wanted[1]))
        expect.that(apart <= 1, f"{wanted} for viewport={asked}", got)


@RENDERED.required("viewport.flip", "8.3.5.1.3", "A negative width of the region flips the image")
def flip(server: Server, data: Prepared) -> None:
    plain, flipped = (
        pictures.samples(picture(server, f"{data.color.path}/rendered?viewport=40,24,0,0,{width},24", "image/png"))
        for width in ("40", "-40")
    )
    expect.that(numpy.abs(plain[:, ::-1].astype(int) - flipped)[:, 2:18].max() <= 8, "the mirror image", "another")


@RENDERED.required("viewport.invalid", "8.3.5.1.3", "A viewport that is ill-formed: 400")
def bad_viewport(server: Server, data: Prepared) -> None:
    refuses(server, data, "viewport", ("abc", "64", "0,0", "-1,5", "10,x", "10,10,0,0,0,0", "1,2,3,4,5,6,7"))


def _window(values: Grey, center: float, width: float, function: str) -> Grey:
    """Grey values from 0 to 255 (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
    if function == "linear":
        center, width = center - 0.5, width - 1
    steep = (values - center) / width
    grey: Grey = 255 / (1 + numpy.exp(-4 * steep)) if function == "sigmoid" else numpy.clip(steep + 0.5, 0, 1) * 255
    return grey


def _windowed(function: str) -> None:
    def run(server: Server, data: Prepared) -> None:
        path = f"{data.ct.path}/rendered?window=100,900,{function}"
        came = pictures.samples(picture(server, path, "image/png"))[:, :, 0].astype(int)
        stored = decoding.native(data.ct.frames[0], data.ct.dataset).astype(float)
        wanted = _window(stored * SLOPE + INTERCEPT, 100, 900, function)
        apart = float(numpy.abs(wanted - came).max())
        expect.that(apart <= TOLERANCE, f"grey values of window 100,900,{function}", f"values {apart:.0f} away")

    clause = "8.3.5.1.4, PS3.3 C.11.2.1"
    RENDERED.required(f"window.{function}", clause, f"The grey values of a window of function {function}")(run)


for _function in ("linear", "linear-exact", "sigmoid"):
    _windowed(_function)


@RENDERED.required("window.invalid", "8.3.5.1.4", "A window with a value missing or ill-formed: 400")
def bad_window(server: Server, data: Prepared) -> None:
    refuses(server, data, "window", ("40", "40,400", "a,400,linear", "40,b,linear", "40,400,cubic", "40,-5,linear"))


@RENDERED.required("quality", "8.3.5.1.2", "A quality from 1 to 100 is taken")
def quality(server: Server, data: Prepared) -> None:
    for value in ("1", "50", "100"):
        pictures.size(picture(server, f"{data.ct.path}/rendered?quality={value}"))


@RENDERED.required("quality.invalid", "8.3.5.1.2", "A quality that is no integer from 1 to 100: 400")
def bad_quality(server: Server, data: Prepared) -> None:
    refuses(server, data, "quality", ("0", "101", "-5", "abc", ""))


@RENDERED.required("annotation", "8.3.5.1.1", "Annotations are burned in where asked for, and only there")
def annotation(server: Server, data: Prepared) -> None:
    _annotates(server, data, "patient")
    _annotates(server, data, "technique")
    _annotates(server, data, "patient,technique")


def _annotates(server: Server, data: Prepared, keywords: str = "patient") -> None:
    """Raise NotSupported if pixels are the same with an annotation (8.3.5.1: not all parameters must be supported)."""
    path = f"{data.ct.path}/rendered?viewport=256,192"
    plain = pictures.samples(picture(server, path, "image/png"))
    marked = pictures.samples(picture(server, f"{path}&annotation={keywords}", "image/png"))
    expect.same(plain.shape[:2], marked.shape[:2], "rows and columns, annotated,")
    if numpy.array_equal(plain[:, :, 0], marked[:, :, 0]):
        raise NotSupported(f"annotation={keywords} changes nothing")


@RENDERED.required("annotation.invalid", "8.3.5.1.1", "An annotation without a value: 400")
def bad_annotation(server: Server, data: Prepared) -> None:
    _annotates(server, data)
    refuses(server, data, "annotation", ("",))


@RENDERED.optional("annotation.unknown", "8.3.5.1.1", "An unknown annotation: 400, or ignored with Warning 299")
def unknown_annotation(server: Server, data: Prepared) -> None:
    """The clause asks for both: 400 for what is no keyword, a warning for keywords that are not supported."""
    _annotates(server, data)
    answer = expect.status(server.get(f"{data.ct.path}/rendered?annotation=nonsense", "image/jpeg"), 200, 400)
    expect.that(answer.status == 400 or expect.warned(answer), "Warning: 299", answer.headers.get("warning"))


@RENDERED.optional("iccprofile.invalid", "8.3.5.1.5, 8.3", "An ICC profile of an unknown name: 400 where supported")
def bad_profile(server: Server, data: Prepared) -> None:
    available(server, data.ct)
    answer = expect.status(server.get(f"{data.ct.path}/rendered?iccprofile=nonsense", "image/jpeg"), 200, 400)
    if answer.status == 200:
        pictures.size(answer.body)
