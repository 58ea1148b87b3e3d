"""Answers as bodies: JSON that is kept goes out as it is, unless something else is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from fhir.format import json
from fhir.http.formats import FHIR_JSON, Format
from fhir.interaction.request import Answer
from fhir.outcome import outcome


@dataclass(frozen=True, slots=True)
class Wanted:
    """How an answer is to be written. `summary` and `elements` as they came (search.html#summary)."""

    format: Format
    pretty: bool = False
    summary: str = ""
    elements: tuple[str, ...] = ()
    returning: str = ""                  # Prefer: return=

    @property
    def plain(self) -> bool:
        """Whether bodies go out as they are kept."""
        return self.format.media_type == FHIR_JSON and not (self.pretty or self.summary or self.elements)


def encoded(answer: Answer, wanted: Wanted) -> bytes:
    """The body of an answer; none where there is nothing to say."""
    if answer.written and wanted.returning == "minimal":
        return b""
    if answer.written and wanted.returning == "OperationOutcome":
        return written(outcome(answer.issues), wanted)
    if answer.stored is not None:
        body = answer.stored.body
        return body if wanted.plain else written(json.read(body), wanted)
    if answer.resource is not None:
        return written(answer.resource, wanted)
    return written(outcome(answer.issues), wanted) if answer.issues else b""


def written(resource: Mapping[str, Any], wanted: Wanted) -> bytes:
    """A resource as the client wants it."""
    if wanted.plain:
        return json.write(resource)
    return wanted.format.write(whole(resource), pretty=wanted.pretty)


def whole(resource: Any) -> Any:
    """A resource with what is in it as text (fhir.interaction.bundle.raw) read."""
    if not _has_text(resource):
        return resource
    return json.read(json.write(resource))


def _has_text(told: Any) -> bool:
    if isinstance(told, orjson.Fragment):
        return True
    values = told.values() if isinstance(told, Mapping) else told if isinstance(told, list) else ()
    return any(_has_text(one) for one in values)
