"""What a Subscription asks for: by R4 (http://hl7.org/fhir/R4/subscription.html), or by a topic of the R5 backport."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from fhir.interaction.services import Server
from fhir.subscription import channel as channels
from fhir.subscription import client_topics
from fhir.subscription.channel import Channel
from fhir.subscription.criteria import Criteria, criteria
from fhir.subscription.topics import BY_URL, Topic
from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
EMPTY, ID_ONLY, FULL = CONTENTS = ("empty", "id-only", "full-resource")
MOST_EVENTS = 100                        # of one notification
WEBSOCKET = "websocket"
_JSON = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Terms:
    """All of it. `channel` is None for a WebSocket, `topic` None for criteria of R4."""

    criteria: Criteria
    channel: Channel | None = None
    topic: Topic | None = None
    content: str = EMPTY
    heartbeat_s: int = 0                 # 0: none
    most: int = MOST_EVENTS

    @property
    def numbers(self) -> bool:
        """Whether its events are numbered and kept."""
        return self.topic is not None or self.channel is None

    @property
    def deletions(self) -> bool:
        """Whether deletions are told."""
        return self.topic is not None and self.topic.deletions


def terms(server: Server, scope: Scope, resource: Mapping[str, Any]) -> Terms:
    """What a Subscription asks for. `scope`: where topics are looked for, those of `own` first.

    Raises PacsdError UNSUPPORTED, MALFORMED, CONFLICT for what this server does not do.
    """
    text, told = str(resource.get("criteria", "")), resource.get("channel")
    told = told if isinstance(told, dict) else {}
    topic = BY_URL.get(text) or (client_topics.find(server, scope, text) if _is_url(text) else None)
    channel = None if told.get("type") == WEBSOCKET else channels.of(resource)
    if topic is None:
        return Terms(criteria(server, text), channel)
    if said(told.get("_type"), "backport-channel-type", "valueCoding") is not None:
        raise PacsdError(Fault.UNSUPPORTED, "the channel is rest-hook or websocket, without a type beside that")
    content = said(told.get("_payload"), "backport-payload-content", "valueCode")
    if content not in CONTENTS:
        raise PacsdError(Fault.MALFORMED, f"backport-payload-content is one of {', '.join(CONTENTS)}")
    heartbeat_s = _number(told, "backport-heartbeat-period", "valueUnsignedInt", 0)
    most = _number(told, "backport-max-count", "valuePositiveInt", MOST_EVENTS)
    if channel is not None and not channel.payload:
        channel = replace(channel, payload=_JSON)
    return Terms(_filtered(server, topic, resource), channel, topic, str(content), heartbeat_s, min(most, MOST_EVENTS))


def said(element: object, name: str, value: str) -> object:
    """The value of an extension of the backport; None where an element has none of that name."""
    return next(iter(_every(element, name, value)), None)


def _every(element: object, name: str, value: str) -> list[object]:
    listed = element.get("extension") if isinstance(element, dict) else None
    return [one.get(value) for one in (listed if isinstance(listed, list) else ())
            if isinstance(one, dict) and one.get("url") == BACKPORT + name]  # fmt: skip


def _is_url(text: str) -> bool:
    """Whether criteria may be the URL of a topic, and not a search."""
    return ":" in text.partition("?")[0]


def _number(element: object, name: str, value: str, usual: int) -> int:
    found = said(element, name, value)
    if found is None:
        return usual
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise PacsdError(Fault.MALFORMED, f"{name} has a {value} of 1 or more")
    return found


def _filtered(server: Server, topic: Topic, resource: Mapping[str, Any]) -> Criteria:
    """The topic's criteria and all filters beside them."""
    found = list(criteria(server, f"{topic.type}?{topic.criteria}").conditions)
    for one in _every(resource.get("_criteria"), "backport-filter-criteria", "valueString"):
        kind, mark, query = str(one).partition("?")
        if (kind if mark else topic.type) != topic.type:
            raise PacsdError(Fault.UNSUPPORTED, f"filters of this topic are searches of {topic.type}")
        if topic.filters is not None and not _filtered_by(query if mark else kind) <= topic.filters:
            raise PacsdError(Fault.UNSUPPORTED, f"the topic is filtered by {', '.join(sorted(topic.filters))}")
        found += criteria(server, f"{topic.type}?{query if mark else kind}").conditions
    return Criteria(topic.type, tuple(found))


def _filtered_by(query: str) -> set[str]:
    """The parameters of a search, without modifiers."""
    return {name.partition(":")[0] for name, _ in parse_qsl(query, keep_blank_values=True)}
