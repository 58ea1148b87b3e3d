"""The suite's side of the wire: SCU of all five classes, and an AE of its own that hears of events (pynetdicom)."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

from conformance.judging import Failed, NotSupported, NotTested
from conformance.requestor import attentive

PUSH, WATCH, PULL, EVENT, QUERY = (f"1.2.840.10008.5.1.4.34.6.{number}" for number in range(1, 6))
GLOBAL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
NAMES = {PUSH: "UPS Push", WATCH: "UPS Watch", PULL: "UPS Pull", EVENT: "UPS Event", QUERY: "UPS Query"}
CHANGE_STATE, REQUEST_CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND = range(1, 6)
STATE_REPORT, CANCEL_REQUESTED, PROGRESS_REPORT, SCP_STATUS_CHANGE, ASSIGNED = range(1, 6)
PATIENCE_S = 10.0                        # for an event


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, what the Error Comment says, its data set."""

    status: int
    comment: str = ""
    dataset: Dataset | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An N-EVENT-REPORT that came, and in what kind of context."""

    uid: str
    kind: int
    information: Dataset
    sop_class: str
    abstract_syntax: str


@dataclass
class Receiver:
    """Where events arrive; the server has to know this AE, its address and this port."""

    title: str
    port: int
    events: list[Event] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    server: Any = None

    def start(self) -> "Receiver":
        """Listen."""
        entity = ApplicationEntity(self.title)
        entity.add_supported_context(EVENT, scu_role=False, scp_role=True)
        handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, self._keep)]
        self.server = entity.start_server(("", self.port), block=False, evt_handlers=handlers)
        return self

    def stop(self) -> None:
        """Listen no more."""
        if self.server is not None:
            self.server.shutdown()

    def _keep(self, event: Any) -> tuple[int, None]:
        request = event.request
        information = event.event_information if request.EventInformation else Dataset()
        found = Event(str(request.AffectedSOPInstanceUID), int(event.event_type), information,
                      str(request.AffectedSOPClassUID), str(event.context.abstract_syntax))  # fmt: skip
        with self.arrived:
            self.events.append(found)
            self.arrived.notify_all()
        return 0x0000, None

    def of(self, uid: str, count: int, *, timeout_s: float | None = None) -> list[Event]:
        """The events of an instance, `count` of them at least unless they do not come in time."""
        deadline = time.monotonic() + (PATIENCE_S if timeout_s is None else timeout_s)
        with self.arrived:
            while len(found := [one for one in self.events if one.uid == uid]) < count:
                if not self.arrived.wait(deadline - time.monotonic()):
                    return [one for one in self.events if one.uid == uid]
        return found


class Peer:
    """Asks one server; an association is opened when it is needed, and again when it broke."""

    def __init__(
        self, host: str, port: int, *, called: str, calling: str, receiver: Receiver | None = None,
        timeout_s: float = 30.0,
    ) -> None:  # fmt: skip
        self.host, self.port, self.called, self.calling = host, port, called, calling
        self._receiver = receiver
        self._timeout_s = timeout_s
        self._association: Association | None = None
        self.tag = f"C{uuid4().hex[:12].upper()}"        # by which this run's steps are found

    @property
    def receiver(self) -> Receiver:
        """Where events arrive. Raises NotTested without one."""
        if self._receiver is None:
            raise NotTested("no --receiver is given")
        return self._receiver

    def close(self) -> None:
        """Release the association."""
        if self._association is not None and self._association.is_established:
            self._association.release()
        self._association = None

    def association(self) -> Association:
        """An established one. Raises Failed."""
        if self._association is None or not self._association.is_established:
            entity = ApplicationEntity(self.calling)
            entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._timeout_s
            for uid in (PUSH, WATCH, PULL, QUERY):
                entity.add_requested_context(uid)
            self._association = attentive(entity.associate(self.host, self.port, ae_title=self.called))
        if not self._association.is_established:
            raise Failed("expected an association, got none")
        return self._association

    def supported(self, uid: str) -> Association:
        """The association, if the class was accepted. Raises NotSupported."""
        association = self.association()
        if uid not in {context.abstract_syntax for context in association.accepted_contexts}:
            raise NotSupported(f"{NAMES[uid]} is not accepted")
        return association

    def create(self, uid: str, attributes: Dataset, *, by: str = PUSH, sop_class: str = PUSH) -> Answer:
        """N-CREATE."""
        return self._heard(*self.supported(by).send_n_create(attributes, sop_class, uid, meta_uid=by))

    def set(self, uid: str, attributes: Dataset, *, by: str = PULL, sop_class: str = PUSH) -> Answer:
        """N-SET."""
        return self._heard(*self.supported(by).send_n_set(attributes, sop_class, uid, meta_uid=by))

    def get(self, uid: str, *tags: int, by: str = PULL, sop_class: str = PUSH) -> Answer:
        """N-GET."""
        return self._heard(*self.supported(by).send_n_get([Tag(tag) for tag in tags], sop_class, uid, meta_uid=by))

    def act(self, uid: str, action: int, *, by: str, sop_class: str = PUSH, **information: Any) -> Answer:
        """N-ACTION."""
        asked = Dataset()
        for keyword, value in information.items():
            setattr(asked, keyword, value)
        sent = self.supported(by).send_n_action(asked or None, action, sop_class, uid, meta_uid=by)
        return self._heard(*sent)

    def delete(self, uid: str, *, by: str) -> Answer:
        """N-DELETE, which no class here has."""
        return self._heard(self.supported(by).send_n_delete(PUSH, uid, meta_uid=by), None)

    def find(self, asked: Dataset, *, by: str = PULL) -> Iterator[Answer]:
        """C-FIND: the pending answers, then the last one."""
        for status, found in self.supported(by).send_c_find(asked, by, msg_id=7):
            yield self._heard(status, found)

    def cancel_find(self, by: str = PULL) -> None:
        """C-CANCEL of it."""
        self.supported(by).send_c_cancel(7, query_model=by)

    def _heard(self, status: Dataset, dataset: Dataset | None) -> Answer:
        if "Status" not in status:
            self._association = None
            raise Failed("expected a response, got none (aborted, or not in time)")
        return Answer(int(status.Status), str(status.get("ErrorComment", "")), dataset)
