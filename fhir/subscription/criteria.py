"""Criteria of a Subscription (http://hl7.org/fhir/R4/subscription-definitions.html): a search that decides."""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from fhir.definitions.structures import structures
from fhir.interaction.services import Server
from fhir.search.conditions import Reader
from fhir.search.query import Condition
from fhir.search.request import read
from pacsd.faults import Fault, PacsdError


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a subscriber wants to be told of."""

    type: str
    conditions: tuple[Condition, ...]


def criteria(server: Server, text: str) -> Criteria:
    """Read `Observation?code=…`. Raises PacsdError where it is no search that this server does."""
    kind, _, query = text.partition("?")
    if kind not in structures().resource_types or kind == "Subscription":
        raise PacsdError(Fault.UNSUPPORTED, "criteria begin with a resource type, or are a topic that is known here")
    reader = Reader("", server.zone, datetime.now(UTC))
    found = read(reader, [kind], parse_qsl(query, keep_blank_values=True), strict=True).query
    if found.includes or found.sort:
        raise PacsdError(Fault.UNSUPPORTED, "criteria neither include nor sort")
    return Criteria(kind, found.conditions)
