"""What HTTP and the web give all transactions: HEAD, conditions, codings, CORS, and problems told plainly."""

import re
from collections.abc import Sequence

from conformance.dicomweb import expect, metadata, models
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.retrieve import ANY_SYNTAX, UNKNOWN
from conformance.dicomweb.search import ours, query, results
from conformance.dicomweb.server import DICOM, JSON, OCTETS, Server
from conformance.dicomweb.suite import Transaction
from conformance.judging import NotSupported

HTTP = Transaction("http", "HTTP, for all transactions", "8")

# how programs of several languages show where they broke (CWE-209)
TRACES = re.compile(
    rb"Traceback \(most recent|File \"[^\"]+\", line \d+|^\s+at [\w.$<>]+\(.*\)|java\.lang\.|"
    rb"\w+Exception:|\.(py|java|cpp|cc|go|rs):\d+|stack trace|/usr/(lib|src|share)/|/home/\w+/",
    re.MULTILINE | re.IGNORECASE,
)


@HTTP.required("method", "8.5, Table 8.5-1", "A method a resource does not have: 405 with Allow")
def method(server: Server, data: Prepared) -> None:
    answer = expect.status(server.send("PATCH", "/studies"), 404, 405, 501)
    expect.that(answer.status != 405 or answer.headers.get("allow"), "an Allow header in 405", None)


@HTTP.required("resource", "8.5, Table 8.5-1", "A path that is no resource: 404")
def resource(server: Server, data: Prepared) -> None:
    expect.status(server.get("/no/such/resource"), 400, 404)


@HTTP.required("length", "8.4.3, Table 8.4.3-1", "A payload has Content-Length, or a transfer or content coding")
def length(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(f"{data.ct.path}/metadata"), 200)
    named = [name for name in ("content-length", "transfer-encoding", "content-encoding") if name in answer.headers]
    expect.that(named, "one of these header fields", dict(answer.headers))
    metadata.same([data.ct], models.by_uid(answer.models()))


@HTTP.required("problem.type", "8.5, 8.6", "A refusal with a payload says of what type it is")
def problem_type(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(f"/studies/{UNKNOWN}", DICOM), 404, 410)
    expect.that(answer.content_type or not answer.body, "a Content-Type", answer.body[:80])


@HTTP.required("problem.trace", "8.6.3, CWE-209", "A refusal does not show where a program broke")
def problem_trace(server: Server, data: Prepared) -> None:
    refusals = [
        server.get(f"/studies/{UNKNOWN}", DICOM),
        server.get("/studies?limit=abc"),
        server.get(f"{data.ct.path}/frames/99", OCTETS),
        server.get(f"{data.ct.path}/frames/x", OCTETS),
        server.post("/studies", 'multipart/related; type="application/dicom"', b"x"),
        server.post("/studies", "application/dicom", b"\0" * 200),
    ]
    for answer in refusals:
        shown = TRACES.search(expect.refused(answer).body)
        expect.that(shown is None, "no trace of a program", shown and shown[0])


@HTTP.optional("head", "RFC 9110 9.3.2", "HEAD is GET without a payload")
def head(server: Server, data: Prepared) -> None:
    path = f"{data.ct.path}/metadata"
    answer = expect.offered(server.send("HEAD", path), without=(404, 405, 501))
    expect.same(b"", answer.body, "payload")
    expect.same(JSON, answer.media_type, "Content-Type")
    metadata.same([data.ct], metadata.fetched(server, data.ct.path))


@HTTP.optional("gzip", "8.4.1, RFC 9110 12.5.3", "Accept-Encoding: gzip is followed, or not")
def gzip(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(f"{data.ct.path}/metadata", accept_encoding="gzip"), 200)
    metadata.same([data.ct], models.by_uid(answer.models()))  # httpx undoes the coding
    if answer.headers.get("content-encoding") != "gzip":
        raise NotSupported("answers without a content coding")


@HTTP.optional("no-coding", "RFC 9110 12.5.3", "Without Accept-Encoding, or with identity, nothing is coded")
def no_coding(server: Server, data: Prepared) -> None:
    answer = expect.status(server.get(f"{data.ct.path}/metadata", accept_encoding="identity"), 200)
    expect.that(answer.headers.get("content-encoding", "identity") == "identity", "no coding",
                answer.headers.get("content-encoding"))  # fmt: skip
    metadata.same([data.ct], models.by_uid(answer.models()))


def _conditional(server: Server, paths: Sequence[tuple[str, str]]) -> None:
    for path, accept in paths:
        first = expect.status(server.get(path, accept), 200)
        tag = first.headers.get("etag")
        if tag is None:
            raise NotSupported(f"no ETag at {path.rpartition('/')[2] or path}")
        again = expect.status(server.get(path, accept, if_none_match=tag), 304)
        expect.same(b"", again.body, "payload of 304")
        expect.status(server.get(path, accept, if_none_match='"another"'), 200)


@HTTP.optional("etag.metadata", "8.5, RFC 9110 13.1.2", "Metadata has an ETag, and If-None-Match of it gets 304")
def etag_metadata(server: Server, data: Prepared) -> None:
    _conditional(server, [(f"/studies/{data.ct.study}/metadata", JSON), (f"{data.ct.path}/metadata", JSON)])


@HTTP.optional("etag.instance", "8.5, RFC 9110 13.1.2", "Instances and frames have an ETag, too")
def etag_instance(server: Server, data: Prepared) -> None:
    _conditional(server, [(data.ct.path, ANY_SYNTAX), (f"{data.ct.path}/frames/1", OCTETS)])


@HTTP.optional("etag.differs", "RFC 9110 8.8.3", "Different media types of a resource do not share a strong ETag")
def etag_differs(server: Server, data: Prepared) -> None:
    json = server.get(f"{data.ct.path}/metadata", JSON)
    xml = server.get(f"{data.ct.path}/metadata", 'multipart/related; type="application/dicom+xml"')
    expect.status(json, 200)
    if "etag" not in json.headers or xml.status != 200 or "etag" not in xml.headers:
        raise NotSupported("no ETag in both JSON and XML")
    strong = not json.headers["etag"].startswith("W/")
    expect.that(not strong or json.headers["etag"] != xml.headers["etag"], "two tags", json.headers["etag"])


@HTTP.optional("charset", "8.8.4", "Accept-Charset: utf-8 is understood")
def charset(server: Server, data: Prepared) -> None:
    answer = server.get(query("/studies", PatientID=ours(data)), accept_charset="utf-8")
    expect.same(len(data.others), len(results(answer)), "results")


@HTTP.optional("cors", "Fetch 4.10 (CORS preflight)", "A preflight is answered for pages of other origins, if allowed")
def cors(server: Server, data: Prepared) -> None:
    headers = {"Origin": "https://viewer.example", "Access-Control-Request-Method": "GET",
               "Access-Control-Request-Headers": "accept"}  # fmt: skip
    answer = server.send("OPTIONS", "/studies", headers=headers)
    expect.that(answer.status < 500 or answer.status == 501, "an answer to the preflight, or a refusal", answer.status)
    allowed = answer.headers.get("access-control-allow-origin")
    if allowed is None:
        raise NotSupported("no Access-Control-Allow-Origin for https://viewer.example")
    expect.that(allowed in ("*", "https://viewer.example"), "this origin, or *", allowed)
    expect.status(answer, 200, 204)
