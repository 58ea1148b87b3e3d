"""How interactions are declared: routing, the CapabilityStatement and the statements of what we support read it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhir.interaction.request import Answer, Request
from pacsd.access.operations import Operation as Needs

Handler = Callable[[Any, Request], Answer]           # the first is a fhir.interaction.services.Server


@dataclass(frozen=True, slots=True)
class Interaction:
    """One interaction: method and path under [base], what the CapabilityStatement calls it, and what the asker
    must be allowed.

    Of a path each part is `{type}`, `{id}`, `{version}`, `{compartment}` or a word that stands there.
    """

    method: str
    path: str
    handler: Handler
    code: str
    needs: Needs
    level: str = "type"                  # type, system; empty: not listed of its own
