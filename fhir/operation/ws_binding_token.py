"""Subscription/$get-ws-binding-token (Subscriptions R5 Backport, "Websockets")."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from fhir.format.instants import instant
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.parameters import In, given, parameters
from fhir.outcome import FhirError
from fhir.store import events
from fhir.store.events import Binding
from fhir.subscription.asked import stored, subject
from pacsd.faults import Fault

PARAMETERS = (In("id", "id", None),)
SOCKET = "ws"                            # [base]/ws
_VALID = timedelta(minutes=10)
_MOST = 100                              # subscriptions of one token


def digest(token: str) -> bytes:
    """As which a token is kept."""
    return hashlib.sha256(token.encode()).digest()


def ws_binding_token(server: Server, request: Request) -> Answer:
    """200 with a token by which a WebSocket is bound to these subscriptions, ten minutes long.

    Raises FhirError NOT_FOUND, UNSUPPORTED for one whose channel is no WebSocket.
    """
    told = given(request, PARAMETERS)
    ids = [request.id] if request.id else [str(one) for one in told.all("id")]
    if not 1 <= len(ids) <= _MOST:
        raise FhirError(Fault.MALFORMED, f"a token is for 1 to {_MOST} subscriptions that `id` names", code="required")
    for one in ids:
        wanted = subject(server, request.asker.scope, stored(server, request.asker.scope, one)).terms
        if wanted is None or wanted.channel is not None:
            raise FhirError(Fault.UNSUPPORTED, "the channel of this Subscription is no websocket")
    token, expires = secrets.token_urlsafe(32), datetime.now(UTC) + _VALID
    events.bind(server.pool, digest(token), Binding(ids, request.asker.organisation), expires)
    url = f"{request.base.replace('http', 'ws', 1)}/{SOCKET}"
    return Answer(200, resource=parameters([
        {"name": "token", "valueString": token}, {"name": "expiration", "valueDateTime": instant(expires)},
        *({"name": "subscription", "valueString": one} for one in ids), {"name": "websocket-url", "valueUrl": url},
    ]))  # fmt: skip
