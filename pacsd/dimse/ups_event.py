"""Report a Change in UPS Status: N-EVENT-REPORT to subscribed AEs, on associations this server opens (PS3.4 CC.2.4).

Reports wait in the queue of their subscriber. One that is a configured AE and holds no event channel by web is told
here, each report in its order and only once the one before was answered; a few processes may do this at once, for
whoever claims a subscriber's channel has it alone. A peer that cannot be reached, or answers that it cannot now, is
tried again after a pause, twice as long each time; any other answer settles a report.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from config.settings import RemoteAESettings, Settings
from pacsd.access.directory import Directory, Peer
from pacsd.dimse.association import Timeouts
from pacsd.dimse.datasets import encoded
from pacsd.dimse.dialling import Dialling
from pacsd.dimse.metering import Meters
from pacsd.dimse.notifications import EventReport
from pacsd.dimse.requestor import Outgoing, Proposal, Requestor
from pacsd.dimse.sop_classes import UPS_EVENT
from pacsd.dimse.statuses import PROCESSING_FAILURE, RESOURCE_LIMITATION, SUCCESS
from pacsd.dimse.violations import AssociationEnded
from pacsd.faults import Fault, PacsdError
from pacsd.workflow.channels import Channel, Channels
from pacsd.workflow.reports import Report

log = logging.getLogger("pacsd.dimse")

_AT_ONCE = 8                             # subscribers told by one process
_LOOK_AGAIN_S = 1.0                      # for what a lost notice did not tell, and for pauses that are over
_GATHER_S = 0.05                         # notices that come together
_LINGER_S = 1.0                          # an association stays open for what follows at once
_LINGER_STEP_S = 0.1
_ANSWER_S = 30.0                         # below LEASE_S, within which a channel is kept
_NOT_NOW = frozenset((PROCESSING_FAILURE, RESOURCE_LIMITATION))


class Stop(Protocol):
    """Says when to end, and may be waited for."""

    def is_set(self) -> bool: ...
    def wait(self, timeout_s: float, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class Target:
    """A configured AE, and the peer of its organisation on whose behalf it hears."""

    peer: Peer
    remote: RemoteAESettings


Connect = Callable[[Target], Outgoing]
Targets = Mapping[int, Mapping[str, Target]]             # by organisation and title


def targets(directory: Directory) -> Targets:
    """Every AE that is known, as the directory learns of it."""
    return directory.followed(
        lambda: of([Target(directory.member(one.organisation), one) for one in directory.remotes()])
    )


def of(targets: Iterable[Target]) -> Targets:
    """Those, by organisation and title: of two the first."""
    found: dict[int, dict[str, Target]] = {}
    for one in targets:
        found.setdefault(one.peer.organisation, {}).setdefault(one.remote.title, one)
    return found


def connecting(settings: Settings, directory: Directory, meters: Meters) -> Connect:
    """Opens an association for events: UPS Event, in the role of SCP (PS3.7 D.3.3.4)."""
    dimse, dial = settings.dimse, Dialling(settings.security.tls)

    def connect(target: Target) -> Outgoing:
        requestor = Requestor(
            directory.own_title(target.remote.organisation),
            timeouts=Timeouts(artim_s=dimse.artim_timeout_s, idle_s=min(dimse.idle_timeout_s, _ANSWER_S)),
            connect_timeout_s=dimse.connect_timeout_s,
            meters=meters,
            dial=dial,
        )
        return requestor.connect(target.remote, [Proposal(UPS_EVENT, as_scp=True)])

    return connect


class Reporter:
    """Tells the subscribers among `targets` until `stop` is set."""

    def __init__(self, channels: Channels, targets: Targets, connect: Connect, *, stop: Stop) -> None:
        self._channels = channels
        self._connect = connect
        self._stop = stop
        self._busy: set[tuple[int, str]] = set()
        self._lock = threading.Lock()
        self._targets = targets

    def run(self) -> None:
        """Whenever there is something to tell, tell it."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="ups-event") as workers:
            while not self._stop.is_set():
                try:
                    if self._targets:
                        self._listen(workers)
                except PacsdError as error:
                    log.warning("subscribers are not looked after", extra={"fault": error.fault.value})
                except Exception:                # the thread's one catch-all
                    log.exception("subscribers are not looked after")
                self._stop.wait(_LOOK_AGAIN_S)

    def _listen(self, workers: ThreadPoolExecutor) -> None:
        with self._channels.listening() as notices:
            while not self._stop.is_set():
                for target in self._due():
                    workers.submit(self._turn, target)
                notices.wait(_LOOK_AGAIN_S)
                self._stop.wait(_GATHER_S)

    def _due(self) -> list[Target]:
        """Who has something to hear and is not being told already."""
        found: list[Target] = []
        for organisation, mine in self._targets.items():
            peer = next(iter(mine.values())).peer
            for title in self._channels.due(peer, list(mine)):
                with self._lock:
                    if (organisation, title) not in self._busy:
                        self._busy.add((organisation, title))
                        found.append(mine[title])
        return found

    def _turn(self, target: Target) -> None:
        try:
            if not self._stop.is_set():          # what was waiting for a thread waits for the next start
                self.tell(target)
        except Exception as error:               # whatever it was: the subscriber is tried again
            log.warning("a subscriber was not told", extra={"ae": target.remote.title, "cause": type(error).__name__})
        finally:
            with self._lock:
                self._busy.discard((target.peer.organisation, target.remote.title))

    def tell(self, target: Target) -> bool:
        """Open an association and tell what waits; whether all of it was taken."""
        channel = self._channels.claim(target.peer, target.remote.title)
        if channel is None:
            return False
        done = False
        try:
            with self._connect(target) as association:
                done = self._tell_all(association, channel, target.remote.character_set)
        except (PacsdError, AssociationEnded) as error:
            log.warning("a subscriber cannot be told", extra={"ae": target.remote.title, "cause": str(error)})
        finally:
            (self._channels.rest if done else self._channels.pause)(channel)
        return done

    def _tell_all(self, association: Outgoing, channel: Channel, character_set: str | None) -> bool:
        context = association.accepted(UPS_EVENT)
        if context is None:
            raise PacsdError(Fault.UNSUPPORTED, "the subscriber does not take UPS Event")
        waited_s = 0.0
        while (reports := self._channels.take_reports(channel)) is not None:
            for report in reports:
                self._channels.keep([channel])
                information = encoded(report.information, context.transfer_syntax, character_set=character_set)
                if not self._told(association, report, information):
                    return False
                self._channels.report_taken(channel, report)
                if self._stop.is_set():          # a channel that is closed need not run out before it opens again
                    return True
            waited_s = 0.0 if reports else waited_s + _LINGER_STEP_S
            if self._stop.is_set() or waited_s >= _LINGER_S:
                return True
            if not reports:
                self._stop.wait(_LINGER_STEP_S)
        return True

    def _told(self, association: Outgoing, report: Report, information: bytes) -> bool:
        """Whether the peer's answer settles the report."""
        event = EventReport(report.sop_class_uid, report.sop_instance_uid, report.event_type_id, information)
        answer = association.report_event(UPS_EVENT, event)
        if answer.status != SUCCESS:
            about = {"status": f"{answer.status:04X}", "event": report.event_type_id}
            log.warning("a subscriber does not take an event", extra=about)
        return answer.status not in _NOT_NOW
