"""Retrieve of instances, WADO-RS (PS3.18 10.4): resources, statuses, media types."""

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter

from conformance.dicomweb import data_sets, expect
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.server import DICOM, Server
from conformance.dicomweb.suite import Transaction
from conformance.dicomweb.synthetic import Instance
from conformance.judging import Failed, NotSupported

RETRIEVE = Transaction("retrieve", "Retrieve instances (WADO-RS)", "10.4")
ANY_SYNTAX = DICOM + "; transfer-syntax=*"
NOT_NEGOTIATED = (400, 406)  # 400 is wrong for it, and judged once, in retrieve.not-acceptable
UNKNOWN = "2.25.329800735698586629295641978511506172918"


def complete(server: Server, path: str, instances: Sequence[Instance], accept: str = DICOM) -> None:
    """Raise Failed unless exactly these instances are there."""
    answer = expect.status(server.get(path, accept), 200)
    data_sets.same_instances(instances, data_sets.of_parts(answer))


@RETRIEVE.required("study", "10.4.1.1.1, Table 10.4.1-1", "A study: every instance of it as one part")
def study(server: Server, data: Prepared) -> None:
    complete(server, f"/studies/{data.ct.study}", data.study)


@RETRIEVE.required("series", "10.4.1.1.1, Table 10.4.1-1", "A series: every instance of it as one part")
def series(server: Server, data: Prepared) -> None:
    complete(server, f"/studies/{data.ct.study}/series/{data.ct.series}", data.slices)


INSTANCES = (
    ("instance", "10.4.1.1.1, Table 10.4.1-1", "An instance as multipart with one part", attrgetter("ct")),
    ("report", "10.4.1.1.1", "A structured report, like any other instance", attrgetter("report")),
    ("multi-frame", "10.4.1.1.1", "A multi-frame instance with all of its frames", attrgetter("multiframe")),
    ("color", "10.4.1.1.1", "A color instance", attrgetter("color")),
    ("character-set", "8.7.3.1, PS3.5 6.1.2.3", "Names in GB18030 come back as the same characters",
     attrgetter("chinese")),
)  # fmt: skip


def whole(chosen: Callable[[Prepared], Instance], server: Server, data: Prepared) -> None:
    """The chosen instance alone, unchanged."""
    instance = chosen(data)
    complete(server, instance.path, [instance])


for _name, _clause, _title, _chosen in INSTANCES:
    RETRIEVE.required(_name, _clause, _title)(partial(whole, _chosen))


@RETRIEVE.optional("single-part", "10.4.4", "An instance as a single part of type application/dicom")
def single_part(server: Server, data: Prepared) -> None:
    answer = expect.offered(server.get(data.ct.path, "application/dicom"), without=NOT_NEGOTIATED)
    expect.media_type(answer, "application/dicom")
    data_sets.same_data_set(data.ct, data_sets.read(answer.body))


@RETRIEVE.required("single-part.study", "10.4.4 (2025a)", "A study of several instances as a single part: 406")
def single_part_study(server: Server, data: Prepared) -> None:
    """The edition of 2020 has no such sentence, so 200 and 400 are told as not supported."""
    answer = server.get(f"/studies/{data.ct.study}", "application/dicom")
    if answer.status in (200, 400):
        raise NotSupported(f"answers {answer.status} with {answer.content_type}")
    expect.status(answer, 406)


@RETRIEVE.required("wildcard", "8.7.7", "Accept: */* gets the default media type")
def wildcard(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(f"/studies/{data.ct.study}", "*/*"), 200)
    expect.media_type(answer, "multipart/related")
    data_sets.same_instances(data.study, data_sets.of_parts(answer))


@RETRIEVE.optional("no-accept", "8.7.5, 8.7.7 (2020c)", "A request without an Accept header: 406")
def no_accept(server: Server, data: Prepared) -> None:
    """RFC 9110 12.5.1 says the opposite, so a server that answers is told to be one that does not support it."""
    answer = server.get(f"/studies/{data.ct.study}", None)
    if answer.status == 200:
        raise NotSupported("answers as to */* (RFC 9110 12.5.1)")
    expect.status(answer, 406)


@RETRIEVE.required("not-acceptable", "Table 10.4.3-1, 8.7.8.1", "No media type is supported: 406, or the default")
def not_acceptable(server: Server, data: Prepared) -> None:
    expect.unacceptable(server.get(data.ct.path, "audio/basic"), "multipart/related")


@RETRIEVE.required("preference", "8.7.8.1", "Among acceptable media types the supported one is taken")
def preference(server: Server, data: Prepared) -> None:
    complete(server, data.ct.path, [data.ct], f"audio/basic, {DICOM}; q=0.1")


@RETRIEVE.required("case", "RFC 9110 8.3.1", "Media types are matched in any case, parameters in any quotation")
def any_case(server: Server, data: Prepared) -> None:
    complete(server, data.ct.path, [data.ct], "Multipart/Related; Type=application/dicom")


@RETRIEVE.required("accept-parameter", "8.3.3.1, Table 10.4.1-5", "The accept query parameter chooses the media type")
def accept_parameter(server: Server, data: Prepared) -> None:
    path = f"{data.ct.path}?accept=multipart/related%3B%20type%3D%22application/dicom%22"
    complete(server, path, [data.ct], "*/*")


def _unknown(server: Server, *paths: str) -> None:
    for path in paths:
        expect.status(server.get(path, DICOM), 404, 410)


@RETRIEVE.required("unknown.study", "Table 10.4.3-1", "A study that does not exist: 404")
def unknown_study(server: Server, data: Prepared) -> None:
    _unknown(server, f"/studies/{UNKNOWN}")


@RETRIEVE.required("unknown.series", "Table 10.4.3-1", "A series that does not exist, or is of another study: 404")
def unknown_series(server: Server, data: Prepared) -> None:
    _unknown(server, f"/studies/{data.ct.study}/series/{UNKNOWN}",
             f"/studies/{data.color.study}/series/{data.ct.series}")  # fmt: skip


@RETRIEVE.required("unknown.instance", "Table 10.4.3-1", "An instance that does not exist, or in another series: 404")
def unknown_instance(server: Server, data: Prepared) -> None:
    series = f"/studies/{data.ct.study}/series"
    _unknown(server, f"{series}/{data.ct.series}/instances/{UNKNOWN}",
             f"{series}/{data.report.series}/instances/{data.ct.uid}")  # fmt: skip


@RETRIEVE.required("malformed", "Table 10.4.3-1", "What is no UID: 400 or 404")
def malformed(server: Server, data: Prepared) -> None:
    for uid in ("not-a-uid", "1..2", "1.2.840.10008.1.2.3.x"):
        expect.status(server.get(f"/studies/{uid}", DICOM), 400, 404)


@RETRIEVE.required("content-type", "8.7.9, 8.6.1.2", "Headers name the type of the payload and of each part, truly")
def content_types(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(f"/studies/{data.ct.study}", ANY_SYNTAX), 200)
    expect.that('type="application/dicom"' in answer.content_type or "type=application/dicom" in answer.content_type,
                "a type parameter of application/dicom", answer.content_type)  # fmt: skip
    for part in answer.parts():
        said, true = part.transfer_syntax, str(data_sets.read(part.body).file_meta.TransferSyntaxUID)
        if said not in (None, true):
            raise Failed(f"expected transfer-syntax={true} at a part, got {part.content_type}")
