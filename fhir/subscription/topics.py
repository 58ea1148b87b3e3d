"""The topics of this server (Subscriptions R5 Backport, "Subscription Topics"): what may be subscribed to, declared."""

from collections.abc import Mapping
from dataclasses import dataclass

_OURS = "urn:pacsd:fhir:SubscriptionTopic:"


@dataclass(frozen=True, slots=True)
class Topic:
    """Changes of one resource type. `criteria`: the search that the new version fulfils; `deletions` are told too."""

    url: str
    type: str
    criteria: str = ""
    deletions: bool = True
    filters: frozenset[str] | None = None        # what it may be filtered by; None: by all that the type has


TOPICS: tuple[Topic, ...] = (
    *(Topic(_OURS + name, kind) for name, kind in (
        ("patient", "Patient"), ("encounter", "Encounter"), ("order", "ServiceRequest"),
        ("appointment", "Appointment"), ("task", "Task"), ("study", "ImagingStudy"), ("report", "DiagnosticReport"),
        ("observation", "Observation"), ("document", "DocumentReference"), ("organization", "Organization"),
        ("endpoint", "Endpoint"), ("device", "Device"),
    )),
    Topic(_OURS + "study-available", "ImagingStudy", "status=available", deletions=False),
    Topic(_OURS + "report-final", "DiagnosticReport", "status=final,amended,corrected,appended", deletions=False),
)  # fmt: skip
BY_URL: Mapping[str, Topic] = {one.url: one for one in TOPICS}
