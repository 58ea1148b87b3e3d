"""history (http://hl7.org/fhir/R4/http.html#history): versions of a resource, of a type, of all, the last first."""

import base64
import binascii
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from fhir.interaction.bundle import Link, bundle, past
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Limits, Server
from fhir.interaction.times import period
from fhir.outcome import FhirError, Issue
from fhir.store import history as rows
from fhir.store.history import Before, Span
from fhir.store.stored import Stored
from pacsd.faults import Fault

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = struct.Struct(">qq")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class _Asked:
    """The parameters of a history."""

    span: Span
    limit: int
    before: Before | None = None
    applied: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def history(server: Server, request: Request) -> Answer:
    """200 with a page of versions, and where the next one is. Raises FhirError NOT_FOUND, MALFORMED.

    Parameters are _count, _since and _at; pages stay as they were while versions are added.
    """
    asked = _asked(request, server.limits)
    scope = request.asker.scope
    found = rows.page(server.pool, scope, asked.span, limit=asked.limit + 1, before=asked.before)
    if not found and request.id and rows.count(server.pool, scope, Span(request.type, request.id)) == 0:
        raise FhirError(Fault.NOT_FOUND, "there is no such resource")
    shown, more = found[: asked.limit], len(found) > asked.limit
    total = rows.count(server.pool, scope, asked.span) if request.id else None
    links = _links(request, asked, shown[-1] if more and shown else None)
    entries = (past(request.base, one) for one in shown)
    issues = [Issue("warning", "not-supported", f"{name[:64]} is no parameter of a history, and was ignored")
              for name in asked.ignored]  # fmt: skip
    return Answer(200, resource=bundle("history", entries, total=total, links=links), issues=tuple(issues))


def _asked(request: Request, limits: Limits) -> _Asked:
    asked = _Asked(Span(request.type, request.id), limits.page)
    told: dict[str, datetime | None] = {"since": None, "at_from": None, "at_until": None}
    for name, value in request.parameters:
        if name == "_count":
            asked.limit = _number(value, limits.max_page)
        elif name == "_since":
            told["since"] = period(value, name)[0]
        elif name == "_at":
            told["at_from"], told["at_until"] = period(value.removeprefix("eq"), name)
        elif name == "_cursor":
            asked.before = _cursor(value)
            continue
        elif name not in ("_summary", "_elements"):          # of the answer
            asked.ignored.append(name)
            continue
        asked.applied.append((name, value))
    if asked.ignored and request.handling == "strict":
        raise FhirError(Fault.UNSUPPORTED, f"{asked.ignored[0][:64]} is no parameter of a history")
    asked.span = Span(request.type, request.id, **told)
    return asked


def _number(value: str, most: int) -> int:
    if not (value.isascii() and value.isdecimal() and int(value[:9]) > 0):
        raise FhirError(Fault.MALFORMED, "_count is a number above 0", code="value")
    return min(int(value[:9]), most)


def _links(request: Request, asked: _Asked, last: Stored | None) -> Iterable[Link]:
    path = "/".join(one for one in (request.base, request.type, request.id, "_history") if one)
    query = urlencode(asked.applied)
    yield Link("self", f"{path}?{query}" if query else path)
    if last is not None:
        at = (last.updated - _EPOCH) // _MICROSECOND
        cursor = base64.urlsafe_b64encode(_CURSOR.pack(at, last.pk)).rstrip(b"=").decode()
        yield Link("next", f"{path}?{urlencode([*asked.applied, ('_cursor', cursor)])}")


def _cursor(text: str) -> Before:
    try:
        at, pk = _CURSOR.unpack(base64.urlsafe_b64decode(text[:64] + "=" * (-len(text) % 4)))
        return Before(_EPOCH + timedelta(microseconds=at), pk)
    except (struct.error, binascii.Error, OverflowError, ValueError) as error:
        raise FhirError(Fault.MALFORMED, "this page was never given out", code="value") from error
