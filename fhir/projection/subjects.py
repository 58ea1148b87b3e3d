"""What events are about: which resources are to be looked at again, by the subjects of the archive they are made of."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pacsd.identity.linking import PERSON_CHANGED
from pacsd.identity.patients import PATIENT_MERGED, PATIENT_UNMERGED, PATIENT_UPDATED
from pacsd.index.completion import STUDY_COMPLETED
from pacsd.index.outbox import Event
from pacsd.index.placement import STUDY_RECEIVED
from pacsd.index.rejections import INSTANCE_PURGED, INSTANCE_REJECTED, INSTANCE_RESTORED
from pacsd.index.sources import Patient, Subject
from pacsd.reports import counting
from pacsd.workflow.orders import ORDER_CHANGED, STEP_STATUS_CHANGED
from pacsd.workflow.workitems import TOPICS as WORKITEM_TOPICS


@dataclass(slots=True)
class Subjects:
    """Subjects of one batch. `moved`: patients whose studies and orders may now be another's."""

    studies: set[Subject] = field(default_factory=set)
    patients: set[Patient] = field(default_factory=set)
    moved: set[Patient] = field(default_factory=set)
    orders: set[Subject] = field(default_factory=set)
    reports: set[Subject] = field(default_factory=set)
    workitems: set[Subject] = field(default_factory=set)


def subjects(events: Iterable[Event]) -> Subjects:
    """All that some events are about, each once."""
    found = Subjects()
    for event in events:
        _ABOUT[event.topic](found, event)
    return found


def _study(found: Subjects, event: Event) -> None:
    found.studies.add((event.organisation, event.subject))


def _patient(found: Subjects, event: Event) -> None:
    found.patients.add((event.body["assigning_authority"], event.body["patient_id"]))


def _merged(found: Subjects, event: Event) -> None:
    authority = event.body["assigning_authority"]
    both = {(authority, event.body["patient_id"]), (authority, event.body["prior"])}
    found.patients |= both
    found.moved |= both


def _order(found: Subjects, event: Event) -> None:
    found.orders.add((event.organisation, event.subject.removeprefix("order ")))


def _report(found: Subjects, event: Event) -> None:
    found.reports.add((event.organisation, event.body["report"]))


def _workitem(found: Subjects, event: Event) -> None:
    found.workitems.add((event.organisation, event.subject))


_ABOUT: Mapping[str, Callable[[Subjects, Event], None]] = {
    **dict.fromkeys((STUDY_RECEIVED, STUDY_COMPLETED, INSTANCE_REJECTED, INSTANCE_RESTORED, INSTANCE_PURGED), _study),
    PATIENT_UPDATED: _patient, PERSON_CHANGED: _patient, PATIENT_MERGED: _merged, PATIENT_UNMERGED: _merged,
    ORDER_CHANGED: _order, STEP_STATUS_CHANGED: _order,
    **dict.fromkeys(counting.TOPICS, _report),
    **dict.fromkeys(WORKITEM_TOPICS.values(), _workitem),
}  # fmt: skip
TOPICS = tuple(_ABOUT)
