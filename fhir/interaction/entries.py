"""Entries of a batch or transaction as the requests they stand for (http://hl7.org/fhir/R4/http.html#transaction)."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

import orjson

from fhir.format import json
from fhir.format.instants import instant
from fhir.interaction import parts
from fhir.interaction.bundle import raw
from fhir.interaction.parts import Parts
from fhir.interaction.request import Answer, Conditions, Request, etag, location
from fhir.interaction.services import Limits
from fhir.outcome import FhirError, outcome
from pacsd.faults import Fault

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_READING = ("GET", "POST")               # POST: of a search; what is written goes back as a whole
_GENERAL = ("_format", "_pretty")
_MAX_PARAMETERS = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `path` is under [base]; `where` its place in the bundle."""

    request: Request
    path: str
    full_url: str
    where: str


def entries(request: Request, *, most: int) -> list[Mapping[str, Any]]:
    """The entries of a request's bundle. Raises FhirError TOO_MUCH above `most`, MALFORMED for what is no list."""
    given = request.body().get("entry", [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise FhirError(Fault.MALFORMED, "entry is a list of objects", expression=("Bundle.entry",))
    if len(given) > most:
        raise FhirError(Fault.TOO_MUCH, f"a bundle may have {most} entries", code="too-costly")
    return given


def entry(outer: Request, told: Mapping[str, Any], number: int) -> Entry:
    """What an entry asks for, on behalf of who sent the bundle. Raises FhirError MALFORMED."""
    where = f"Bundle.entry[{number}]"
    asked = told.get("request")
    if not isinstance(asked, dict):
        raise FhirError(Fault.MALFORMED, "an entry needs a request", code="required")
    method, url = asked.get("method"), asked.get("url")
    if method not in METHODS or not isinstance(url, str):
        raise FhirError(Fault.MALFORMED, "a request has a method and a url", code="value")
    full_url = told.get("fullUrl", "")
    resource = told.get("resource")
    if not isinstance(full_url, str) or not isinstance(resource, (dict, type(None))):
        raise FhirError(Fault.MALFORMED, "fullUrl is text, resource an object", code="structure")
    path, parameters = _parts(url, outer.base)
    inner = replace(
        outer, method="GET" if method == "HEAD" else method, parameters=parameters, resource=resource,
        conditions=_conditions(asked), content=b"", content_type="",
    )  # fmt: skip
    return Entry(inner, path, full_url, where)


def _parts(url: str, base: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Path under [base], and parameters."""
    path = url.partition("?")[0]
    if ":" in path:
        if not path.startswith(base + "/"):
            raise FhirError(Fault.MALFORMED, "the url is another server's", code="value")
        path = path.removeprefix(base)
    try:
        told = parse_qsl(url.partition("?")[2], keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise FhirError(Fault.MALFORMED, f"a url may have {_MAX_PARAMETERS} parameters", code="too-costly") from error
    return path, tuple(one for one in told if one[0] not in _GENERAL)


def _conditions(asked: Mapping[str, Any]) -> Conditions:
    told = [asked.get(name, "") for name in ("ifMatch", "ifNoneMatch", "ifModifiedSince", "ifNoneExist")]
    if not all(isinstance(one, str) for one in told):
        raise FhirError(Fault.MALFORMED, "conditions are text", code="structure")
    return Conditions(*told)


def answered(answer: Answer, request: Request) -> dict[str, Any]:
    """An answer as an entry of the bundle that goes back (http.html#transaction-response)."""
    response: dict[str, Any] = {"status": _STATUS.get(answer.status, str(answer.status))}
    if answer.about is not None:
        if answer.located:
            response["location"] = location(request.base, answer.about)
        response["etag"] = etag(answer.about)
        response["lastModified"] = instant(answer.about.updated)
    elif "ETag" in answer.headers:
        response["etag"] = answer.headers["ETag"]
    if answer.issues:
        response["outcome"] = outcome(answer.issues)
    told: dict[str, Any] = {}
    wanted = parts.asked(dict(request.parameters)) if request.method in _READING else Parts()
    if answer.about is not None:
        told["fullUrl"] = f"{request.base}/{answer.about.type}/{answer.about.id}"
    if answer.written and request.returning != "representation":
        if request.returning == "OperationOutcome":
            response.setdefault("outcome", outcome(answer.issues))
    elif answer.stored is not None:
        told["resource"] = raw(answer.stored) if wanted.whole else wanted.of(json.read(answer.stored.body))
    elif answer.resource is not None:
        told["resource"] = wanted.of_answer(answer.resource)
    told["response"] = response
    return told


class Room:
    """What the answers of one bundle may still take: bytes, as many as a body, and time.

    Many entries may each ask for a page that is as large and as long as a search may be.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = limits.max_body_bytes
        self._until = time.monotonic() + limits.bundle_s

    def entered(self) -> None:
        """An entry is about to be done. Raises FhirError TOO_BROAD where those before it took all there is."""
        if self._left <= 0:
            raise FhirError(Fault.TOO_BROAD, f"the answers of a bundle have {self._limits.max_body_bytes} bytes at "
                            "most: ask for less at once")  # fmt: skip
        if time.monotonic() > self._until:
            raise FhirError(Fault.TOO_BROAD, f"a bundle takes {self._limits.bundle_s:g} s: ask for less at once")

    def left(self, told: Mapping[str, Any]) -> orjson.Fragment:
        """An entry that goes back, written; what it takes is noted."""
        written = json.write(told)
        self._left -= len(written)
        return orjson.Fragment(written)


_STATUS = {
    200: "200 OK", 201: "201 Created", 204: "204 No Content", 304: "304 Not Modified", 400: "400 Bad Request",
    403: "403 Forbidden", 404: "404 Not Found", 405: "405 Method Not Allowed", 409: "409 Conflict", 410: "410 Gone",
    412: "412 Precondition Failed", 422: "422 Unprocessable Entity",
}  # fmt: skip
