"""Channels over which subscribers hear of workitems (PS3.18 8.10.4, 8.10.5; PS3.4 CC.2.4): what edges ask.

An AE has one channel: opening another, here or on another machine, ends the former, so that a connection nobody
noticed the end of holds up none. Reports wait for the channel, and go when it says they were taken: at least once.
A subscriber opens its channel by web; for one that does not, and whose address is known, this server claims the
channel when there is something to tell, and pauses, longer each time, while it cannot be reached.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from pacsd.access.directory import Peer
from pacsd.index import subscribers
from pacsd.index.connect import Pool
from pacsd.index.subscribers import Notices
from pacsd.workflow.reports import Report, message, parsed

BATCH = 50                               # reports sent before they are known to be taken
BATCH_BYTES = 64 * 1024                  # a longer report goes alone
LEASE_S = 60.0                           # renewed while a channel is held
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0


@dataclass(frozen=True, slots=True)
class Channel:
    """An open channel: whose, and which of those that the AE may have opened."""

    subscriber: int
    token: str
    peer: Peer
    ae_title: str


@dataclass(frozen=True, slots=True)
class Messages:
    """What to send, in this order, and by what name to say that it was taken."""

    texts: tuple[str, ...]
    reports: tuple[int, ...]


class Channels:
    """The service; synchronous, every call short."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def open(self, peer: Peer, ae_title: str) -> Channel:
        """The AE's channel from now on, whether it is subscribed to anything yet or not."""
        token = uuid4().hex
        opened = subscribers.open_channel(self._pool, peer.organisation, ae_title, token, lease_s=LEASE_S)
        return Channel(opened, token, peer, ae_title)

    def due(self, peer: Peer, ae_titles: Sequence[str]) -> list[str]:
        """Of these AEs of the peer's organisation, those that have something to hear and no channel open."""
        return subscribers.due(self._pool, peer.scope, ae_titles)

    def claim(self, peer: Peer, ae_title: str) -> Channel | None:
        """The AE's channel, unless one is open or its pause is not over."""
        token = uuid4().hex
        claimed = subscribers.claim_channel(self._pool, peer.organisation, ae_title, token, lease_s=LEASE_S)
        return None if claimed is None else Channel(claimed, token, peer, ae_title)

    def keep(self, channels: Sequence[Channel]) -> None:
        """They are still open: say so several times within LEASE_S."""
        if channels:
            subscribers.keep_channels(self._pool, [(one.subscriber, one.token) for one in channels], lease_s=LEASE_S)

    def rest(self, channel: Channel) -> None:
        """Everything was taken: the channel is closed until there is more."""
        subscribers.rest_channel(self._pool, channel.subscriber, channel.token)

    def pause(self, channel: Channel) -> None:
        """The AE cannot be reached: reports wait, and so does whoever would claim the channel."""
        subscribers.pause_channel(
            self._pool, channel.subscriber, channel.token, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S
        )

    def close(self, channel: Channel) -> None:
        """Reports wait for the next one."""
        subscribers.close_channel(self._pool, channel.subscriber, channel.token)

    def take(self, channel: Channel) -> Messages | None:
        """The next messages, none or a few; None if the AE has opened another channel since."""
        waiting = subscribers.waiting(
            self._pool, channel.peer.scope, channel.subscriber, limit=BATCH, size_bytes=BATCH_BYTES
        )
        if waiting is None or waiting.holder != channel.token:
            return None
        texts = tuple(message(body, number) for number, body in waiting.reports)
        return Messages(texts, tuple(number for number, _ in waiting.reports))

    def take_reports(self, channel: Channel) -> list[Report] | None:
        """The same for an edge that says them in its own form."""
        waiting = subscribers.waiting(
            self._pool, channel.peer.scope, channel.subscriber, limit=BATCH, size_bytes=BATCH_BYTES
        )
        if waiting is None or waiting.holder != channel.token:
            return None
        return [parsed(body, number) for number, body in waiting.reports]

    def taken(self, channel: Channel, messages: Messages) -> None:
        """The AE has these."""
        subscribers.delivered(self._pool, channel.peer.scope, channel.subscriber, messages.reports)

    def report_taken(self, channel: Channel, report: Report) -> None:
        """The AE has this one."""
        subscribers.delivered(self._pool, channel.peer.scope, channel.subscriber, [report.number])

    def stirred(self, channels: Sequence[Channel]) -> set[int]:
        """Of open channels, which are kept by this, the subscribers that `take` has an answer for."""
        self.keep(channels)
        return subscribers.stirred(self._pool, [(one.subscriber, one.token) for one in channels]) if channels else set()

    @contextmanager
    def listening(self) -> Iterator[Notices]:
        """Hears at once of what is reported anywhere. Raises PacsdError UNAVAILABLE."""
        with subscribers.listening(self._pool) as notices:
            yield notices

