"""When what a completed step names has come, who is to know: the house at once, and AEs that asked (IHE RAD-49).

Of a completed performed procedure step it is said, once, that all its instances are there, and that its studies are
complete by that; a study without steps is complete when nothing has come for a while (pacsd.index.completion). Either
becomes an Instance Availability Notification for each AE that is configured to get them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

import orjson

from pacsd.index import notifications
from pacsd.index import performed_steps as rows
from pacsd.index.completion import STUDY_COMPLETED
from pacsd.index.connect import Pool, lent
from pacsd.index.notifications import NewNotification
from pacsd.index.outbox import Event
from pacsd.index.performed_steps import STEP_AVAILABLE, PerformedStep
from pacsd.workflow.performed_step_references import performed

AVAILABILITY = "availability"            # the kind of notification
TOPICS = (STEP_AVAILABLE, STUDY_COMPLETED)

Reference = tuple[str, str]
Missing = Callable[[int, Iterable[Reference]], Collection[Reference]]
"""Which of these instances an organisation never received: pacsd.archive.commitment."""


@dataclass(frozen=True, slots=True)
class Notified:
    """An AE that is to know, and as which of our AEs it is told."""

    ae_title: str
    own_title: str


class Availability:
    """Looks for the instances of completed steps, and queues notifications."""

    def __init__(
        self,
        pool: Pool,
        missing: Missing,
        notified: Mapping[int, Sequence[Notified]],
        *,
        give_up_s: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._missing = missing
        self._notified = notified
        self._give_up_s = give_up_s
        self._clock = clock

    def run(self) -> bool:
        """Look at some completed steps whose turn it is; whether any of them has all its instances now."""
        return sum(self._look(step) for step in rows.awaited(self._pool, now=self._clock())) > 0

    def handle(self, event: Event) -> None:
        """Queue what the AEs of the event's organisation are to know; the same event twice queues it once.

        What is so old that telling it would have been given up is passed over: it is from before AEs were configured.
        """
        if self._clock() - event.created_at > timedelta(seconds=self._give_up_s):
            return
        steps = [event.subject] if event.topic == STEP_AVAILABLE else []
        if event.topic == STUDY_COMPLETED and event.body.get("performed_steps"):
            return                           # its steps were told of
        studies = event.body["study_instance_uids"] if steps else [event.subject]
        with lent(self._pool) as connection, connection.transaction():
            for one in self._notified.get(event.organisation, ()):
                for study in studies:
                    new = NewNotification(
                        AVAILABILITY, one.ae_title, one.own_title, _uid(event, one, study), self._clock(),
                        orjson.dumps({"study": study, "steps": steps}).decode(),
                    )  # fmt: skip
                    notifications.add(
                        connection, new, organisation=event.organisation, at=self._clock(), event=event.event
                    )

    def _look(self, step: PerformedStep) -> bool:
        series = performed(step.attributes)
        if self._missing(step.organisation, (one for each in series for one in each.instances)):
            return False
        return rows.tell_available(
            self._pool, step, [one.series_instance_uid for one in series], completed_topic=STUDY_COMPLETED
        )


def _uid(event: Event, notified: Notified, study: str) -> str:
    """The same each time the event is handled."""
    name = f"pacsd {event.event} {event.created_at.isoformat()} {event.subject} {notified.ae_title} {study}"
    return f"2.25.{uuid5(NAMESPACE_OID, name).int}"
