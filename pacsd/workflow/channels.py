"""Channels over which subscribers hear of workitems (PS3.18 8.10.4, 8.10.5): what an edge that holds them open asks.

An AE has one channel: opening another, here or on another machine, ends the former, so that a connection nobody
noticed the end of holds up none. Reports wait for the channel, and go when it says they were taken: at least once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from pacsd.access.directory import Peer
from pacsd.index import subscribers
from pacsd.index.connect import Pool
from pacsd.index.subscribers import Notices
from pacsd.workflow.reports import message

BATCH = 50                               # reports sent before they are known to be taken
BATCH_BYTES = 64 * 1024                  # a longer report goes alone


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
        return Channel(subscribers.open_channel(self._pool, peer.organisation, ae_title, token), token, peer, ae_title)

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

    def taken(self, channel: Channel, messages: Messages) -> None:
        """The AE has these."""
        subscribers.delivered(self._pool, channel.peer.scope, channel.subscriber, messages.reports)

    def stirred(self, channels: Sequence[Channel]) -> set[int]:
        """Of open channels the subscribers that `take` has an answer for."""
        return subscribers.stirred(self._pool, [(one.subscriber, one.token) for one in channels]) if channels else set()

    @contextmanager
    def listening(self) -> Iterator[Notices]:
        """Hears at once of what is reported anywhere. Raises PacsdError UNAVAILABLE."""
        with subscribers.listening(self._pool) as notices:
            yield notices

