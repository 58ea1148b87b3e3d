"""Topics that clients keep here: a SubscriptionTopic of R5, in R4 a Basic with its elements as extensions
(Subscriptions R5 Backport 1.2, "Subscription Topics").

One trigger on one resource type is worked on, with a search that the new version fulfils. What asks for more (what the
version before was, FHIRPath, events, further resources) is refused, for a subscriber would be told something else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fhir.definitions.structures import structures
from fhir.interaction.services import Server
from fhir.search.query import Query
from fhir.subscription.criteria import criteria
from fhir.subscription.topics import Topic
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError

_KEPT = "Basic?code=http://hl7.org/fhir/fhir-types|SubscriptionTopic"
_MOST = 500                              # topics of those whom an asker sees
_PREFIXES = tuple(f"http://hl7.org/fhir/{release}/StructureDefinition/extension-SubscriptionTopic."
                  for release in ("5.0", "4.3"))  # fmt: skip
_RESOURCE = "http://hl7.org/fhir/StructureDefinition/"
_ALL = frozenset(("create", "update", "delete"))
_KNOWN = frozenset(("resource", "supportedInteraction", "queryCriteria", "description"))
Element = Mapping[str, Any]


def find(server: Server, scope: Scope, url: str) -> Topic | None:
    """The topic of a URL, without or with |version: the organisation's own, else one that it sees; None where there is
    none. So nobody else says what a URL of one's own means, or that it means several.

    Raises PacsdError CONFLICT where several have it, UNSUPPORTED, MALFORMED for one that is not worked on here.
    """
    own = replace(scope.closed(), organisations=(scope.own,))
    for seen in (own, scope):
        found = list(_having(server, seen, url))
        if len(found) > 1:
            raise PacsdError(Fault.CONFLICT, "several topics have that URL: name the version, too")
        if found:
            return topic_of(found[0])
    return None


def _having(server: Server, scope: Scope, url: str) -> Iterator[Element]:
    name, _, version = url.partition("|")
    wanted = Query(("Basic",), criteria(server, _KEPT).conditions, count=_MOST)
    kept = (one.resource for one in server.topics.found(server.pool, scope, wanted))
    return (one for one in kept if _one(one, "url") == name and version in ("", _one(one, "version")))


def topic_of(basic: Element) -> Topic:
    """The topic that a Basic is. Raises PacsdError as `find` does."""
    if _one(basic, "status") not in (None, "active"):
        raise PacsdError(Fault.UNSUPPORTED, "the topic is not active")
    triggers = list(_every(basic, "resourceTrigger"))
    if len(triggers) != 1 or any(_every(basic, "eventTrigger")):
        raise PacsdError(Fault.UNSUPPORTED, "a topic has one resourceTrigger here, and no eventTrigger")
    (trigger,) = triggers
    if others := {str(one.get("url")) for one in _extensions(trigger)} - _KNOWN:
        raise PacsdError(Fault.UNSUPPORTED, f"{min(others)[:64]} of a resourceTrigger is not worked on here")
    if any(one.get("url") == "include" for shape in _every(basic, "notificationShape") for one in _extensions(shape)):
        raise PacsdError(Fault.UNSUPPORTED, "notifications have no further resources here")
    kind = str(_part(trigger, "resource") or "").removeprefix(_RESOURCE)
    if kind not in structures().resource_types:
        raise PacsdError(Fault.MALFORMED, "the resource of a resourceTrigger is a type of R4")
    deletions = _deletions(trigger)
    search = _current(trigger, kind, deletions=deletions)
    return Topic(str(_one(basic, "url")), kind, search, deletions, _filters(basic))


def _deletions(trigger: Element) -> bool:
    """Whether deletions are told, too. Raises PacsdError UNSUPPORTED for creations or updates alone."""
    asked = {one.get("valueCode") for one in _extensions(trigger) if one.get("url") == "supportedInteraction"} or _ALL
    if asked not in (_ALL, _ALL - {"delete"}):
        raise PacsdError(Fault.UNSUPPORTED, "a resourceTrigger is of create and update here, and of delete or not")
    return "delete" in asked


def _current(trigger: Element, kind: str, *, deletions: bool) -> str:
    """The search that the new version fulfils."""
    query = next((one for one in _extensions(trigger) if one.get("url") == "queryCriteria"), {})
    told = {str(one.get("url")): next((value for key, value in one.items() if key.startswith("value")), None)
            for one in _extensions(query)}  # fmt: skip
    if "previous" in told:
        raise PacsdError(Fault.UNSUPPORTED, "previous of queryCriteria is not worked on here")
    if deletions and told.get("resultForDelete") == "test-fails":
        raise PacsdError(Fault.UNSUPPORTED, "a deletion that fails its test always: name create and update alone")
    named, mark, search = str(told.get("current") or "").partition("?")
    if mark and named != kind:
        raise PacsdError(Fault.MALFORMED, f"current of queryCriteria is a search of {kind}")
    return search if mark else named


def _filters(basic: Element) -> frozenset[str] | None:
    """What subscribers may filter by; None where the topic does not say."""
    said = list(_every(basic, "canFilterBy"))
    return frozenset(str(_part(one, "filterParameter")) for one in said) if said else None


def _extensions(element: Element) -> Iterator[Element]:
    told = element.get("extension")
    return (one for one in (told if isinstance(told, list) else ()) if isinstance(one, dict))


def _every(basic: Element, name: str) -> Iterator[Element]:
    return (one for one in _extensions(basic) if one.get("url") in [prefix + name for prefix in _PREFIXES])


def _one(basic: Element, name: str) -> Any:
    """The value of an element of the topic; None where it is not told."""
    return next((value for one in _every(basic, name) for key, value in one.items() if key.startswith("value")), None)


def _part(element: Element, name: str) -> Any:
    parts = (one for one in _extensions(element) if one.get("url") == name)
    return next((value for one in parts for key, value in one.items() if key.startswith("value")), None)
