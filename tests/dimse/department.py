"""A department for the tests of MPPS, storage commitment and notifications: a real archive behind the DIMSE edge, a
foreign modality before it, and a foreign application that is told."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
    ModalityPerformedProcedureStepRetrieve,
    StorageCommitmentPushModel,
)

from config.settings import RemoteAESettings
from pacsd.access.directory import Peer
from pacsd.archive.commitment import COMMITMENT, Commitments
from pacsd.dimse import availability, commitment
from pacsd.dimse.notifier import Kind, Notifier
from pacsd.dimse.requestor import Proposal
from pacsd.dimse.services import Department
from pacsd.workflow.availability import AVAILABILITY, Availability, Notified
from pacsd.workflow.notifications import Notifications
from pacsd.workflow.performed_steps import PerformedSteps
from pacsd.workflow.records import Records
from tests.archive.house import House
from tests.dimse.fakes import FakeDirectory, Server, peer, running
from tests.synthetic import Study, small_object

MPPS, RETRIEVE = str(ModalityPerformedProcedureStep), str(ModalityPerformedProcedureStepRetrieve)
PUSH, AVAILABLE = str(StorageCommitmentPushModel), str(InstanceAvailabilityNotification)
WELL_KNOWN = "1.2.840.10008.1.20.1.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
PATIENCE_S = 20.0


class Ward:
    """The archive and what the edge needs of it, with a clock that goes when told to."""

    def __init__(self, house: House, directory: FakeDirectory | None = None) -> None:
        self.house = house
        self.now = datetime.now(UTC)
        records = Records(house.blobs, {key: code for code, key in house.keys.items()})
        self.steps = PerformedSteps(house.pool, records, grace_s=0.0)
        self.commitments = Commitments(house.pool, house.blobs, house.sidecars, clock=lambda: self.now)
        self.queue = Notifications(house.pool, give_up_s=86_400.0, node="node", clock=lambda: self.now)
        none: Any = None                 # worklists have their own tests
        self.department = Department(self.steps, self.commitments, self.queue, none, none)
        self.directory = directory or FakeDirectory()
        kinds = {
            COMMITMENT: Kind(Proposal(PUSH, as_scp=True), partial(commitment.tell, self.department)),
            AVAILABILITY: Kind(Proposal(AVAILABLE), partial(availability.tell, house, self.department)),  # type: ignore[arg-type]
        }
        self.notifier = Notifier(self.queue, kinds, self.directory, holder="worker", connect_timeout_s=2.0)

    def availability(self, *told: str) -> Availability:
        """What looks for the instances of steps, with AEs that are told."""
        notified = {self.house.keys["east"]: [Notified(title, "PACSD") for title in told]}
        missing = self.commitments.missing
        return Availability(self.house.pool, missing, notified, give_up_s=3600.0, clock=lambda: self.now)

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """The edge on a port of its own."""
        with running(archive=self.house, directory=self.directory, department=self.department) as server:
            yield server

    def receive(self, world: Study, *numbers: int) -> str:
        """Their SOP class."""
        for number in numbers:
            accepted = self.house.receive(small_object(world, instance=number))
        return accepted.sop_class_uid

    def go(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def states(self) -> list[str]:
        """Of all notifications."""
        with self.house.pool.connection() as connection:
            return [row[0] for row in connection.execute("select state from notification order by pk")]


@contextmanager
def modality(
    port: int, *classes: str, on_event: Callable[[Any], Any] | None = None, calling: str = "CT1"
) -> Iterator[Any]:
    """pynetdicom's association; released at the end, if it is still there."""
    ae = AE(calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = PATIENCE_S
    for one in classes:
        ae.add_requested_context(one, [IMPLICIT, EXPLICIT])
    handlers = [(evt.EVT_N_EVENT_REPORT, on_event)] if on_event else []
    made = ae.associate("127.0.0.1", port, ae_title="PACSD", evt_handlers=handlers)  # type: ignore[arg-type]
    assert made.is_established
    try:
        yield made
    finally:
        if made.is_established:
            made.release()


@dataclass
class Heard:
    """What a foreign application was told. `status`: what it answers."""

    status: int = 0
    events: list[tuple[int, Dataset]] = field(default_factory=list)
    created: list[tuple[str, Dataset]] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    def on_event(self, event: Any) -> tuple[int, None]:
        """N-EVENT-REPORT."""
        self.events.append((event.event_type, event.event_information))
        self.came.set()
        return self.status, None

    def on_create(self, event: Any) -> tuple[int, Dataset | None]:
        """N-CREATE."""
        self.created.append((event.request.AffectedSOPInstanceUID, event.attribute_list))
        self.came.set()
        return self.status, event.attribute_list if self.status == 0 else None


@contextmanager
def listening(heard: Heard, port: int, *, title: str = "CT1") -> Iterator[RemoteAESettings]:
    """A foreign application on a port, which takes our role of SCP for commitment, and results there alone."""
    ae = AE(title)
    ae.require_calling_aet = ["PACSD"]
    ae.add_supported_context(PUSH, [IMPLICIT, EXPLICIT], scu_role=False, scp_role=True)
    ae.add_supported_context(AVAILABLE, [IMPLICIT, EXPLICIT])
    handlers = [(evt.EVT_N_EVENT_REPORT, heard.on_event), (evt.EVT_N_CREATE, heard.on_create)]
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
    assert server is not None
    try:
        yield remote(port, title=title, commitment_on_same_association=False)
    finally:
        server.shutdown()


def remote(port: int, *, title: str = "CT1", **options: Any) -> RemoteAESettings:
    """Where an AE is."""
    return RemoteAESettings(title, "127.0.0.1", port, "default", **options)


def may(ward: Ward, title: str, *services: str) -> None:
    """What an AE may ask for from now on."""
    ward.directory.peers[title] = replace(peer(title), services=frozenset(services))


def of_other_organisation(ward: Ward, title: str) -> Peer:
    """The same AE title as one of the second organisation's."""
    found = ward.house.peer("west")
    ward.directory.peers[title] = replace(found, title=title)
    return ward.directory.peers[title]


def asked(transaction: str, references: Sequence[tuple[str, str]]) -> Dataset:
    """Action Information."""
    dataset = Dataset()
    dataset.TransactionUID = transaction
    dataset.ReferencedSOPSequence = []
    for sop_class, instance in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        dataset.ReferencedSOPSequence.append(item)
    return dataset


def references(sequence: Sequence[Dataset]) -> list[tuple[str, str]]:
    """Class and instance of each item."""
    return [(one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID) for one in sequence]
