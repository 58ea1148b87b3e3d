"""Retrieve of bulk data (PS3.18 10.4.1.1.5)."""

from conformance.dicomweb import expect, metadata, models
from conformance.dicomweb.multipart import Part
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.retrieve import NOT_NEGOTIATED, UNKNOWN
from conformance.dicomweb.server import OCTETS, Server
from conformance.dicomweb.suite import Transaction
from conformance.dicomweb.synthetic import Instance
from conformance.judging import NotTested

BULKDATA = Transaction("bulkdata", "Retrieve bulk data (WADO-RS)", "10.4")


_NOT_THERE = (404, 405, 406, 501)


def _value(instance: Instance, tag: str) -> bytes:
    """The octets of a value as stored, little endian."""
    if tag == models.PIXEL_DATA:
        return b"".join(instance.frames)
    found = instance.dataset[int(tag, 16)].value
    return found if isinstance(found, bytes) else str(found).encode()


def _pixels(server: Server, data: Prepared) -> str:
    uris = metadata.bulk_uris(server, data.ct)
    if models.PIXEL_DATA not in uris:
        raise NotTested("the metadata has no BulkDataURI of the pixels")
    return uris[models.PIXEL_DATA]


@BULKDATA.required("uri", "10.4.1.1.2, F.2.6", "Each BulkDataURI of the metadata gives the octets of its value")
def uri(server: Server, data: Prepared) -> None:
    for instance in (data.ct, data.color):
        for tag, where in metadata.bulk_uris(server, instance).items():
            answer = expect.status(server.get(where, OCTETS), 200)
            got = metadata.octets_of(expect.media_type(answer, "multipart/related"))
            wanted = _value(instance, tag)
            expect.that(got.rstrip(b"\0 ") == wanted.rstrip(b"\0 "), f"{len(wanted)} octets of {tag}", len(got))


@BULKDATA.optional("single-part", "10.4.4", "Bulk data as a single part of type application/octet-stream")
def single_part(server: Server, data: Prepared) -> None:
    answer = expect.offered(server.get(_pixels(server, data), "application/octet-stream"), without=NOT_NEGOTIATED)
    expect.media_type(answer, "application/octet-stream")
    expect.that(answer.body == data.ct.frames[0], "the octets of the pixels", f"{len(answer.body)} others")


@BULKDATA.optional("range", "8.4.3, RFC 9110 14", "A byte range: 206 with Content-Range, or all of it")
def byte_range(server: Server, data: Prepared) -> None:
    answer = server.get(_pixels(server, data), "application/octet-stream", range="bytes=10-19")
    expect.offered(answer, 200, 206, without=NOT_NEGOTIATED)
    pixels = data.ct.frames[0]
    wanted = pixels[10:20] if answer.status == 206 else pixels
    expect.that(answer.body == wanted, f"{len(wanted)} octets", f"{len(answer.body)} others")
    if answer.status == 206:
        expect.same(f"bytes 10-19/{len(pixels)}", answer.headers.get("content-range"), "Content-Range")


@BULKDATA.optional("range.beyond", "8.4.3, RFC 9110 15.5.17", "A range beyond the end: 416, or all of it")
def beyond(server: Server, data: Prepared) -> None:
    answer = server.get(_pixels(server, data), "application/octet-stream", range="bytes=99999999-")
    expect.offered(answer, 200, 416, without=NOT_NEGOTIATED)
    if answer.status == 200:
        expect.that(answer.body == data.ct.frames[0], "the octets of the pixels", f"{len(answer.body)} others")


@BULKDATA.optional("instance", "Table 10.3-2", "The Bulkdata resource of an instance has its pixels")
def of_instance(server: Server, data: Prepared) -> None:
    answer = expect.offered(server.get(f"{data.ct.path}/bulkdata", OCTETS), without=_NOT_THERE)
    bodies = [part.body for part in answer.parts()]
    expect.that(data.ct.frames[0] in bodies, "a part with the octets of the pixels", [len(one) for one in bodies])


def _location(part: Part) -> str:
    """Its Content-Location, or nothing."""
    return next((value for name, value in part.headers.items() if name.lower() == "content-location"), "")


def _each_at_its_uri(server: Server, data: Prepared, path: str, accept: str = OCTETS) -> None:
    """Raise Failed unless the pixels of every slice of the study are there, under the URIs that metadata gives."""
    answer = expect.offered(server.get(path, accept), without=_NOT_THERE)
    got = {server.resolved(_location(part), path): part.body for part in answer.parts()}
    for one in data.slices:
        wanted = metadata.bulk_uris(server, one).get(models.PIXEL_DATA)
        if wanted is None:
            raise NotTested("the metadata has no BulkDataURI of the pixels")
        expect.that(wanted in got, f"a part with Content-Location {wanted}", sorted(got))
        expect.that(got[wanted] == one.frames[0], "the octets of the pixels", f"{len(got[wanted])} others")


@BULKDATA.optional("study", "10.4.3.3.5", "The Bulkdata resource of a study has all of it, each part with its URI")
def of_study(server: Server, data: Prepared) -> None:
    _each_at_its_uri(server, data, f"/studies/{data.ct.study}/bulkdata")


@BULKDATA.optional("pixeldata", "10.4.1.1.6, 10.4.3.3.6", "The Pixel Data resources of a study and of its series")
def pixel_data(server: Server, data: Prepared) -> None:
    _each_at_its_uri(server, data, f"/studies/{data.ct.study}/pixeldata")
    _each_at_its_uri(server, data, f"/studies/{data.ct.study}/series/{data.ct.series}/pixeldata")


@BULKDATA.required("of-instances", "Table 10.4.4-1, note 2", "A study as octets is its bulk data")
def of_instances(server: Server, data: Prepared) -> None:
    answer = server.get(f"/studies/{data.ct.study}", OCTETS)
    expect.status(answer, 200)
    bodies = [part.body for part in answer.parts()]
    expect.that(all(one.frames[0] in bodies for one in data.slices), "the pixels of each slice", len(bodies))


@BULKDATA.required("decoded", "8.7.3.3", "Compressed pixels whose transfer syntax nobody names come uncompressed")
def decoded(server: Server, data: Prepared) -> None:
    uris = metadata.bulk_uris(server, data.compressed)
    if models.PIXEL_DATA not in uris:
        raise NotTested("the metadata has no BulkDataURI of the pixels")
    answer = expect.status(server.get(uris[models.PIXEL_DATA], OCTETS), 200)
    got = metadata.octets_of(expect.media_type(answer, "multipart/related"))
    wanted = b"".join(data.compressed.frames)
    expect.that(got[: len(wanted)] == wanted, f"{len(wanted)} uncompressed octets", f"{len(got)} others")


@BULKDATA.required("unknown", "Table 10.4.3-1", "Bulk data that does not exist: 404")
def unknown(server: Server, data: Prepared) -> None:
    series = f"/studies/{data.ct.study}/series/{data.ct.series}"
    expect.status(server.get(f"{series}/instances/{UNKNOWN}/bulkdata", OCTETS), 404, 410)
    expect.status(server.get(f"{data.ct.path}/bulkdata/no-such-thing", OCTETS), 400, 404, 410)
