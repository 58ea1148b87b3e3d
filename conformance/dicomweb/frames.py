"""Retrieve of frames (PS3.18 10.4.1.1.6)."""

from collections.abc import Sequence

from conformance.dicomweb import data_sets, decoding, expect
from conformance.dicomweb.multipart import Part
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.retrieve import NOT_NEGOTIATED, UNKNOWN
from conformance.dicomweb.server import OCTETS, Server
from conformance.dicomweb.suite import Transaction
from conformance.dicomweb.synthetic import Instance

FRAMES = Transaction("frames", "Retrieve frames (WADO-RS)", "10.4")

# PS3.18 Table 8.7.3-5: media type and its default transfer syntax; image/jphc from the editions since 2023
COMPRESSED = {
    "image/jpeg": "1.2.840.10008.1.2.4.70",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jphc": "1.2.840.10008.1.2.4.201",
}


def parts(server: Server, instance: Instance, numbers: str, accept: str = OCTETS) -> Sequence[Part]:
    """The parts of a 200 answer."""
    answer = expect.status(server.get(f"{instance.path}/frames/{numbers}", accept), 200)
    return expect.media_type(answer, "multipart/related").parts()


def same(instance: Instance, numbers: str, came: Sequence[Part]) -> None:
    """Raise Failed unless the parts are these frames, in this order, uncompressed."""
    wanted = [instance.frames[int(number) - 1] for number in numbers.split(",")]
    expect.same(len(wanted), len(came), "number of parts")
    for number, frame, part in zip(numbers.split(","), wanted, came, strict=True):
        expect.same("application/octet-stream", part.media_type, "the Content-Type of each part to be")
        expect.that(part.body == frame, f"the {len(frame)} octets of frame {number}", f"{len(part.body)} others")


@FRAMES.required("one", "10.4.1.1.6, 8.7.3.3.1", "One frame as multipart of octets in little endian")
def one(server: Server, data: Prepared) -> None:
    for instance, number in ((data.ct, "1"), (data.multiframe, "3"), (data.color, "1")):
        same(instance, number, parts(server, instance, number))


@FRAMES.required("list", "10.4.1.1.6, 10.1.1", "Several frames: one part for each, in the order of the list")
def several(server: Server, data: Prepared) -> None:
    for numbers in ("2,4", "1,2,3,4,5"):
        same(data.multiframe, numbers, parts(server, data.multiframe, numbers))


@FRAMES.required("uncompressed", "8.7.3.3, 8.7.3.4", "A frame of a compressed instance comes uncompressed by default")
def uncompressed(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(f"{data.compressed.path}/frames/1", OCTETS), 200)
    same(data.compressed, "1", answer.parts())


@FRAMES.required("wildcard", "8.7.7", "Accept: */* gets a frame in some media type of the category")
def wildcard(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(f"{data.ct.path}/frames/1", "*/*"), 200)
    got = data_sets.only(answer.parts()).body if answer.media_type == "multipart/related" else answer.body
    expect.that(got == data.ct.frames[0], "the octets of the frame", f"{len(got)} others")


@FRAMES.required("star", "8.7.3.5.2", "transfer-syntax=* accepts a frame as it is stored")
def star(server: Server, data: Prepared) -> None:
    part = data_sets.only(parts(server, data.compressed, "1", f"{OCTETS}; transfer-syntax=*"))
    if part.media_type == "application/octet-stream" and part.body == data.compressed.frames[0]:
        return
    pixels = decoding.decoded(part.body, part.transfer_syntax or COMPRESSED["image/dicom-rle"], data.compressed.dataset)
    data_sets.same_pixels(data.compressed, [pixels])


@FRAMES.optional("single-part", "10.4.4", "One frame as a single part of type application/octet-stream")
def single_part(server: Server, data: Prepared) -> None:
    answer = server.get(f"{data.multiframe.path}/frames/2", "application/octet-stream")
    expect.offered(answer, without=NOT_NEGOTIATED)
    expect.media_type(answer, "application/octet-stream")
    expect.that(answer.body == data.multiframe.frames[1], "the octets of the frame", f"{len(answer.body)} others")


@FRAMES.required("beyond", "Table 10.4.3-1", "A frame beyond the last: 404, or 400")
def beyond(server: Server, data: Prepared) -> None:
    for instance, number in ((data.multiframe, "6"), (data.ct, "2"), (data.multiframe, "4294967297")):
        expect.status(server.get(f"{instance.path}/frames/{number}", OCTETS), 400, 404)


@FRAMES.required("some-beyond", "Table 10.4.3-1", "A list with a frame beyond the last is not answered as if complete")
def some_beyond(server: Server, data: Prepared) -> None:
    expect.status(server.get(f"{data.multiframe.path}/frames/1,99", OCTETS), 206, 400, 404)


@FRAMES.required("not-a-number", "Table 10.4.3-1, 10.1.1", "Frame 0, a negative one, a word, an empty list: 400 or 404")
def not_a_number(server: Server, data: Prepared) -> None:
    for numbers in ("0", "-1", "x", "1,,2", "1.5"):
        expect.status(server.get(f"{data.multiframe.path}/frames/{numbers}", OCTETS), 400, 404)


@FRAMES.optional("twice", "10.1.1", "The same frame twice: two parts, or 400")
def twice(server: Server, data: Prepared) -> None:
    """From memory: the list is "in ascending order", which leaves open whether a number may come twice."""
    answer = expect.status(server.get(f"{data.multiframe.path}/frames/2,2", OCTETS), 200, 400)
    if answer.status == 200:
        same(data.multiframe, "2,2", answer.parts())


@FRAMES.required("no-pixels", "Table 10.4.3-1", "A frame of an instance without pixels is refused")
def no_pixels(server: Server, data: Prepared) -> None:
    expect.refused(server.get(f"{data.report.path}/frames/1", OCTETS))


@FRAMES.required("unknown", "Table 10.4.3-1", "A frame of an instance that does not exist: 404")
def unknown(server: Server, data: Prepared) -> None:
    path = f"/studies/{data.ct.study}/series/{data.ct.series}/instances/{UNKNOWN}/frames/1"
    expect.status(server.get(path, OCTETS), 404, 410)


@FRAMES.required("not-acceptable", "Table 10.4.3-1, 8.7.8.1", "A frame as audio: 406, or the default")
def not_acceptable(server: Server, data: Prepared) -> None:
    answer = server.get(f"{data.ct.path}/frames/1", 'multipart/related; type="audio/basic"')
    expect.unacceptable(answer, "multipart/related")


def _compressed_as(media_type: str, uid: str) -> None:
    def run(server: Server, data: Prepared) -> None:
        accept = f'multipart/related; type="{media_type}"; transfer-syntax={uid}'
        answer = expect.offered(server.get(f"{data.multiframe.path}/frames/2,3", accept), without=NOT_NEGOTIATED)
        came = answer.parts()
        expect.same([media_type] * 2, [part.media_type for part in came], "Content-Type of the parts")
        for number, part in zip((1, 2), came, strict=True):
            frame = Instance(data.multiframe.dataset, b"", (data.multiframe.frames[number],))
            data_sets.same_pixels(frame, [decoding.decoded(part.body, uid, frame.dataset)])

    name = media_type.removeprefix("image/")
    FRAMES.optional(f"as-{name}", "Table 8.7.3-5", f"Frames as {media_type}, one part each, same pixels")(run)


for _media_type, _uid in COMPRESSED.items():
    _compressed_as(_media_type, _uid)
