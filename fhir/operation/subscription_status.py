"""Subscription/$status (Subscriptions R5 Backport, OperationDefinition backport-subscription-status)."""

from collections.abc import Iterator, Sequence

from fhir.interaction.bundle import bundle
from fhir.interaction.request import Answer, Request
from fhir.interaction.services import Server
from fhir.operation.parameters import In, given
from fhir.store import subscriptions as rows
from fhir.store.stored import Stored
from fhir.subscription.asked import stored, subject
from fhir.subscription.notification import QUERY_STATUS, status

PARAMETERS = (In("id", "id", None), In("status", "code", None))
_MOST = 1_000                            # subscriptions of one answer


def subscription_status(server: Server, request: Request) -> Answer:
    """200 with a searchset of statuses as Parameters: of one, of those named by `id`, or of all that the asker sees."""
    told = given(request, PARAMETERS)
    wanted = () if request.id else told.all("status")
    scope = request.asker.scope
    found = [subject(server, scope, one) for one in _asked(server, request, told.all("id"))]
    entries = [
        {"fullUrl": f"urn:uuid:{one['id']}", "resource": one, "search": {"mode": "match"}}
        for one in (status(each, QUERY_STATUS) for each in found if not wanted or each.status in wanted)
    ]
    return Answer(200, resource=bundle("searchset", entries, total=len(entries)))


def _asked(server: Server, request: Request, ids: Sequence[str]) -> Iterator[Stored]:
    scope = request.asker.scope
    if request.id:
        yield stored(server, scope, request.id)
        return
    yield from rows.seen(server.pool, scope, ids, limit=_MOST)
