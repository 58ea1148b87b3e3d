"""Retrieve Capabilities (PS3.18 8.9)."""

import re

from conformance.dicomweb import expect
from conformance.dicomweb.prepared import Prepared
from conformance.dicomweb.server import Answer, Server
from conformance.dicomweb.suite import Transaction
from conformance.judging import NotSupported

CAPABILITIES = Transaction("capabilities", "Retrieve Capabilities", "8.9")
WADL = "application/vnd.sun.wadl+xml"
JSON = "application/json"


def _description(server: Server, accept: str) -> Answer:
    for path in ("/", ""):
        answer = server.send("OPTIONS", path, accept=accept)
        expect.that(answer.status < 500 or answer.status == 501, "a description, or a refusal", answer.status)
        if answer.status == 200 and answer.body:
            return answer
    raise NotSupported(f"OPTIONS of the base URI: {answer.status} without a description")


@CAPABILITIES.required("description", "8.9.1, 8.9.3.2", "OPTIONS of the base URI gives a capabilities description")
def description(server: Server, data: Prepared) -> None:
    answer = _description(server, f"{WADL}, {JSON}")
    expect.media_type(answer, WADL, JSON)


@CAPABILITIES.required("json", "8.9.4", "In application/json")
def in_json(server: Server, data: Prepared) -> None:
    answer = _description(server, JSON)
    expect.that(expect.media_type(answer, JSON).json(), "something in it", answer.body[:80])


@CAPABILITIES.required("wadl", "8.9.4", "In application/vnd.sun.wadl+xml")
def in_wadl(server: Server, data: Prepared) -> None:
    answer = expect.media_type(_description(server, WADL), WADL)
    expect.that(re.search(rb"<([\w]+:)?application\b", answer.body), "a WADL application", answer.body[:80])


@CAPABILITIES.required("studies", "8.9.2, H", "The description names the studies resource")
def names_studies(server: Server, data: Prepared) -> None:
    answer = expect.media_type(_description(server, f"{WADL}, {JSON}"), WADL, JSON)
    expect.that(b"studies" in answer.body, "the word studies", answer.body[:80])


@CAPABILITIES.optional("options", "RFC 9110 9.3.7", "OPTIONS of a resource tells its methods")
def options(server: Server, data: Prepared) -> None:
    answer = expect.offered(server.send("OPTIONS", "/studies"), 200, 204, without=(404, 405, 501))
    allowed = answer.headers.get("allow") or answer.headers.get("access-control-allow-methods")
    if not allowed:
        raise NotSupported("no Allow header")
    expect.that({"GET", "POST"} <= {one.strip() for one in allowed.split(",")}, "GET and POST in Allow", allowed)
