"""N-EVENT-REPORTs that we send on an association the peer opened (PS3.7 10.1.1): one outstanding at a time.

The peer's own requests may come before its answer, so nobody waits here: whoever reads the association's messages hands
responses to `answered`, and the next notification goes out then. What was not answered when the association ends is
told as such, so that a service can send it again on an association of its own.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pacsd.dimse.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    COMMAND_FIELD,
    EVENT_TYPE_ID,
    MESSAGE_ID,
    MESSAGE_ID_BEING_RESPONDED_TO,
    N_EVENT_REPORT_RQ,
    N_EVENT_REPORT_RSP,
    Command,
    Value,
)
from pacsd.dimse.negotiation import Context

log = logging.getLogger("pacsd.dimse")

_MAX_IDS = 0xFFFF
_FIRST_ID = 0x8000                       # far from the sub-operations of a C-GET on the same association
_MAX_WAITING = 1000
_MAX_WAITING_BYTES = 16 << 20            # of their information: one result of storage commitment may have eight MiB
Send = Callable[[Context, Mapping[int, Value], bytes | None], None]
Answered = Callable[[Command | None], None]


@dataclass(frozen=True, slots=True)
class EventReport:
    """What is told: `information` is the encoded Event Information, in the transfer syntax of its context."""

    sop_class_uid: str
    sop_instance_uid: str
    event_type_id: int
    information: bytes | None = None

    @property
    def size_bytes(self) -> int:
        """Of its information."""
        return len(self.information or b"")

    def command(self, message_id: int) -> dict[int, Value]:
        """The N-EVENT-REPORT-RQ (PS3.7 Table 10.3-1)."""
        return {
            COMMAND_FIELD: N_EVENT_REPORT_RQ,
            MESSAGE_ID: message_id,
            AFFECTED_SOP_CLASS_UID: self.sop_class_uid,
            AFFECTED_SOP_INSTANCE_UID: self.sop_instance_uid,
            EVENT_TYPE_ID: self.event_type_id,
        }


@dataclass(frozen=True, slots=True)
class _Waiting:
    context: Context
    report: EventReport
    answered: Answered


class Notifications:
    """Those of one association; used by its thread alone."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting: deque[_Waiting] = deque()         # the first is outstanding
        self._waiting_bytes = 0
        self._last_id = _FIRST_ID - 1

    def send(self, context: Context, report: EventReport, answered: Answered) -> bool:
        """Send it when those before are answered; False, and nothing else, when too many wait.

        `answered` gets the response's command, or None when the association ends before.
        """
        if self._waiting and not self._has_room(report.size_bytes):
            return False
        self._waiting.append(_Waiting(context, report, answered))
        self._waiting_bytes += report.size_bytes
        if len(self._waiting) == 1:
            self._send_first()
        return True

    def answered(self, command: Command) -> bool:
        """Take a response; False if it answers no notification of ours. Its Event Reply, if any, is of no interest."""
        if not self._waiting or command.field != N_EVENT_REPORT_RSP:
            return False
        if command.number(MESSAGE_ID_BEING_RESPONDED_TO) != self._last_id:
            return False
        self._settle(command)
        if self._waiting:
            self._send_first()
        return True

    def end(self) -> None:
        """The association is over."""
        while self._waiting:
            self._settle(None)

    def _has_room(self, size_bytes: int) -> bool:
        return len(self._waiting) < _MAX_WAITING and self._waiting_bytes + size_bytes <= _MAX_WAITING_BYTES

    def _settle(self, command: Command | None) -> None:
        one = self._waiting.popleft()
        self._waiting_bytes -= one.report.size_bytes
        _tell(one, command)

    def _send_first(self) -> None:
        one = self._waiting[0]
        self._last_id = self._last_id % _MAX_IDS + 1
        self._send(one.context, one.report.command(self._last_id), one.report.information)


def _tell(one: _Waiting, command: Command | None) -> None:
    try:
        one.answered(command)
    except Exception:                            # the association goes on, whatever its service makes of an answer
        log.exception("the answer to a notification was not taken")
