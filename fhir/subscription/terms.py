"""What a Subscription asks for: by R4 (http://hl7.org/fhir/R4/subscription.html), or by a topic of the R5 backport."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from fhir.definitions.structures import structures
from fhir.interaction.services import Server
from fhir.search.conditions import Reader
from fhir.search.query import Condition
from fhir.search.request import read
from fhir.subscription import channel as channels
from fhir.subscription.channel import Channel
from fhir.subscription.topics import BY_URL, Topic
from pacsd.faults import Fault, PacsdError

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
EMPTY, ID_ONLY, FULL = CONTENTS = ("empty", "id-only", "full-resource")
MOST_EVENTS = 100                        # of one notification
WEBSOCKET = "websocket"
_JSON = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a subscriber wants to be told of."""

    type: str
    conditions: tuple[Condition, ...]


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


def terms(server: Server, resource: Mapping[str, Any]) -> Terms:
    """What a Subscription asks for. Raises PacsdError UNSUPPORTED, MALFORMED for what this server does not do."""
    text, told = str(resource.get("criteria", "")), resource.get("channel")
    told = told if isinstance(told, dict) else {}
    topic = BY_URL.get(text)
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


def criteria(server: Server, text: str) -> Criteria:
    """Read `Observation?code=…`. Raises PacsdError where it is no search that this server does."""
    kind, _, query = text.partition("?")
    if kind not in structures().resource_types or kind == "Subscription":
        raise PacsdError(Fault.UNSUPPORTED, "criteria begin with a resource type, or are a topic of this server")
    reader = Reader("", server.zone, datetime.now(UTC))
    found = read(reader, [kind], parse_qsl(query, keep_blank_values=True), strict=True).query
    if found.includes or found.sort:
        raise PacsdError(Fault.UNSUPPORTED, "criteria neither include nor sort")
    return Criteria(kind, found.conditions)


def said(element: object, name: str, value: str) -> object:
    """The value of an extension of the backport; None where an element has none of that name."""
    return next(iter(_every(element, name, value)), None)


def _every(element: object, name: str, value: str) -> list[object]:
    listed = element.get("extension") if isinstance(element, dict) else None
    return [one.get(value) for one in (listed if isinstance(listed, list) else ())
            if isinstance(one, dict) and one.get("url") == BACKPORT + name]  # fmt: skip


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
        found += criteria(server, f"{topic.type}?{query if mark else kind}").conditions
    return Criteria(topic.type, tuple(found))
