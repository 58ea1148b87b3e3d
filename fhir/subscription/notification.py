"""Notifications of the R5 backport in R4: a history Bundle, its first entry the status as Parameters."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir.format.instants import instant
from fhir.interaction.bundle import bundle, past
from fhir.store import history
from fhir.store.events import Event
from fhir.store.stored import Stored
from fhir.subscription.terms import BACKPORT, EMPTY, FULL, Terms
from pacsd.access.scope import Scope
from pacsd.index.connect import Pool

HANDSHAKE, HEARTBEAT, EVENTS = "handshake", "heartbeat", "event-notification"
QUERY_STATUS, QUERY_EVENTS = "query-status", "query-event"
Shown = tuple[Event, Stored | None]      # None: what its subscriber may not see any more


@dataclass(frozen=True, slots=True)
class Subject:
    """The subscription that tells. `events`: how many it has had."""

    id: str
    status: str
    terms: Terms | None                  # None: it cannot be worked on
    events: int
    error: str = ""


def status(one: Subject, kind: str, shown: Sequence[Shown] = ()) -> dict[str, Any]:
    """The status of a subscription (profile backport-subscription-status-r4)."""
    content = one.terms.content if one.terms is not None else EMPTY
    rows: list[Mapping[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": f"Subscription/{one.id}"}}
    ]
    if one.terms is not None and one.terms.topic is not None and content != EMPTY:
        rows.append({"name": "topic", "valueCanonical": one.terms.topic.url})
    rows += [
        {"name": "status", "valueCode": one.status}, {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(one.events)},
    ]  # fmt: skip
    rows += [{"name": "notification-event", "part": list(_event(event, stored, content))} for event, stored in shown]
    if one.error:
        rows.append({"name": "error", "valueCodeableConcept": {"text": one.error}})
    profile = [BACKPORT + "backport-subscription-status-r4"]
    return {"resourceType": "Parameters", "id": str(uuid.uuid4()), "meta": {"profile": profile}, "parameter": rows}


def notification(base: str, one: Subject, kind: str, at: datetime, shown: Sequence[Shown] = ()) -> dict[str, Any]:
    """A notification Bundle (profile backport-subscription-notification-r4)."""
    told = status(one, kind, shown)
    first = {
        "fullUrl": f"urn:uuid:{told['id']}", "resource": told,
        "request": {"method": "GET", "url": f"{base}/Subscription/{one.id}/$status"}, "response": {"status": "200"},
    }  # fmt: skip
    content = one.terms.content if one.terms is not None else EMPTY
    entries = [_entry(base, stored, content) for _, stored in shown if stored is not None and content != EMPTY]
    made = bundle("history", [first, *entries])
    head = {"resourceType": "Bundle", "id": str(uuid.uuid4()),
            "meta": {"profile": [BACKPORT + "backport-subscription-notification-r4"]}}  # fmt: skip
    return {**head, "type": made["type"], "timestamp": instant(at), "entry": made["entry"]}


def shown(pool: Pool, scope: Scope, events: Sequence[Event], content: str) -> list[Shown]:
    """Events with the versions that they are about, as far as who hears of them may see their resources today."""
    if content == EMPTY:
        return [(one, None) for one in events]
    return [(one, history.version(pool, scope, one.name, one.version)) for one in events]


def _event(event: Event, stored: Stored | None, content: str) -> Iterator[Mapping[str, Any]]:
    yield {"name": "event-number", "valueString": str(event.number)}
    yield {"name": "timestamp", "valueInstant": instant(event.at)}
    if stored is not None and content != EMPTY:
        yield {"name": "focus", "valueReference": {"reference": str(event.name)}}


def _entry(base: str, stored: Stored, content: str) -> dict[str, Any]:
    entry = past(base, stored)
    if content != FULL:
        entry.pop("resource", None)
    return entry
