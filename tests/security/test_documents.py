"""XML at every door where it comes in, archives and streams that grow: nothing is fetched, read or blown up."""

import json
import time
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import httpx
import psutil
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from conformance.dicomweb import multipart, native_xml, prepared, workitems
from conformance.dicomweb.multipart import Part
from tests.security.house import Guarded
from tests.synthetic import encode
from tests.web.documents import CDA, encapsulated, instance, part10

DICOM_XML, FHIR_XML, FHIR_JSON = "application/dicom+xml", "application/fhir+xml", "application/fhir+json"
MIB = 1 << 20


def declarations(house: Guarded) -> Mapping[str, tuple[str, str]]:
    """What stands before the root element, and what in it; by what it tries."""
    names = [f"e{number}" for number in range(10)]
    laughs = "".join(f'<!ENTITY {name} "{f"&{below};" * 10}">' for below, name in pairwise(names))
    trap = f"http://127.0.0.1:{house.trap.port}/x.dtd"
    return {
        "a file": (f'<!DOCTYPE r [<!ENTITY x SYSTEM "file://{house.canary}">]>', "&x;"),
        "a URL": (f'<!DOCTYPE r [<!ENTITY x SYSTEM "{trap}">]>', "&x;"),
        "a public name": (f'<!DOCTYPE r [<!ENTITY x PUBLIC "-//x" "{trap}">]>', "&x;"),
        "a document type elsewhere": (f'<!DOCTYPE r SYSTEM "{trap}">', "x"),
        "a parameter": (f'<!DOCTYPE r [<!ENTITY % x SYSTEM "{trap}"> %x;]>', "x"),
        "laughs": (f'<!DOCTYPE r [<!ENTITY e0 "ha">{laughs}]>', "&e9;"),
        "itself": ('<!DOCTYPE r [<!ENTITY x "&y;"><!ENTITY y "&x;">]>', "&x;"),
        "a default": ('<!DOCTYPE r [<!ATTLIST r made CDATA "made">]>', "x"),
        "a style sheet": (f'<?xml-stylesheet type="text/xsl" href="{trap}"?>', "x"),
        "an inclusion": ("", f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://{house.canary}"'
                             ' parse="text"/>'),
    }  # fmt: skip


ATTEMPTS = ("a file", "a URL", "a public name", "a document type elsewhere", "a parameter", "laughs", "itself",
            "a default", "a style sheet", "an inclusion")  # fmt: skip


def patient(before: str, inside: str) -> str:
    """A resource in XML, with a narrative, where text may stand: an external entity is no attribute's (XML 1.0 3.1)."""
    return (f'<?xml version="1.0"?>{before}<Patient xmlns="http://hl7.org/fhir"><id value="xxe"/>{narrative(inside)}'
            '<gender value="male"/></Patient>')  # fmt: skip


def narrative(inside: str) -> str:
    return ('<text xmlns="http://hl7.org/fhir"><status value="generated"/>'
            f'<div xmlns="http://www.w3.org/1999/xhtml">{inside}</div></text>')  # fmt: skip


def native(model: dict[str, Any], before: str, inside: str) -> bytes:
    """A NativeDicomModel of a model with MARK as a value."""
    whole = native_xml.written(model).partition(b"?>")[2].replace(b"MARK", inside.encode())
    return f'<?xml version="1.0"?>{before}'.encode() + whole


@cache
def workitem() -> dict[str, Any]:
    return workitems.scheduled(prepared.made(), PatientID="MARK")


def stowed(http: httpx.Client, part: bytes, kind: str = DICOM_XML) -> httpx.Response:
    content_type, body = multipart.encoded([Part(part, kind)], root=kind)
    return http.post("/dicom-web/studies", content=body, headers={"content-type": content_type})


def followed(http: httpx.Client, answer: httpx.Response) -> list[httpx.Response]:
    """An answer, and what it says was made."""
    return [answer, *(http.get(answer.headers[name]) for name in ("location",) if name in answer.headers)]


def posted(path: str, kind: str, method: str = "POST") -> Callable[[httpx.Client, str, str], list[httpx.Response]]:
    def ask(http: httpx.Client, before: str, inside: str) -> list[httpx.Response]:
        body = patient(before, inside).encode()
        return followed(http, http.request(method, path, content=body, headers={"content-type": kind}))

    return ask


def bundled(http: httpx.Client, before: str, inside: str) -> list[httpx.Response]:
    whole = patient("", inside).partition("?>")[2]
    body = (f'<?xml version="1.0"?>{before}<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><resource>'
            f'{whole}</resource><request><method value="POST"/><url value="Patient"/></request></entry></Bundle>')
    return [http.post("/fhir", content=body.encode(), headers={"content-type": FHIR_XML})]


def patched(http: httpx.Client, before: str, inside: str) -> list[httpx.Response]:
    made = http.post("/fhir/Patient", json={"resourceType": "Patient"}, headers={"content-type": FHIR_JSON})
    body = (f'<?xml version="1.0"?>{before}<diff xmlns:f="http://hl7.org/fhir">'
            f'<add sel="f:Patient">{narrative(inside)}</add></diff>')  # fmt: skip
    path = f"/fhir/Patient/{made.json()['id']}"
    answer = http.patch(path, content=body.encode(), headers={"content-type": "application/xml-patch+xml"})
    return [answer, http.get(path)]


def narrated(http: httpx.Client, before: str, inside: str) -> list[httpx.Response]:
    div = f'{before}<div xmlns="http://www.w3.org/1999/xhtml">{inside}</div>'
    body = {"resourceType": "Patient", "text": {"status": "generated", "div": div}}
    return followed(http, http.post("/fhir/Patient", content=json.dumps(body), headers={"content-type": FHIR_JSON}))


def worked(http: httpx.Client, before: str, inside: str) -> list[httpx.Response]:
    body = native(workitem(), before, inside)
    return followed(http, http.post("/dicom-web/workitems", content=body, headers={"content-type": DICOM_XML}))


def stored(http: httpx.Client, before: str, inside: str) -> list[httpx.Response]:
    one = instance("1.2.840.10008.5.1.4.1.1.66", PatientID="MARK")
    answer = stowed(http, native(one.to_json_dict(), before, inside))
    return [answer, http.get(f"/dicom-web/studies/{one.StudyInstanceUID}/metadata")]


def documented(http: httpx.Client, before: str, inside: str) -> list[httpx.Response]:
    """A CDA document inside of an image object is kept as it is; shown, it is read."""
    text = (f'<?xml version="1.0"?>{before}<ClinicalDocument xmlns="urn:hl7-org:v3"><title>T{inside}</title><component>'
            f"<structuredBody><component><section><title>S</title><text>{inside}</text></section></component>"
            "</structuredBody></component></ClinicalDocument>")  # fmt: skip
    one = encapsulated(CDA, text.encode())
    assert stowed(http, part10(one), "application/dicom").status_code == 200
    path = (f"/dicom-web/studies/{one.StudyInstanceUID}/series/{one.SeriesInstanceUID}"
            f"/instances/{one.SOPInstanceUID}/rendered")  # fmt: skip
    return [http.get(path, headers={"accept": kind}) for kind in ("text/html", "text/plain", "image/jpeg")]


DOORS: Mapping[str, Callable[[httpx.Client, str, str], list[httpx.Response]]] = {
    "create": posted("/fhir/Patient", FHIR_XML), "create, as text/xml": posted("/fhir/Patient", "text/xml"),
    "update": posted("/fhir/Patient/xxe", FHIR_XML, "PUT"), "$validate": posted("/fhir/Patient/$validate", FHIR_XML),
    "batch": bundled, "XML Patch": patched, "narrative": narrated, "workitem": worked, "STOW-RS": stored,
    "CDA": documented,
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
def test_xml_reads_no_file_asks_nobody_and_does_not_grow(guarded: Guarded, door: str) -> None:
    came, canary = guarded.trap.came, guarded.canary.read_bytes()
    tried = declarations(guarded)
    assert tuple(tried) == ATTEMPTS
    began = time.monotonic()
    with guarded.client(guarded.own_token()) as http:
        assert DOORS[door](http, "", "x")[0].status_code in (200, 201)           # right but for what is tried
        for name, (before, inside) in tried.items():
            answers = DOORS[door](http, before, inside)
            assert 400 <= answers[0].status_code < 500 or "<!DOCTYPE" not in before, (name, answers[0].status_code)
            for answer in answers:
                assert answer.status_code < 500 or answer.status_code == 501, (name, answer.status_code)
                assert canary not in answer.content and len(answer.content) < MIB, name
                assert b"hahahaha" not in answer.content and b"made" not in answer.content, name
    assert guarded.trap.came == came and time.monotonic() - began < 30


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be", "utf-32", "utf-7", "cp037"])
def test_another_character_set_hides_no_document_type(guarded: Guarded, codec: str) -> None:
    before, inside = declarations(guarded)["a file"]
    came = guarded.trap.came
    with guarded.client(guarded.own_token()) as http:
        for text in (patient(before, inside), native(workitem(), before, inside).decode()):
            said = text.replace('version="1.0"', f'version="1.0" encoding="{codec}"', 1).encode(codec)
            kind = FHIR_XML if "hl7.org" in text else DICOM_XML
            path = "/fhir/Patient" if kind == FHIR_XML else "/dicom-web/workitems"
            answer = http.post(path, content=said, headers={"content-type": kind})
            assert 400 <= answer.status_code < 500, (codec, answer.status_code)
            assert guarded.canary.read_bytes() not in answer.content
    assert guarded.trap.came == came


def resident(house: Guarded) -> int:
    """Bytes that the server's processes hold, those of PostgreSQL apart."""
    total = 0
    for one in psutil.Process(house.server.pid).children(recursive=True):
        try:
            total += 0 if one.name() == "postgres" else one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@cache
def bomb(size: int, wbits: int) -> bytes:
    packer = zlib.compressobj(9, wbits=wbits)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()


def test_a_deflated_object_that_grows_is_kept_in_bounds(guarded: Guarded) -> None:
    """PS3.5 A.5: 512 MiB of zeros in half a megabyte. It is refused, or kept as it is and never held whole."""
    one = instance("1.2.840.10008.5.1.4.1.1.7", Modality="OT")
    whole = encode(one, DeflatedExplicitVRLittleEndian)
    head = whole[: 132 + 12 + int.from_bytes(whole[140:144], "little")]
    element = b"\xe0\x7f\x10\x00OW\0\0" + (512 * MIB).to_bytes(4, "little")
    plain = encode(one)
    dataset = plain[132 + 12 + int.from_bytes(plain[140:144], "little") :] + element
    packer = zlib.compressobj(9, wbits=-15)
    body = head + packer.compress(dataset) + b"".join(packer.compress(bytes(MIB)) for _ in range(512)) + packer.flush()
    before, began = resident(guarded), time.monotonic()
    with guarded.client(guarded.own_token()) as http:
        answer = stowed(http, body, "application/dicom")
        assert answer.status_code in (200, 400, 409, 413), answer.text
        path = f"/dicom-web/studies/{one.StudyInstanceUID}"
        for more in ("/metadata", "/rendered"):
            assert http.get(path + more, headers={"accept": "*/*"}).status_code in (200, 404, 406, 413, 422, 500)
        assert http.get("/health/ready").status_code == 200
    assert resident(guarded) - before < 700 * MIB and time.monotonic() - began < 60


@pytest.mark.parametrize("path", ["/dicom-web/studies", "/dicom-web/workitems", "/fhir/Patient", "/oauth/token"])
def test_a_body_that_grows_by_its_coding_is_refused(guarded: Guarded, path: str) -> None:
    kinds = {"/dicom-web/studies": "application/dicom", "/dicom-web/workitems": "application/dicom+json",
             "/fhir/Patient": "application/fhir+json", "/oauth/token": "application/x-www-form-urlencoded"}  # fmt: skip
    before = resident(guarded)
    with guarded.client(guarded.own_token()) as http:
        for coding, body in (("gzip", bomb(100 * MIB, 31)), ("deflate", bomb(100 * MIB, 15)), ("br", b"x" * 1000)):
            headers = {"content-type": kinds[path], "content-encoding": coding}
            answer = http.post(path, content=body, headers=headers)
            assert answer.status_code in (400, 409, 413, 415), (coding, answer.status_code)
    assert resident(guarded) - before < 300 * MIB
