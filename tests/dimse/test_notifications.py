"""Event reports on an association of the peer's: one outstanding at a time, and not without bound behind it."""

from collections.abc import Mapping
from typing import Any

from pacsd.dimse.command import COMMAND_FIELD as FIELD
from pacsd.dimse.command import MESSAGE_ID, MESSAGE_ID_BEING_RESPONDED_TO, N_EVENT_REPORT_RSP, Command, decode, encode
from pacsd.dimse.negotiation import Context
from pacsd.dimse.notifications import EventReport, Notifications

CONTEXT = Context(1, "1.2.840.10008.1.20.1", "1.2.840.10008.1.2")
MIB = 1 << 20


class Peer:
    """One who is told, and answers when asked to."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.answers: list[Command | None] = []
        self.notifications = Notifications(self._send)

    def _send(self, _context: Context, values: Mapping[int, Any], _information: bytes | None) -> None:
        self.ids.append(values[MESSAGE_ID])

    def tell(self, size_bytes: int) -> bool:
        report = EventReport("1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1", 1, bytes(size_bytes))
        return self.notifications.send(CONTEXT, report, self.answers.append)

    def answer(self) -> bool:
        response = {FIELD: N_EVENT_REPORT_RSP, MESSAGE_ID_BEING_RESPONDED_TO: self.ids[-1]}
        return self.notifications.answered(decode(encode(response)))


def test_one_is_outstanding_and_the_next_goes_out_with_its_answer() -> None:
    peer = Peer()
    assert peer.tell(10) and peer.tell(10) and len(peer.ids) == 1
    assert peer.answer() and len(peer.ids) == 2
    peer.notifications.end()
    assert [answer is None for answer in peer.answers] == [False, True]


def test_what_waits_for_a_peer_that_never_answers_is_bounded_in_bytes() -> None:
    peer = Peer()
    assert [peer.tell(8 * MIB) for _ in range(4)] == [True, True, False, False]
    assert peer.answer() and peer.tell(8 * MIB) and not peer.tell(1)


def test_a_report_goes_out_however_long_it_is_if_it_is_the_only_one() -> None:
    peer = Peer()
    assert peer.tell(17 * MIB) and not peer.tell(1)
    assert peer.answer() and peer.tell(1)


def test_what_waits_is_bounded_in_number() -> None:
    peer = Peer()
    assert sum(peer.tell(0) for _ in range(1010)) == 1000
