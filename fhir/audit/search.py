"""Retrieve ATNA Audit Event (IHE ITI-81): search of what was recorded, the newest first, and read of one.

Parameters of which one value is enough have them separated by commas; those named several times must all hold. What is
not searched for here is refused: a search for audit events that ignores a condition would show what was not asked for.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import orjson

from fhir.audit.desk import AuditDesk
from fhir.audit.resource import audit_event
from fhir.interaction.bundle import Link, bundle
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.outcome import FhirError
from fhir.search import cursor
from fhir.search.dates import instants
from fhir.store import resources
from fhir.store.stored import Name
from pacsd.audit import record_json
from pacsd.audit.keys import of_address, of_agent, of_entity, of_name, of_patient
from pacsd.audit.loading import place_of
from pacsd.audit.message import decoded
from pacsd.faults import Fault
from pacsd.index.audit_events import EventRow, Wanted

_RARE = ("p ", "e ")                     # keys of what few events are about: those lead
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Asked:
    """What a search asks for, while it is read."""

    server: Server
    request: Request
    desk: AuditDesk
    since: datetime | None = None
    until: datetime | None = None
    keys: list[tuple[str, ...]] = field(default_factory=list)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    subtypes: list[tuple[str, ...]] = field(default_factory=list)
    ids: tuple[tuple[str, int], ...] | None = None
    count: int = 50
    cursor: str = ""
    applied: list[tuple[str, str]] = field(default_factory=list)


def desk_of(server: Server) -> AuditDesk:
    """The records. Raises FhirError UNSUPPORTED where there are none."""
    if server.audit is None:
        raise FhirError(Fault.UNSUPPORTED, "nothing is recorded here", code="not-supported")
    return server.audit


def search(server: Server, request: Request) -> Answer:
    """200 with a searchset Bundle of AuditEvents that the auditor may see. Raises FhirError."""
    desk = desk_of(server)
    asked = _Asked(server, request, desk, count=server.limits.page)
    for name, text in request.parameters:
        _read(asked, name, text)
    desk.refresh(asked.until)
    wanted = _wanted(asked)
    rows = desk.events.search(wanted)
    shown, more = rows[: asked.count], len(rows) > asked.count
    entries = [{"fullUrl": f"{request.base}/AuditEvent/{told['id']}", "resource": told, "search": {"mode": "match"}}
               for told in (_shown(desk, row) for row in shown)]  # fmt: skip
    links = [Link("self", _url(request, asked.applied))]
    if more and shown:
        links.append(Link("next", _url(request, [*_lasting(asked), ("_cursor", _following(asked, shown[-1]))])))
    return Answer(200, resource=bundle("searchset", entries, links=links))


def read(server: Server, request: Request) -> Answer:
    """200 with one AuditEvent. Raises FhirError NOT_FOUND, also for what another organisation's auditors see."""
    desk, place = desk_of(server), place_of(request.id)
    if place is None:
        raise _absent()
    wanted = Wanted(keys=(desk.seen_by(request.asker.scope),), ids=(place,), limit=1)
    rows = desk.events.search(wanted)
    if not rows:
        desk.refresh(None)
        rows = desk.events.search(wanted)
    if not rows:
        raise _absent()
    return Answer(200, resource=_shown(desk, rows[0]), headers={"ETag": 'W/"1"'})


def _absent() -> FhirError:
    return FhirError(Fault.NOT_FOUND, "there is no such resource")


def _shown(desk: AuditDesk, row: EventRow) -> dict[str, object]:
    return audit_event(desk, row, decoded(record_json.read(row.body)))


def _read(asked: _Asked, name: str, text: str) -> None:
    reader = _PARAMETERS.get(name)
    if reader is None:
        raise FhirError(Fault.UNSUPPORTED, f"audit events are not searched by {name[:64]!r} here", code="not-supported")
    if not text:
        return
    reader(asked, text)
    if name != "_cursor":
        asked.applied.append((name, text))


def _wanted(asked: _Asked) -> Wanted:
    visible = asked.desk.seen_by(asked.request.asker.scope)
    after = None
    if asked.cursor:
        secret = asked.server.searches.secret(asked.server.pool)
        (at,), pk = cursor.read(asked.cursor, secret=secret, search=_search_of(asked))
        after = datetime.fromisoformat(str(at)), pk
    keys = sorted(asked.keys, key=lambda one: (not "".join(one[:1]).startswith(_RARE), len(one)))
    return Wanted(
        asked.since, asked.until, (*keys, visible), asked.lists.get("type", ()), asked.lists.get("action", ()),
        tuple(int(one) for one in asked.lists.get("outcome", ())), tuple(asked.subtypes), asked.ids, after,
        asked.count + 1,
    )  # fmt: skip


def _search_of(asked: _Asked) -> str:
    return json.dumps(["AuditEvent", _lasting(asked)])


def _lasting(asked: _Asked) -> list[tuple[str, str]]:
    return [one for one in asked.applied if one[0] != "_cursor"]


def _following(asked: _Asked, row: EventRow) -> str:
    secret = asked.server.searches.secret(asked.server.pool)
    return cursor.written([row.recorded.isoformat()], row.pk, secret=secret, search=_search_of(asked))


def _url(request: Request, pairs: Sequence[tuple[str, str]]) -> str:
    return f"{request.base}/AuditEvent" + (f"?{urlencode(pairs)}" if pairs else "")


def _date(asked: _Asked, text: str) -> None:
    """A bound, or a day: eq, ge, gt, le, lt (http://hl7.org/fhir/R4/search.html#prefix)."""
    prefix = text[:2] if text[:2].isalpha() else "eq"
    moment = instants(text[2:] if text[:2].isalpha() else text, asked.server.zone)
    if moment is None or prefix not in ("eq", "ge", "gt", "le", "lt", "sa", "eb"):
        raise FhirError(Fault.MALFORMED, "date is a date with one of eq, ge, gt, le, lt, sa, eb", code="value")
    try:
        low, high = (_EPOCH + timedelta(microseconds=one) for one in (moment.low, moment.high))
    except OverflowError as error:
        raise FhirError(Fault.MALFORMED, "date is out of range", code="value") from error
    since = {"eq": low, "ge": low, "gt": high, "sa": high}.get(prefix)
    until = {"eq": high, "le": high, "lt": low, "eb": low}.get(prefix)
    if since is not None:
        asked.since = max(since, asked.since or since)
    if until is not None:
        asked.until = min(until, asked.until or until)


def _keyed(key: Callable[[str], str]) -> "Reader":
    def read(asked: _Asked, text: str) -> None:
        asked.keys.append(tuple(key(_value(one)) for one in text.split(",") if one))

    return read


def _value(token: str) -> str:
    """The value of a token; a UID as it is kept."""
    return token.rpartition("|")[2].removeprefix("urn:oid:")


def _patient(asked: _Asked, text: str) -> None:
    """A patient's resource: it, and every identifier of it by which accesses were recorded."""
    found: list[str] = []
    for one in text.split(","):
        name = one.removeprefix(asked.request.base + "/").removeprefix("Patient/")
        found.append(of_entity(f"Patient/{name}"))
        stored = resources.read(asked.server.pool, asked.request.asker.scope, Name("Patient", name))
        if stored is not None and not stored.deleted:
            for told in orjson.loads(stored.body).get("identifier", ()):
                authority = asked.desk.systems.authority(told.get("system", ""))
                if authority is not None:
                    found.append(of_patient(authority, told.get("value", "")))
    asked.keys.append(tuple(found))


def _patient_identifier(asked: _Asked, text: str) -> None:
    found = []
    for one in text.split(","):
        system, _, value = one.rpartition("|")
        authority = asked.desk.systems.authority(system)
        if authority is None:
            raise FhirError(Fault.MALFORMED, "a patient's identifier has the system of its assigning authority",
                            code="value")  # fmt: skip
        found.append(of_patient(authority, value))
    asked.keys.append(tuple(found))


def _entity(asked: _Asked, text: str) -> None:
    asked.keys.append(tuple(of_entity(one.removeprefix(asked.request.base + "/")) for one in text.split(",")))


def _listed(name: str) -> "Reader":
    def read(asked: _Asked, text: str) -> None:
        values = tuple(one.rpartition("|")[2] for one in text.split(","))
        if name == "outcome" and not all(one.isascii() and one.isdigit() and len(one) < 3 for one in values):
            raise FhirError(Fault.MALFORMED, "outcome is 0, 4, 8 or 12", code="value")
        before = asked.lists.get(name)
        asked.lists[name] = values if before is None else tuple(set(before) & set(values)) or ("99",)

    return read


def _subtype(asked: _Asked, text: str) -> None:
    asked.subtypes.append(tuple(one.rpartition("|")[2] for one in text.split(",")))


def _id(asked: _Asked, text: str) -> None:
    asked.ids = tuple(place for one in text.split(",") if (place := place_of(one)) is not None)


def _count(asked: _Asked, text: str) -> None:
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not int(text):
        raise FhirError(Fault.MALFORMED, "_count is a number from 1 on", code="value")
    asked.count = min(int(text), asked.server.limits.max_page)


def _cursor(asked: _Asked, text: str) -> None:
    asked.cursor = text


def _sort(_asked: _Asked, text: str) -> None:
    if text != "-date":
        raise FhirError(Fault.UNSUPPORTED, "audit events come the newest first: _sort=-date", code="not-supported")


Reader = Callable[[_Asked, str], None]

_PARAMETERS: Mapping[str, Reader] = {
    "date": _date, "patient": _patient, "patient.identifier": _patient_identifier,
    "patient:identifier": _patient_identifier, "entity": _entity, "entity.identifier": _keyed(of_entity),
    "entity:identifier": _keyed(of_entity), "agent": _keyed(of_agent), "agent.identifier": _keyed(of_agent),
    "agent:identifier": _keyed(of_agent), "altid": _keyed(of_agent), "agent-name": _keyed(of_name),
    "address": _keyed(of_address), "type": _listed("type"), "action": _listed("action"),
    "outcome": _listed("outcome"), "subtype": _subtype, "_id": _id, "_count": _count, "_cursor": _cursor,
    "_sort": _sort,
}  # fmt: skip
SEARCHED = tuple(name for name in _PARAMETERS if name not in ("_count", "_cursor", "_sort"))
