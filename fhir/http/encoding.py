"""Answers as bodies: JSON that is kept goes out as it is, unless something else is asked for."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from isal import igzip_lib

from fhir.format import json
from fhir.http.formats import FHIR_JSON, Format
from fhir.interaction import parts
from fhir.interaction.parts import Parts
from fhir.interaction.request import Answer
from fhir.outcome import outcome

_GZIP_LEVEL = 1
_WORTH_CODING_BYTES = 1024
# what somebody uploaded must not act as a page of this server (binary.html#security)
_SANDBOX = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an answer is to be written (http.html#parameters, search.html#summary)."""

    format: Format
    pretty: bool = False
    parts: Parts = field(default_factory=Parts)
    returning: str = ""                  # Prefer: return=
    binary: bool = False                 # a Binary as it is
    gzip: bool = False

    @property
    def plain(self) -> bool:
        """Whether bodies go out as they are kept."""
        return self.format.media_type == FHIR_JSON and not self.pretty and self.parts.whole


class Body(NamedTuple):
    """A body and the headers that tell of it."""

    content: bytes
    headers: Mapping[str, str]


def encoded(answer: Answer, wanted: Wanted) -> Body:
    """The body of an answer; empty where there is nothing to say."""
    body = _body(answer, wanted)
    if wanted.gzip and len(body.content) >= _WORTH_CODING_BYTES:
        content = igzip_lib.compress(body.content, _GZIP_LEVEL, flag=igzip_lib.COMP_GZIP)
        return Body(content, {**body.headers, "Content-Encoding": "gzip", "Vary": "Accept, Accept-Encoding"})
    return body


def _body(answer: Answer, wanted: Wanted) -> Body:
    if answer.raw is not None:
        return Body(answer.raw.content, {"Content-Type": answer.raw.media_type})
    if answer.stored is not None and wanted.binary and answer.stored.type == "Binary" and not answer.written:
        return _as_it_is(json.read(answer.stored.body))
    content = _content(answer, wanted)
    kind = f"{wanted.format.media_type};charset=utf-8"
    return Body(content, {"Content-Type": kind, "Vary": "Accept, Accept-Encoding"} if content else {})


def _content(answer: Answer, wanted: Wanted) -> bytes:
    if answer.written and wanted.returning == "minimal":
        return b""
    if answer.written and wanted.returning == "OperationOutcome":
        return written(outcome(answer.issues), wanted)
    if answer.stored is not None:
        body = answer.stored.body
        return body if wanted.plain else written(wanted.parts.of(json.read(body)), wanted)
    if answer.resource is not None:
        return written(wanted.parts.of_answer(answer.resource), wanted)
    return written(outcome(answer.issues), wanted) if answer.issues else b""


def written(resource: Mapping[str, Any], wanted: Wanted) -> bytes:
    """A resource in the format that is wanted."""
    if wanted.format.media_type == FHIR_JSON:
        return json.write(parts.read(resource) if wanted.pretty else resource, pretty=wanted.pretty)
    return wanted.format.write(parts.read(resource), pretty=wanted.pretty)


def _as_it_is(resource: Mapping[str, Any]) -> Body:
    """The content of a Binary (http://hl7.org/fhir/R4/binary.html#rest)."""
    content = base64.b64decode(resource.get("data", ""))
    told = str(resource.get("contentType", ""))
    kind = told if told.isascii() and told.isprintable() and "/" in told else "application/octet-stream"
    return Body(content, {"Content-Type": kind, **_SANDBOX})       # a line end in it would begin another header
