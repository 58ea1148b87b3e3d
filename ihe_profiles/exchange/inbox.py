"""The log of messages, as the HL7 edge speaks to it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hl7.conditions import Hl7Error
from hl7.ports import Arrival, AtOnce, Beside, Together
from ihe_profiles.exchange.conditions import located
from pacsd.messages.inbox import Act, Entry, Inbox, Problem, Work
from pacsd.messages.outbox import Outbox

_Part = tuple[Any, Entry, Sequence[str]]         # what the message says, itself, and where it goes


@dataclass(frozen=True, slots=True)
class Relay:
    """Messages that go on to destinations as they came, once they took effect: by destination, their types."""

    outbox: Outbox
    types: Mapping[str, frozenset[str]]

    def after(self, entry: Entry, act: Act) -> Act:
        """The action, and in the same unit of work the queueing."""
        to = self._destinations(entry)
        return (lambda work: [*act(work), *self._queue(work, entry, to)]) if to else act

    def after_all(self, entry: Entry, together: Together) -> Together:
        """The same where several messages act at once."""
        return Together(_Relayed(self, together.all), (together.part, entry, self._destinations(entry)))

    def queue_all(self, work: Work, those: Iterable[tuple[Entry, Sequence[str]]]) -> None:
        """Queue messages for their destinations, in their order."""
        for entry, to in those:
            self._queue(work, entry, to)

    def _destinations(self, entry: Entry) -> list[str]:
        return [name for name, types in self.types.items() if types & {entry.message_type, entry.message_type[:3]}]

    def _queue(self, work: Work, entry: Entry, to: Sequence[str]) -> list[str]:
        for name in to:
            self.outbox.add(
                work.connection, name, work.organisation, control_id=entry.control_id,
                message_type=entry.message_type, body=entry.body,
            )  # fmt: skip
        return [f"queues it for {name}" for name in to]


@dataclass(frozen=True, slots=True)
class _Relayed:
    """What several messages do at once, and the queueing of each: hl7.ports.AtOnce."""

    relay: Relay
    all: AtOnce

    def asked(self, parts: Sequence[_Part]) -> Any:
        """As without the queueing."""
        return self.all.asked([part for part, _, _ in parts])

    def do(self, work: Work, parts: Sequence[_Part], found: Any) -> None:
        """The same, and queue them."""
        self.all.do(work, [part for part, _, _ in parts], found)
        self.relay.queue_all(work, [(entry, to) for _, entry, to in parts])


class LoggingInbox:
    """hl7.ports.Inbox over the log; `organisations` by code, `default` for senders nobody knows."""

    def __init__(
        self, inbox: Inbox, organisations: Mapping[str, int], default: str, *, relay: Relay | None = None
    ) -> None:
        self._inbox = inbox
        self._organisations = organisations
        self._default = default
        self._relay = relay

    def take(
        self, arrival: Arrival, answers: Sequence[bytes], act: Callable[[Any], Sequence[str]] | None, *,
        subject: tuple[str, str] | None = None, together: Together | None = None, beside: Beside | None = None,
    ) -> Sequence[bytes]:  # fmt: skip
        """Keep a message and let it take effect, both or neither. Raises Hl7Error."""
        entry = self.entry(arrival)
        if act is not None and self._relay is not None:
            act = self._relay.after(entry, act)
            together = self._relay.after_all(entry, together) if together else None
        with located(None):
            return self._inbox.take(entry, answers, act, subject=subject, together=together, beside=beside)

    def asked(self, arrival: Arrival) -> None:
        """Keep that a query came. Raises Hl7Error."""
        with located(None):
            self._inbox.asked(self.entry(arrival))

    def refuse(self, arrival: Arrival, answers: Sequence[bytes], error: Hl7Error) -> None:
        """Keep a message that had no effect. Raises Hl7Error."""
        problem = Problem(error.condition.code, str(error.location or ""), error.text)
        with located(None):
            self._inbox.refuse(self.entry(arrival), answers, problem)

    def entry(self, arrival: Arrival) -> Entry:
        """As the log keeps it: text without what PostgreSQL cannot hold."""
        return Entry(
            self._organisations[arrival.organisation or self._default], arrival.received_at, _text(arrival.sender),
            arrival.address, _text(arrival.application), _text(arrival.facility), _text(arrival.control_id),
            _text(arrival.message_type), arrival.digest, arrival.body,
        )  # fmt: skip


class RecordingInbox(LoggingInbox):
    """Remembers why the last message was refused."""

    error: Hl7Error | None = None

    def refuse(self, arrival: Arrival, answers: Sequence[bytes], error: Hl7Error) -> None:
        """Keep a message that had no effect. Raises Hl7Error."""
        self.error = error
        super().refuse(arrival, answers, error)


class TryingInbox(LoggingInbox):
    """Says what a message would do, and leaves nothing behind."""

    def __init__(self, inbox: Inbox, organisations: Mapping[str, int], default: str) -> None:
        super().__init__(inbox, organisations, default)
        self.effects: list[str] = []
        self.error: Hl7Error | None = None

    def take(
        self, arrival: Arrival, answers: Sequence[bytes], act: Callable[[Any], Sequence[str]] | None, *,
        subject: tuple[str, str] | None = None, together: Together | None = None, beside: Beside | None = None,
    ) -> Sequence[bytes]:  # fmt: skip
        """Let it take effect and undo that. Raises Hl7Error."""
        if act is None:
            self.effects.append("ignored: its sender's mapping says so")
        else:
            with located(None):
                self.effects += self._inbox.tried(self.entry(arrival), act)
        return answers

    def asked(self, arrival: Arrival) -> None:
        """Nothing is kept."""
        self.effects.append("answers a query")

    def refuse(self, arrival: Arrival, answers: Sequence[bytes], error: Hl7Error) -> None:
        """Nothing is kept."""
        self.error = error


def _text(value: str) -> str:
    return value.replace("\0", "")
