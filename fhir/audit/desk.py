"""What AuditEvents are made of and looked for with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fhir.projection.systems import Systems
from pacsd.access.scope import Scope
from pacsd.audit.keys import EVERYBODY, of_organisation
from pacsd.audit.trail import Recorder
from pacsd.index.audit_events import AuditEvents


@dataclass(frozen=True, slots=True)
class AuditDesk:
    """The records of this server. `codes`: organisations by key; `refresh` has what waits searched, too, by who looks
    for what was until then; `hurry` what was recorded of a time long ago."""

    events: AuditEvents
    recorder: Recorder
    refresh: Callable[[datetime | None], None]
    hurry: Callable[[datetime], None]
    systems: Systems
    codes: Mapping[int, str]
    source: str
    site: str = ""

    def seen_by(self, scope: Scope) -> tuple[str, ...]:
        """The keys of which an event must have one to be seen by an auditor: whose agents or patients it is about."""
        return (*(of_organisation(self.codes[key]) for key in scope.organisations if key in self.codes), EVERYBODY)
