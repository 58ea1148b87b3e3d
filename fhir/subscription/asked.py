"""A Subscription as somebody asks for it: what it says of itself, and how far it is."""

from dataclasses import replace

from fhir.format import json
from fhir.interaction.services import Server
from fhir.outcome import FhirError
from fhir.store import events, resources
from fhir.store.stored import Name, Stored
from fhir.subscription.notification import Subject
from fhir.subscription.terms import terms
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError


def stored(server: Server, scope: Scope, logical_id: str) -> Stored:
    """Its newest version. Raises FhirError NOT_FOUND, GONE."""
    found = resources.read(server.pool, scope, Name("Subscription", logical_id))
    if found is None:
        raise FhirError(Fault.NOT_FOUND, "there is no such Subscription")
    if found.deleted:
        raise FhirError(Fault.GONE, "the Subscription was deleted")
    return found


def subject(server: Server, scope: Scope, found: Stored) -> Subject:
    """What it tells of itself. Raises PacsdError UNAVAILABLE."""
    resource = json.read(found.body)
    standing = events.standing(server.pool, scope, found.pk)
    try:
        wanted = terms(server, replace(scope, own=found.organisation), resource)     # by its topics, whoever asks
    except PacsdError as error:
        if error.fault is Fault.UNAVAILABLE:
            raise
        wanted = None
    status, count = str(resource.get("status", "")), standing.events if standing is not None else 0
    return Subject(found.id, status, wanted, count, str(resource.get("error") or ""))
