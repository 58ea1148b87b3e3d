"""The URI Service, WADO-URI (PS3.18 9)."""

from urllib.parse import quote, urlencode

from conformance.dicomweb import data_sets, expect, pictures
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.retrieve import UNKNOWN
from conformance.dicomweb.search import QP_SPECIAL
from conformance.dicomweb.server import Answer, Server
from conformance.dicomweb.suite import Transaction
from conformance.dicomweb.synthetic import CT_COLUMNS, CT_ROWS, Instance
from conformance.dicomweb.transfer_syntax import EXPLICIT, syntax
from conformance.judging import NotSupported

URI = Transaction("uri", "URI service (WADO-URI)", "9")


def service(server: Server, of: Instance) -> str:
    """The base URI of the service: the one given, or the first of the usual places that answers."""
    if server.uri_service:
        return server.uri_service
    base = str(server.base)
    for url in (f"{base}/wado", f"{base.rpartition('/')[0]}/wado", base):
        answer = server.get(f"{url}?{_query(of, contentType='application/dicom')}", "*/*")
        if answer.status == 200 and answer.media_type == "application/dicom":
            return url
        expect.that(answer.status < 500 or answer.status == 501, f"a URI service at {url}, or none", answer.status)
    raise NotSupported("no URI service at the usual places; name it with --uri-service")


def _query(of: Instance, **parameters: object) -> str:
    given = {"requestType": "WADO", "studyUID": of.study, "seriesUID": of.series, "objectUID": of.uid, **parameters}
    present = {name: value for name, value in given.items() if value is not None}
    return urlencode(present, safe=QP_SPECIAL, quote_via=quote)


def ask(server: Server, of: Instance, **parameters: object) -> Answer:
    """One request; a parameter of None is left out."""
    return server.get(f"{service(server, of)}?{_query(of, **parameters)}", "*/*")


def _picture(answer: Answer, kind: str = "image/jpeg") -> tuple[int, int]:
    expect.offered(answer, without=(406, 501))
    expect.same(kind, pictures.media_type(answer.body), "first bytes of")
    return pictures.size(answer.body)


@URI.required("dicom", "9.4", "contentType=application/dicom gives the instance")
def dicom(server: Server, data: Prepared) -> None:
    answer = expect.status(ask(server, data.ct, contentType="application/dicom"), 200)
    expect.media_type(answer, "application/dicom")
    data_sets.same_data_set(data.ct, data_sets.read(answer.body))


@URI.required("default-syntax", "9.4.2.4", "Without transferSyntax a compressed instance comes uncompressed")
def default_syntax(server: Server, data: Prepared) -> None:
    answer = expect.status(ask(server, data.compressed, contentType="application/dicom"), 200)
    dataset = data_sets.read(answer.body)
    expect.same(EXPLICIT, syntax(dataset), "Transfer Syntax UID")
    data_sets.same_data_set(data.compressed, dataset)


@URI.optional("syntax", "9.4.2.4", "transferSyntax is followed, or refused with 406")
def transfer_syntax(server: Server, data: Prepared) -> None:
    rle = "1.2.840.10008.1.2.5"
    answer = ask(server, data.compressed, contentType="application/dicom", transferSyntax=rle)
    dataset = data_sets.read(expect.offered(answer, without=(406,)).body)
    if syntax(dataset) == EXPLICIT:
        raise NotSupported("transferSyntax is ignored, which 9.4.1.2.3 allows")
    expect.same(rle, syntax(dataset), "Transfer Syntax UID")
    data_sets.same_data_set(data.compressed, dataset)


@URI.required("jpeg", "9.3, 9.5", "Without contentType a single-frame image comes as JPEG")
def jpeg(server: Server, data: Prepared) -> None:
    answer = ask(server, data.ct)
    expect.same((CT_COLUMNS, CT_ROWS), _picture(answer), "width and height")
    expect.media_type(answer, "image/jpeg")


@URI.optional("png", "Table 8.7.4-1", "contentType=image/png")
def png(server: Server, data: Prepared) -> None:
    answer = ask(server, data.ct, contentType="image/png")
    if answer.status == 200 and answer.media_type == "image/jpeg":
        raise NotSupported("falls back to the default (8.3.3.1)")
    expect.same((CT_COLUMNS, CT_ROWS), _picture(answer, "image/png"), "width and height")
    expect.media_type(answer, "image/png")


@URI.optional("viewport", "9.5.2.5", "rows and columns are maxima that keep the aspect ratio")
def viewport(server: Server, data: Prepared) -> None:
    width, height = _picture(ask(server, data.ct, rows=24, columns=24))
    expect.that((width, height) in ((24, 18), (CT_COLUMNS, CT_ROWS)), "24×18, or all of it where not supported",
                f"{width}×{height}")  # fmt: skip


@URI.required("window", "9.5.1.2.6", "windowCenter without windowWidth: 400")
def window(server: Server, data: Prepared) -> None:
    expect.same((CT_COLUMNS, CT_ROWS), _picture(ask(server, data.ct, windowCenter=40, windowWidth=400)), "size")
    expect.status(ask(server, data.ct, windowCenter=40), 400)


@URI.optional("region", "9.5.2.4", "A region outside of 0 to 1: 400 where supported")
def region(server: Server, data: Prepared) -> None:
    service(server, data.ct)
    answer = expect.status(ask(server, data.ct, region="0.5,0.5,0.1,2"), 200, 400)
    if answer.status == 200:
        _picture(answer)
        raise NotSupported("region is ignored")


@URI.optional("frame", "9.5.2.1", "frameNumber beyond the last: 400 where supported")
def frame(server: Server, data: Prepared) -> None:
    _picture(ask(server, data.multiframe, frameNumber=2))
    expect.status(ask(server, data.multiframe, frameNumber=99), 400)


@URI.required("missing", "9.4.2.1, 9.4.2.2", "A missing requestType or UID, or another requestType: 400")
def missing(server: Server, data: Prepared) -> None:
    for name in ("requestType", "studyUID", "seriesUID", "objectUID"):
        expect.status(ask(server, data.ct, **{name: None}), 400)
    expect.status(ask(server, data.ct, requestType="NONSENSE"), 400)


@URI.required("unknown", "Table 9.4.3-1", "An instance that does not exist: 404")
def unknown(server: Server, data: Prepared) -> None:
    expect.status(ask(server, data.ct, objectUID=UNKNOWN, contentType="application/dicom"), 404, 410)


@URI.required("parameters-forbidden", "9.1.2.2.1", "A transfer-syntax parameter within contentType: 400")
def forbidden(server: Server, data: Prepared) -> None:
    kind = f"application/dicom; transfer-syntax={EXPLICIT}"
    expect.status(ask(server, data.ct, contentType=kind), 400)
