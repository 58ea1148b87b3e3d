"""What AuditEvents are made of and looked for with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fhir.projection.systems import Systems
from pacsd.access.scope import Scope
from pacsd.audit.keys import EVERYBODY, of_organisation
from pacsd.audit.trail import Recorder
from pacsd.index.audit_events import AuditEvents

_MOST_PIECES = 50                        # of what waits to be read before a search


@dataclass(frozen=True, slots=True)
class AuditDesk:
    """The records of this server. `codes`: organisations by key; `load` reads a piece of what waits to be searched."""

    events: AuditEvents
    recorder: Recorder
    load: Callable[[], bool]
    systems: Systems
    codes: Mapping[int, str]
    source: str
    site: str = ""

    def refresh(self) -> None:
        """Have what was recorded until now searched, too."""
        for _ in range(_MOST_PIECES):
            if not self.load():
                return

    def seen_by(self, scope: Scope) -> tuple[str, ...]:
        """The keys of which an event must have one to be seen by an auditor: whose agents or patients it is about."""
        return (*(of_organisation(self.codes[key]) for key in scope.organisations if key in self.codes), EVERYBODY)
