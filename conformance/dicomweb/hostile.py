"""Requests that mean harm: each is refused or harmless, and the server still serves.

What is expected follows from PS3.18 8.5 (4xx is an error of the client, 5xx one of the server) and from the
weaknesses named (CWE), not from a clause that speaks of attacks.
"""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

from conformance.dicomweb import expect, multipart, native_xml
from conformance.dicomweb import store_response as response
from conformance.dicomweb.multipart import Part
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.rendered import available
from conformance.dicomweb.retrieve import ANY_SYNTAX, complete
from conformance.dicomweb.search import found, query, results
from conformance.dicomweb.server import DICOM, JSON, OCTETS, Answer, Server
from conformance.dicomweb.store_metadata import json_request
from conformance.dicomweb.suite import Transaction

HOSTILE = Transaction("hostile", "Hostile requests", "8.5")

XML = "application/dicom+xml"
PATIENCE_S = 20.0


def _alive(server: Server, data: Prepared) -> None:
    complete(server, data.ct.path, [data.ct], ANY_SYNTAX)


def _not_stored(answer: Answer) -> None:
    """Raise Failed if something was acknowledged, or the server failed."""
    if answer.status in (200, 202):
        expect.same([], response.of(answer).uids(response.REFERENCED), "in Referenced SOP Sequence")
    else:
        expect.refused(answer)


@HOSTILE.required("traversal", "CWE-22", "A UID that is a path out of the archive finds nothing")
def traversal(server: Server, data: Prepared) -> None:
    for uid in (b"..%2f..%2f..%2f..%2fetc%2fpasswd", b"../../../../etc/passwd", b"%2e%2e/%2e%2e/etc/passwd",
                b"..%5c..%5cwindows%5cwin.ini", b"1.2.3%00", b"%c0%ae%c0%ae%c0%af"):  # fmt: skip
        answer = server.send("GET", "", accept=DICOM, raw_path=b"/studies/" + uid)
        expect.refused(answer)
        expect.that(b"root:" not in answer.body, "no file of the system", answer.body[:40])
    _alive(server, data)


@HOSTILE.required("long-uid", "CWE-770", "A UID of 8,000 digits is refused")
def long_uid(server: Server, data: Prepared) -> None:
    answer = server.get("/studies/1." + "1" * 8000, DICOM)
    expect.status(answer, 400, 404, 414, 431)
    _alive(server, data)


@HOSTILE.required("injection", "CWE-89", "Quotation marks and SQL in a value match nothing and break nothing")
def injection(server: Server, data: Prepared) -> None:
    for value in ("' OR '1'='1", "x' UNION SELECT NULL --", '" OR ""="', "\\", "%", "_"):
        answer = expect.status(server.get(query("/studies", PatientID=f"{data.tag}{value}")), 200, 204, 400)
        expect.same([], [] if answer.status == 400 else answer.models(), f"results for {value}")
    expect.same([data.ct.study], found(server, "/studies", PatientID=f"{data.tag}-A"), "studies afterwards")


@HOSTILE.required("wildcards", "CWE-1333", "A pattern of many wildcards that match nothing is answered in time")
def wildcards(server: Server, data: Prepared) -> None:
    started = time.monotonic()
    answer = server.get(query("/studies", PatientName="*a" * 24 + "*b", PatientID=f"{data.tag}-*"))
    expect.status(answer, 200, 204, 400, 413)
    expect.same([], [] if answer.status >= 400 else answer.models(), "results")
    expect.that(time.monotonic() - started < PATIENCE_S, f"an answer within {PATIENCE_S:.0f} s", "a later one")


@HOSTILE.required("huge-limit", "CWE-190", "A limit beyond any integer is refused or harmless")
def huge_limit(server: Server, data: Prepared) -> None:
    for number in (2**31, 2**63, 10**30):
        answer = server.get(query("/studies", PatientID=f"{data.tag}-A", limit=number))
        expect.status(answer, 200, 400)
        if answer.status == 200:
            expect.same(1, len(answer.models()), "results")


@HOSTILE.required("frame-list", "CWE-770", "A list of thousands of frames beyond the last is refused")
def frame_list(server: Server, data: Prepared) -> None:
    numbers = ",".join(map(str, range(1, 1500)))
    expect.status(server.get(f"{data.multiframe.path}/frames/{numbers}", OCTETS), 206, 400, 404, 413, 414, 431)
    _alive(server, data)


@HOSTILE.required("no-boundary", "8.6.1.2", "Multipart without a boundary is refused")
def no_boundary(server: Server, data: Prepared) -> None:
    _not_stored(server.post("/studies", 'multipart/related; type="application/dicom"', data.fresh().part10))


@HOSTILE.required("wrong-boundary", "8.6.1.2", "Multipart whose boundary never comes stores nothing")
def wrong_boundary(server: Server, data: Prepared) -> None:
    _, body = multipart.encoded([Part(data.fresh().part10)])
    _not_stored(server.post("/studies", f"{DICOM}; boundary=another", body))


@HOSTILE.required("no-end", "8.6.1.2.1", "Multipart that ends within a part is not acknowledged")
def no_end(server: Server, data: Prepared) -> None:
    content_type, body = multipart.encoded([Part(data.fresh().part10)])
    _not_stored(server.post("/studies", content_type, body[:-2500]))


@HOSTILE.required("preamble", "CWE-400", "Megabytes before a boundary that does not come are refused")
def preamble(server: Server, data: Prepared) -> None:
    _not_stored(server.post("/studies", f"{DICOM}; boundary=never", b"x" * (4 << 20)))


@HOSTILE.required("part-header", "CWE-400", "A part header without end is refused")
def part_header(server: Server, data: Prepared) -> None:
    body = b"--b\r\n" + b"X-Long: " + b"y" * (1 << 20)
    _not_stored(server.post("/studies", f"{DICOM}; boundary=b", body))


@HOSTILE.required("lying-length", "10.5.2, PS3.5 7.1.2, CWE-130", "A data element longer than the file is refused")
def lying_length(server: Server, data: Prepared) -> None:
    file = data.fresh().part10
    at = file.rindex(b"\xe0\x7f\x10\x00OW") + 8
    lying = file[:at] + (0xFFFFFFF0).to_bytes(4, "little") + file[at + 4 :]
    _not_stored(server.post("/studies", *multipart.encoded([Part(lying)])))
    _alive(server, data)


@HOSTILE.required("uid-in-file", "CWE-22", "A file whose SOP Instance UID is a path is refused")
def uid_in_file(server: Server, data: Prepared) -> None:
    fresh = data.fresh()
    evil = b"../../../../tmp/evil"
    file = fresh.part10.replace(fresh.uid.encode(), evil + b"\0" * (len(fresh.uid) - len(evil)))
    _not_stored(server.post("/studies", *multipart.encoded([Part(file)])))
    _alive(server, data)


@HOSTILE.required("deep-json", "CWE-674", "JSON nested 10,000 deep is refused")
def deep_json(server: Server, data: Prepared) -> None:
    deep = b'{"00081115":{"vr":"SQ","Value":[' * 10_000 + b"]}}" * 10_000
    answer = server.post("/studies", *multipart.encoded([Part(b"[" + deep + b"]", JSON)], root=JSON))
    _not_stored(answer)
    _alive(server, data)


@HOSTILE.required("json-kind", "F.2", "JSON of another shape than the JSON Model is refused")
def json_kind(server: Server, data: Prepared) -> None:
    shapes: list[object] = [1, [1], "x", {}, [[]], [{"00080018": 5}], [{"00080018": {"vr": "UI", "Value": {"a": 1}}}]]
    for shape in shapes:
        body = json.dumps(shape).encode()
        _not_stored(server.post("/studies", *multipart.encoded([Part(body, JSON)], root=JSON)))


@HOSTILE.required("xml-entities", "CWE-776", "XML whose entities grow without end is refused")
def xml_entities(server: Server, data: Prepared) -> None:
    names = [f"e{number}" for number in range(12)]
    entities = "".join(f'<!ENTITY {name} "{f"&{below};" * 10}">' for below, name in pairwise(names))
    document = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><NativeDicomModel>&e11;</NativeDicomModel>'
    started = time.monotonic()
    _not_stored(server.post("/studies", *multipart.encoded([Part(document.encode(), XML)], root=XML)))
    expect.that(time.monotonic() - started < PATIENCE_S, f"an answer within {PATIENCE_S:.0f} s", "a later one")
    _alive(server, data)


@HOSTILE.required("xml-external", "CWE-611", "XML that names a file of the server does not get it stored")
def xml_external(server: Server, data: Prepared) -> None:
    fresh = data.fresh()
    document = native_xml.written({"00100020": {"vr": "LO", "Value": ["OUTSIDE"]}}).replace(b"OUTSIDE", b"&outside;")
    prolog = b'<!DOCTYPE x [<!ENTITY outside SYSTEM "file:///etc/passwd">]>'
    body = document.replace(b"<Native", prolog + b"<Native", 1)
    _not_stored(server.post(f"/studies/{fresh.study}", *multipart.encoded([Part(body, XML)], root=XML)))


@HOSTILE.required("bulk-elsewhere", "CWE-918", "A Bulkdata URI that points into the server itself is not followed")
def bulk_elsewhere(server: Server, data: Prepared) -> None:
    for where in ("file:///etc/passwd", "http://127.0.0.1:9/secret"):
        content_type, body = json_request(data.fresh(), bulk=False)
        _not_stored(server.post("/studies", content_type, body.replace(b"bulk/pixels", where.encode())))


@HOSTILE.required("broken-off", "RFC 9112 8", "A request cut off in the middle stores nothing, and the next is served")
def broken_off(server: Server, data: Prepared) -> None:
    fresh = data.fresh()
    content_type, body = multipart.encoded([Part(fresh.part10)])

    def pieces() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        raise _Interrupted

    with suppress(_Interrupted):
        server.post("/studies", content_type, pieces())
    answer = server.get(query("/studies", StudyInstanceUID=fresh.study))
    expect.same([], results(answer), "studies stored by half a request:")
    _alive(server, data)


@HOSTILE.required("viewport", "8.3.5.1.3, CWE-789", "A viewport of 10⁹ by 10⁹ pixels: 400, or 413")
def huge_viewport(server: Server, data: Prepared) -> None:
    available(server, data.ct)
    for viewport in ("1000000000,1000000000", "999999,999999", "2147483648,2", "64,64,0,0,1e12,1e12"):
        answer = server.get(f"{data.ct.path}/rendered?viewport={viewport}", "image/jpeg")
        expect.status(answer, *((400, 413) if viewport[0] != "6" else (200, 400, 413)))
    _alive(server, data)


class _Interrupted(Exception):
    """This client stops on purpose."""
