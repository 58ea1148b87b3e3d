"""The exchange of HL7 messages put together over one index, as every process opens it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from config.settings import Settings
from hl7.conditions import Hl7Error
from hl7.control_ids import ControlIds
from hl7.header import header_in
from hl7.message import Message, parse, with_carriage_returns
from hl7.ports import Caller, Handled
from hl7.ports import Inbox as Hl7Inbox
from hl7.reception import Reception
from hl7.validation import validate
from ihe_profiles.exchange.inbox import LoggingInbox, RecordingInbox, Relay, TryingInbox
from ihe_profiles.exchange.senders import KnownSenders
from ihe_profiles.pir.patient_identity import PatientIdentity
from ihe_profiles.pix_pdq.domains import Domains
from ihe_profiles.pix_pdq.notification import Notification
from ihe_profiles.pix_pdq.pdq_query import PdqQuery
from ihe_profiles.pix_pdq.pix_query import PixQuery
from ihe_profiles.rd.distribution import Distribution
from ihe_profiles.rd.documents import Documents
from ihe_profiles.rd.reception import Taking
from ihe_profiles.rd.results import Results
from ihe_profiles.swf.appointment import Appointments
from ihe_profiles.swf.order_placement import OrderPlacement
from ihe_profiles.swf.order_status import Destination, Item, StatusReports
from pacsd.access.directory import Directory
from pacsd.access.scope import Scope
from pacsd.archive.journal import Journal
from pacsd.blobs.port import BlobStore
from pacsd.events.outbox import Consumer
from pacsd.faults import Fault, PacsdError
from pacsd.identity.patients import Patients
from pacsd.identity.person import Persons
from pacsd.identity.services import Identity
from pacsd.index.connect import Pool
from pacsd.index.outgoing import Queued
from pacsd.messages.inbox import Inbox, Logged
from pacsd.messages.outbox import Outbox
from pacsd.reports.contents import Contents
from pacsd.reports.reports import Reports
from pacsd.workflow.modality_worklist import ModalityWorklist
from pacsd.workflow.orders import STEP_STATUS_CHANGED, Orders

_LOOK_S = 1.0                            # between two looks for what happened


@dataclass(frozen=True, slots=True)
class Tried:
    """What came, or would come, of a message. `error` where it was refused."""

    answers: Sequence[bytes]
    effects: Sequence[str]
    error: Hl7Error | None


class Exchange:
    """Everything the HL7 role and the commands ask of messages."""

    def __init__(
        self, settings: Settings, pool: Pool, journal: Journal, directory: Directory, blobs: BlobStore
    ) -> None:
        self.outbox = Outbox(pool, [one.name for one in settings.hl7_destinations])
        self._settings = settings
        self._directory = directory
        self._pool = pool
        self._worklist = ModalityWorklist(pool)
        self._inbox = Inbox(pool, journal.append_all)
        self._keys, codes = directory.keys, directory.codes
        self._identity = Identity(settings.identity, pool, journal, directory)
        domains, linker = Domains(settings, pool, directory), self._identity.linker
        pdq = PdqQuery(pool, domains, linker, directory.scope, max_results=settings.identity.max_results)
        self._answered = (PixQuery(pool, domains, linker, directory.scope).answered(), pdq.answered())
        self._notification = Notification(settings, pool, self.outbox, directory.everybody)
        contents = Contents(blobs)
        reports = Reports(pool, contents, codes)
        self._handled = (*handled(Orders(codes), Taking(reports, contents)), pdq.handled())
        self._distributions = self._distributing(pool, reports, contents)
        self._telling = self._status_consumer()
        self._senders = KnownSenders(settings)
        self._control_ids = ControlIds()

    def reception(self, around: Callable[[Hl7Inbox], Hl7Inbox] = lambda inbox: inbox) -> Reception:
        """What takes messages as they come; `around` is what stands around the log."""
        return self._reception(around(LoggingInbox(self._inbox, self._keys, self._default, relay=self._relay())))

    def list(self, organisation: str, *, state: str | None, limit: int) -> Sequence[Logged]:
        """The newest messages that came for an organisation and those it may see."""
        return self._inbox.list(self._directory.scope(organisation), state=state, limit=limit)

    def message(self, organisation: str, number: int) -> Logged:
        """One of them. Raises PacsdError NOT_FOUND."""
        return self._inbox.message(self._directory.scope(organisation), number)

    def list_outgoing(self, organisation: str, *, state: str | None, limit: int) -> Sequence[Queued]:
        """The newest messages of all queues."""
        return self.outbox.list(self._directory.scope(organisation), state=state, limit=limit)

    def outgoing(self, organisation: str, number: int) -> Queued:
        """One of them. Raises PacsdError NOT_FOUND."""
        return self.outbox.message(self._directory.scope(organisation), number)

    def replay(self, organisation: str, number: int) -> Tried:
        """Receive a message of the log again: one that was refused is tried anew, any other keeps its answer."""
        found = self.message(organisation, number)
        return self._received(found.body, found.address)

    def replay_outgoing(self, organisation: str, number: int) -> int:
        """Queue a settled message once more; its new number. Raises PacsdError NOT_FOUND, CONFLICT."""
        return self.outbox.again(self._directory.scope(organisation), number)

    def repair(self, organisation: str, number: int, body: bytes) -> Tried:
        """Receive another message in place of a refused one. Raises PacsdError NOT_FOUND, CONFLICT."""
        found = self.message(organisation, number)
        if found.state != "refused":
            raise PacsdError(Fault.CONFLICT, f"message {number} was not refused, it is {found.state}")
        done = self._received(body, found.address)
        if done.error is None:
            self._inbox.replaced(self._directory.scope(organisation), number)
        return done

    def attempt(self, body: bytes, *, address: str = "127.0.0.1") -> Tried:
        """What a message would do if it came from there, of which nothing stays."""
        inbox = TryingInbox(self._inbox, self._keys, self._default)
        answers = self._reception(inbox).receive(body, Caller(address, is_vouched=True))
        return Tried(answers, inbox.effects, inbox.error)

    def send(self, destination: str, body: bytes, *, organisation: str) -> int:
        """Queue a message for a destination; its number. Segment ends of other systems become CR.

        Raises PacsdError MALFORMED, NOT_FOUND.
        """
        message = _read(body)
        header = header_in(message)
        return self.outbox.put(
            destination, self._keys[organisation], control_id=header.first(10), message_type=header.message_type,
            body=with_carriage_returns(message),
        )  # fmt: skip

    def chores(self) -> tuple[tuple[str, float, Callable[[], bool]], ...]:
        """What a worker does for it."""
        keep_s = self._settings.hl7.keep_messages_s
        return (
            *((("tell how far exams are", _LOOK_S, self._tell_status),) if self._telling else ()),
            ("forget old messages", 600.0, partial(self._inbox.forget, keep_s=keep_s)),
            ("forget old outgoing messages", 600.0, partial(self.outbox.forget, keep_s=keep_s)),
            *self._identity.chores(),
            *self._notification.chores(),
            *((f"reports to {name}", _LOOK_S, one.run) for name, one in self._distributions.items()),
        )

    def _tell_status(self) -> bool:
        return self._telling is not None and self._telling.run() > 0

    def _status_consumer(self) -> Consumer | None:
        """Tells destinations how far exams are, where any wants to know: what happens from now on.

        They know what was before them, and what a rebuild brings back.
        """
        first = self._settings.organisations[0].code
        destinations = [
            Destination(one.name, one.order_status, self._keys[one.organisation or first], one.organisation or first)
            for one in self._settings.hl7_destinations if one.order_status
        ]  # fmt: skip
        if not destinations:
            return None
        reports = StatusReports(self.outbox, destinations, self._item)
        consumer = Consumer(
            self._pool, "order status", reports.handle, topics=[STEP_STATUS_CHANGED], begin_now=True
        )
        consumer.register()
        return consumer

    def _item(self, organisation: int, said: Mapping[str, Any]) -> Item | None:
        named = {name: str(said[name]) for name in ("order_key", "requested_procedure_id", "step_id")}
        return self._worklist.item(Scope((organisation,), organisation), **named)

    def _distributing(self, pool: Pool, reports: Reports, contents: Contents) -> dict[str, Distribution]:
        """By destination; each is to get what happens from now on."""
        made = {}
        for one in self._settings.hl7_destinations:
            if one.reports:
                code = one.organisation or self._settings.organisations[0].code
                made[one.name] = Distribution(one, (self._keys[code], code), pool, reports, contents, self.outbox)
                made[one.name].register()
        return made

    @property
    def _default(self) -> str:
        return self._settings.hl7.organisation

    def _received(self, body: bytes, address: str) -> Tried:
        inbox = RecordingInbox(self._inbox, self._keys, self._default, relay=self._relay())
        answers = self._reception(inbox).receive(body, Caller(address, is_vouched=True))
        return Tried(answers, (), inbox.error)

    def _reception(self, inbox: Hl7Inbox) -> Reception:
        return Reception(
            self._senders,
            inbox,
            self._handled,
            answered=self._answered,
            processing_ids=self._settings.hl7.processing_ids,
            validate=validate,
            control_ids=self._control_ids,
        )

    def _relay(self) -> Relay:
        relays = {one.name: frozenset(one.relays) for one in self._settings.hl7_destinations if one.relays}
        return Relay(self.outbox, relays)


def handled(orders: Orders, taking: Taking) -> tuple[Handled, ...]:
    """Every kind of message that is acted on."""
    patients = Patients()
    return (
        *PatientIdentity(patients, Persons()).handled(), *OrderPlacement(orders, patients).handled(),
        *Appointments(orders).handled(), *Results(taking).handled(), *Documents(taking).handled(),
    )  # fmt: skip


def _read(body: bytes) -> Message:
    try:
        return parse(body)
    except Hl7Error as error:
        raise PacsdError(Fault.MALFORMED, f"{error.location}: {error.text}") from error
