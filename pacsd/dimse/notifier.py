"""What waits to be told to AEs, told on associations that we open: commitment results, availability of instances.

A notification that is answered is settled, or tried again where the AE says that it cannot take it now; an AE that
cannot be reached pauses. What was sent when a process ends, and not settled, is sent again: receivers know a repeat by
its Transaction UID or SOP Instance UID.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from config.settings import RemoteAESettings
from pacsd.dimse.association import Timeouts
from pacsd.dimse.dialling import Dial, plain
from pacsd.dimse.metering import Meters
from pacsd.dimse.requestor import Answer, Outgoing, Proposal, Requestor
from pacsd.dimse.statuses import DUPLICATE_SOP_INSTANCE, PROCESSING_FAILURE, RESOURCE_LIMITATION, SUCCESS
from pacsd.dimse.violations import AssociationEnded
from pacsd.faults import PacsdError
from pacsd.workflow.notifications import Notification, Notifications

log = logging.getLogger("pacsd.dimse")

_LOOK_AGAIN_S = 1.0
_TIMEOUTS = Timeouts(artim_s=15.0, idle_s=45.0)          # less than what is claimed is held for
_NOT_NOW = frozenset((PROCESSING_FAILURE, RESOURCE_LIMITATION))
_WARNINGS = frozenset((0x0001, 0x0107, 0x0116))          # PS3.7 C.4


class Stop(Protocol):
    """Something that says when to end, and may be waited for."""

    def is_set(self) -> bool: ...
    def wait(self, timeout_s: float, /) -> bool: ...


class Remotes(Protocol):
    """Where AEs are."""

    def of_organisation(self, title: str, organisation: int) -> RemoteAESettings | None: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """How notifications of a kind are told. `tell` returns None where there is nothing any more to tell."""

    proposal: Proposal
    tell: Callable[[Outgoing, Notification], Answer | None]


class Notifier:
    """Tells what is due, one AE at a time; several of them, in several processes, tell several AEs at once."""

    def __init__(
        self,
        notifications: Notifications,
        kinds: Mapping[str, Kind],
        remotes: Remotes,
        *,
        holder: str,
        connect_timeout_s: float = 15.0,
        meters: Meters | None = None,
        dial: Dial = plain,
    ) -> None:
        self._dial = dial
        self._notifications = notifications
        self._kinds = kinds
        self._remotes = remotes
        self._holder = holder
        self._connect_timeout_s = connect_timeout_s
        self._meters = meters or Meters()

    def run(self, stop: Stop) -> None:
        """Tell what is due, again and again, until told to stop."""
        while not stop.is_set():
            try:
                busy = self.turn()
            except PacsdError as error:          # the queue itself is away for now
                log.warning("notifications cannot be read", extra={"cause": error.message})
                busy = False
            except Exception:                    # the thread's one catch-all
                log.exception("notifying failed")
                busy = False
            if not busy:
                stop.wait(_LOOK_AGAIN_S)

    def turn(self) -> bool:
        """Tell one AE what is due for it; whether there was anything."""
        due = self._notifications.due(holder=self._holder)
        if not due:
            return False
        those = [one for one in due if one.own_title == due[0].own_title]
        others = [one.pk for one in due if one.own_title != due[0].own_title]
        if others:
            self._notifications.let_go(others)
        remote = self._remotes.of_organisation(due[0].ae_title, due[0].organisation)
        if remote is None:
            self._away(those, "this AE is not configured for its organisation")
        else:
            self._visit(remote, those)
        return True

    def _visit(self, remote: RemoteAESettings, those: Sequence[Notification]) -> None:
        requestor = Requestor(
            those[0].own_title, timeouts=_TIMEOUTS, connect_timeout_s=self._connect_timeout_s, meters=self._meters,
            dial=self._dial,
        )  # fmt: skip
        proposals = [self._kinds[kind].proposal for kind in sorted({one.kind for one in those})]
        left = list(those)
        try:
            with requestor.connect(remote, proposals) as outgoing:
                self._notifications.reached(those[0])
                while left:
                    if self._notifications.claim(left[0].pk, holder=self._holder) is not None:
                        self._tell(outgoing, left[0])
                    left.pop(0)
        except (AssociationEnded, PacsdError) as error:
            if left:
                self._away(left, str(error))

    def _tell(self, outgoing: Outgoing, one: Notification) -> None:
        try:
            answer = self._kinds[one.kind].tell(outgoing, one)
        except AssociationEnded:
            raise
        except PacsdError as error:              # of ours, or the AE does not take this: the next one may do better
            self._not_now(one, error.message)
            return
        except Exception:                        # a defect concerns this one alone
            log.exception("a notification cannot be told", extra={"ae": one.ae_title, "kind": one.kind})
            self._not_now(one, "internal error")
            return
        if answer is None:
            self._notifications.refused(one, "there is nothing to tell any more")
        elif _taken(answer.status):
            self._notifications.delivered(one)
        elif answer.status in _NOT_NOW:
            self._not_now(one, f"{answer.status:04X} {answer.comment}".strip())
        else:
            problem = f"{answer.status:04X} {answer.comment}".strip()
            log.warning("a notification was refused", extra={"ae": one.ae_title, "kind": one.kind, "cause": problem})
            self._notifications.refused(one, problem)

    def _not_now(self, one: Notification, problem: str) -> None:
        log.warning("a notification was not taken", extra={"ae": one.ae_title, "kind": one.kind, "cause": problem})
        self._notifications.failed(one, problem)

    def _away(self, those: Sequence[Notification], problem: str) -> None:
        pause_s = self._notifications.unreachable(those, problem)
        extra = {"ae": those[0].ae_title, "waiting": len(those), "pause_s": pause_s, "cause": problem}
        log.warning("an AE cannot be notified", extra=extra)


def _taken(status: int) -> bool:
    """Success, a warning, or told before."""
    return status in (SUCCESS, DUPLICATE_SOP_INSTANCE) or status in _WARNINGS or 0xB000 <= status <= 0xBFFF
