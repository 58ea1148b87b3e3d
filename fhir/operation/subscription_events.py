"""Subscription/$events (Subscriptions R5 Backport, OperationDefinition backport-subscription-events)."""

from dataclasses import replace
from datetime import UTC, datetime

from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.parameters import Given, In, given
from fhir.outcome import FhirError
from fhir.store import events
from fhir.subscription.asked import stored, subject
from fhir.subscription.notification import QUERY_EVENTS, notification, shown
from fhir.subscription.terms import CONTENTS, MOST_EVENTS
from pacsd.faults import Fault

PARAMETERS = (In("eventsSinceNumber", "string"), In("eventsUntilNumber", "string"), In("content", "code"))
_LARGEST = (1 << 63) - 1


def subscription_events(server: Server, request: Request) -> Answer:
    """200 with a notification of events that are kept, the first hundred of those that are asked for.

    Raises FhirError UNSUPPORTED for a Subscription whose events are not numbered.
    """
    told, scope = given(request, PARAMETERS), request.asker.scope
    found = stored(server, scope, request.id)
    one = subject(server, scope, found)
    if one.terms is None or not one.terms.numbers:
        raise FhirError(Fault.UNSUPPORTED, "events are numbered for topics of this server and for WebSockets")
    content = told.text("content") or one.terms.content
    if content not in CONTENTS:
        raise FhirError(Fault.MALFORMED, f"content is one of {', '.join(CONTENTS)}", code="value")
    kept = events.kept(server.pool, scope, found.pk, since=_number(told, "eventsSinceNumber", 1),
                       until=_number(told, "eventsUntilNumber", _LARGEST), limit=MOST_EVENTS)  # fmt: skip
    asked = replace(one, terms=replace(one.terms, content=content))
    visible = shown(server.pool, scope, kept, content)
    return Answer(200, resource=notification(request.base, asked, QUERY_EVENTS, datetime.now(UTC), visible))


def _number(told: Given, name: str, usual: int) -> int:
    text = told.text(name)
    if not text:
        return usual
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_LARGEST)) or int(text) > _LARGEST:
        raise FhirError(Fault.MALFORMED, f"{name} is the number of an event", code="value")
    return int(text)
