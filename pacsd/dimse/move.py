"""Retrieve to a third party as SCP: C-MOVE (PS3.4 C.4.2, PS3.7 9.1.4)."""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from pacsd.archive.retrieve import InstanceRef
from pacsd.dimse.association import Association, Message, Timeouts
from pacsd.dimse.cancel import cancelled
from pacsd.dimse.command import MOVE_DESTINATION
from pacsd.dimse.dialling import Remote
from pacsd.dimse.find import served
from pacsd.dimse.recording import Sent
from pacsd.dimse.requestor import MAX_CONTEXTS, Originator, Outgoing, Proposal, Requestor
from pacsd.dimse.sending import coding_for, proposed_syntaxes
from pacsd.dimse.services import Retrieve, Services
from pacsd.dimse.sop_classes import Service
from pacsd.dimse.statuses import (
    MOVE_DESTINATION_UNKNOWN,
    RETRIEVE_STATUS,
    SOP_CLASS_NOT_SUPPORTED,
    STORE_STATUS,
    failure,
    response,
)
from pacsd.dimse.sub_operations import Tally, chosen_instances, recorded
from pacsd.dimse.violations import AssociationEnded
from pacsd.faults import Fault, PacsdError

log = logging.getLogger("pacsd.dimse")

_LOOK_EVERY_S = 0.05                     # at the requestor's C-CANCEL, while sub-operations take their time


def answer(association: Association, message: Message, services: Services) -> None:
    """Send every chosen instance to the destination, tell the requestor how it goes and how it ended."""
    declared = served(message, Service.MOVE)
    if declared is None:
        association.discard_dataset()
        association.send(message.context, response(message.command, SOP_CLASS_NOT_SUPPORTED))
        return
    destination = message.command.text(MOVE_DESTINATION)
    try:
        remote = services.directory.remote(destination, association.require_peer())
        instances = chosen_instances(association, message, services, declared)
        if remote is None:
            log.warning("unknown destination", extra={"destination": destination, "calling": association.calling})
            comment = f"no AE {destination} is configured"
            association.send(message.context, response(message.command, MOVE_DESTINATION_UNKNOWN, comment=comment))
            return
        sent = recorded(association, message, services, instances, remote)
        _follow(association, message, _Delivery(association, message, services, remote, instances), sent)
    except PacsdError as error:
        association.send(message.context, failure(message.command, error, RETRIEVE_STATUS))


def _follow(association: Association, message: Message, delivery: _Delivery, sent: Sent) -> None:
    """Report results as they come; on C-CANCEL, or when the requestor goes away, what has not begun is not begun."""
    tally = Tally(len(delivery.instances))
    stopped = False
    try:
        for result in delivery.results():
            association.require_peer()           # who asks is still who they were
            if result is not None:
                tally.note(result.sop_instance_uid, result.status, result.comment)
            if not stopped and association.readable() and cancelled(association, message):
                stopped = True
                delivery.stop()
            if not stopped:
                tally.speak(association, message)
    finally:
        delivery.stop()
        tally.tell(sent, cancelled=stopped)
    tally.finish(association, message, cancelled=stopped)


@dataclass(frozen=True, slots=True)
class _Result:
    sop_instance_uid: str
    status: int
    comment: str


class _Delivery:
    """The sub-operations of one C-MOVE, on one or more associations of ours with a thread each."""

    def __init__(
        self,
        association: Association,
        message: Message,
        services: Services,
        remote: Remote,
        instances: list[InstanceRef],
    ) -> None:
        timeouts = Timeouts(artim_s=services.artim_timeout_s, idle_s=services.idle_timeout_s)
        self.instances = instances
        self._retrieve: Retrieve = services.archive.retrieve
        self._pace = services.pace
        self._remote = remote
        self._requestor = Requestor(
            association.called,
            timeouts=timeouts,
            connect_timeout_s=services.connect_timeout_s,
            meters=services.meters,
            dial=services.dial,
        )
        self._originator = Originator(association.calling, message.command.message_id)
        self._results: queue.SimpleQueue[_Result | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._groups = grouped(instances)
        self._senders = min(services.move_associations, len(instances))

    def stop(self) -> None:
        """Begin no further sub-operation."""
        self._stopping.set()

    def results(self) -> Iterator[_Result | None]:
        """What became of each instance, as it is known; None when it takes a while."""
        for _ in range(self._senders):
            threading.Thread(target=self._run, daemon=True).start()
        running = self._senders
        while running:
            try:
                result = self._results.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                yield None
                continue
            if result is None:
                running -= 1
            else:
                yield result

    def _run(self) -> None:
        try:
            for group in self._groups:
                self._deliver(group)
        except Exception:
            log.exception("delivery failed")
        finally:
            self._results.put(None)

    def _deliver(self, group: _Group) -> None:
        """Send what is left of a group; a receiver that went away is tried once more."""
        error = PacsdError(Fault.UNAVAILABLE, "the receiver went away")
        for _ in range(2):
            if self._stopping.is_set() or not group:
                return
            try:
                with self._requestor.connect(self._remote, group.proposals) as outgoing:
                    self._send_all(outgoing, group)
                return
            except AssociationEnded as end:
                log.warning("receiver went away", extra={"cause": str(end), "receiver": self._remote.title})
            except PacsdError as refused:
                error = refused
                break
        while (ref := group.take()) is not None:
            self._results.put(_Result(ref.sop_instance_uid, STORE_STATUS[error.fault], error.message))

    def _send_all(self, outgoing: Outgoing, group: _Group) -> None:
        worked_since = self._pace.now()
        while not self._stopping.is_set() and (ref := group.take()) is not None:
            self._results.put(self._send(outgoing, ref))
            worked_since = self._pace.give_way(worked_since)

    def _send(self, outgoing: Outgoing, ref: InstanceRef) -> _Result:
        try:
            coding = coding_for(self._retrieve, outgoing.contexts, ref)
            with self._retrieve.open(coding) as reader:
                done = outgoing.store(
                    reader,
                    sop_class_uid=ref.sop_class_uid,
                    sop_instance_uid=ref.sop_instance_uid,
                    transfer_syntax_uid=coding.transfer_syntax_uid,
                    originator=self._originator,
                )
            return _Result(ref.sop_instance_uid, done.status, done.comment)
        except AssociationEnded as error:
            self._results.put(_Result(ref.sop_instance_uid, STORE_STATUS[Fault.UNAVAILABLE], str(error)))
            raise
        except PacsdError as error:
            return _Result(ref.sop_instance_uid, STORE_STATUS[error.fault], error.message)


class _Group:
    """Instances whose classes and syntaxes fit the contexts of one association; senders take them one by one."""

    def __init__(self, instances: list[InstanceRef], proposals: list[Proposal]) -> None:
        self.proposals = proposals
        self._lock = threading.Lock()
        self._left = deque(instances)

    def __bool__(self) -> bool:
        return bool(self._left)

    def take(self) -> InstanceRef | None:
        """The next one that nobody has begun; None when there is none."""
        with self._lock:
            return self._left.popleft() if self._left else None


def grouped(instances: list[InstanceRef]) -> list[_Group]:
    """For every SOP class a context in each transfer syntax its instances are stored in, one for their HTJ2K copies,
    and for what can be decoded another in whatever uncompressed syntax the receiver takes; at most 128 an association.
    """
    groups: list[_Group] = []
    members: list[InstanceRef] = []
    proposals: dict[Proposal, None] = {}
    for ref in instances:
        copied = ref.pack is not None and ref.pack.alternate is not None
        syntaxes = proposed_syntaxes(ref.transfer_syntax_uid, copied=copied)
        wanted = [Proposal(ref.sop_class_uid, one) for one in syntaxes]
        if len(proposals.keys() | set(wanted)) > MAX_CONTEXTS:
            groups.append(_Group(members, list(proposals)))
            members, proposals = [], {}
        proposals.update(dict.fromkeys(wanted))
        members.append(ref)
    return [*groups, _Group(members, list(proposals))]
