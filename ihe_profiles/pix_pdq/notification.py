"""PIX Update Notification (ITI-10): ADT^A31 to those who want to hear which identifiers are of one person."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from config.hl7_mapping import MessageMapping
from config.settings import Settings
from hl7.control_ids import ControlIds
from hl7.delimiters import STANDARD
from hl7.escapes import escape
from hl7.ports import Sender
from ihe_profiles.pix_pdq.domains import identifiers, written
from pacsd.access.scope import Scope
from pacsd.events.outbox import Consumer
from pacsd.identity.linking import PERSON_CHANGED
from pacsd.index import identity_search as search
from pacsd.index.connect import Pool
from pacsd.index.outbox import Event
from pacsd.messages.outbox import Outbox

NAME = "pix update notification"
MESSAGE_TYPE = "ADT^A31"


class Notification:
    """Queues a message for each destination in whose domains a person has identifiers, and that changed.

    A destination hears of the domains that its settings name, whoever owns them: that is the administrator's grant.
    """

    def __init__(
        self, settings: Settings, pool: Pool, outbox: Outbox, everybody: Callable[[], Scope],
        *, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._wanted = {one.name: one.notifies for one in settings.hl7_destinations if one.notifies}
        domains = {one.authority: one.universal_id for one in settings.identity_domains}
        self._us = Sender(settings.ae_title, "", "", MessageMapping(), None, domains)
        self._pool = pool
        self._outbox = outbox
        self._everybody = everybody
        self._clock = clock
        self._control_ids = ControlIds()
        self._consumer = Consumer(pool, NAME, self.tell, topics=(PERSON_CHANGED,))

    def chores(self) -> tuple[tuple[str, float, Callable[[], bool]], ...]:
        """What a worker does for it."""
        return ((NAME, 1.0, lambda: self._consumer.run() > 0),) if self._wanted else ()

    def tell(self, event: Event) -> None:
        """Let each destination know of the person of a patient, by the first of its identifiers there alone."""
        key = event.body["assigning_authority"], event.body["patient_id"]
        one = search.record(self._pool, self._everybody(), key)
        if one is None:
            return
        person = search.persons(self._pool, self._everybody(), [one.patient])[one.patient]
        for destination, domains in self._wanted.items():
            listed = identifiers(person, self._us, domains)
            if listed and listed[0] == key:
                control_id = self._control_ids()
                self._outbox.put(
                    destination, event.organisation, control_id=control_id, message_type=MESSAGE_TYPE,
                    body=self._message(destination, listed, control_id),
                )  # fmt: skip

    def _message(self, destination: str, listed: Sequence[tuple[str, str]], control_id: str) -> bytes:
        """ITI TF-2 3.10.4.1.2: identifiers, a name that is a space, a visit that is none."""
        at = f"{self._clock():%Y%m%d%H%M%S%z}"
        ids = "~".join(written(one, self._us.domains, STANDARD) for one in listed)
        lines = (
            f"MSH|^~\\&|{escape(self._us.name, STANDARD)}||{escape(destination, STANDARD)}||{at}||ADT^A31^ADT_A05|"
            f"{control_id}|P|2.5||||||UNICODE UTF-8",
            f"EVN||{at}",
            f"PID|||{ids}|| ",
            "PV1||N",
        )
        return "".join(f"{line}\r" for line in lines).encode()
