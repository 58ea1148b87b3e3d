"""What the receiver and the deliverer need of the rest of the house."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from config.hl7_mapping import MessageMapping
from hl7.conditions import Hl7Error
from hl7.reading import Reading


class Certificate(Protocol):
    """What a sender showed inside TLS, verified."""

    def answers_to(self, name: str) -> bool:
        """Whether it is the one that a thumbprint or a subject alternative name means."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a message comes from.

    `is_listed`: in plain text from a network that may send so, or without a certificate: only a sender that is known
    by its address is believed. `is_vouched`: an operator has it received anew, and stands for who sent it.
    """

    address: str
    certificate: Certificate | None = None
    is_listed: bool = False
    is_vouched: bool = False


@dataclass(frozen=True, slots=True)
class Sender:
    """A sending application as the platform knows it."""

    name: str
    organisation: str                    # code
    assigning_authority: str             # of identifiers that name none
    mapping: MessageMapping = field(default_factory=MessageMapping)
    authorities: frozenset[str] | None = None        # for whose patients it speaks; None: for any it names
    domains: Mapping[str, str] = field(default_factory=dict)     # universal ids of assigning authorities, by name

    def speaks_for(self, assigning_authority: str) -> bool:
        """Whether what it says of a patient of that authority counts."""
        return self.authorities is None or assigning_authority in self.authorities


class Senders(Protocol):
    """Who is known."""

    def sender(self, *, application: str, facility: str, caller: Caller) -> Sender | None:
        """The sender of MSH-3 and MSH-4 that calls from there; None for one that is not served."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as the log keeps it. `digest`: of the whole message, to tell a repeat from a reused control id."""

    sender: str
    organisation: str
    address: str
    application: str
    facility: str
    control_id: str
    message_type: str
    received_at: datetime
    digest: bytes
    body: bytes


Action = Callable[[Any, Reading, Sender], Sequence[str]]
"""Does what a message says within the unit of work it is given; says what it did. Raises Hl7Error."""


class AtOnce(Protocol):
    """What several messages of one kind do in one transaction. Those that are equal are of one kind."""

    def asked(self, parts: Sequence[Any]) -> Any:
        """What is to be asked for them while repeats are looked for, in the terms of who keeps them."""

    def do(self, work: Any, parts: Sequence[Any], found: Any) -> None:
        """Do what those say that are no repeats, by what was found for all of them."""


class Together(NamedTuple):
    """What messages of one transaction do at once, instead of `act` each: `all` gets the `part` of each, in order."""

    all: AtOnce
    part: Any


class Beside(NamedTuple):
    """What is begun for several messages when only their commit is left to do, and waited for before an answer.

    `begin` is given the `part` of each of the same `begin`, and whether somebody sees to it at once; what it returns
    sees to it, if nobody does, and waits until it is done. Both may raise what the inbox understands.
    """

    begin: Callable[[Sequence[Any], bool], Callable[[], None]]
    part: Any


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message that was read before its unit of work began: what it does there.

    `subject`: the one patient (id and authority) whom it is about and alone changes. Messages with one may take effect
    together with others, those with the same `together` at once.
    """

    act: Callable[[Any], Sequence[str]]
    subject: tuple[str, str] | None = None
    together: Together | None = None


@dataclass(frozen=True, slots=True)
class Handled:
    """One kind of message that is acted on, with the transaction of IHE that it is.

    `prepare`: reads a message beforehand, for kinds that come by the thousand. Raises Hl7Error.
    """

    code: str
    event: str
    act: Action
    transactions: tuple[str, ...]
    structure: str
    prepare: Callable[[Reading, Sender], Prepared] | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What a query is answered with (HL7 v2.5.1 5.4): status of table 0208, and segments as fields ready to be sent.

    `errors` make it AE. `pointer`: where the rest of the answer begins, if there is more.
    """

    status: str = "OK"
    errors: tuple[Hl7Error, ...] = ()
    segments: tuple[tuple[str, ...], ...] = ()
    pointer: str = ""


Ask = Callable[[Reading, Sender], Response]
"""Answers a query, and changes nothing. Raises Hl7Error for one that cannot be read."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One kind of query that is answered, with the transaction of IHE that it is."""

    code: str
    event: str
    ask: Ask
    transactions: tuple[str, ...]
    structure: str
    answer: tuple[str, str, str]         # MSH-9 of the answer


class Inbox(Protocol):
    """Where messages are kept and take effect. Raises Hl7Error where that is not possible now."""

    def take(
        self, arrival: Arrival, answers: Sequence[bytes], act: Callable[[Any], Sequence[str]] | None, *,
        subject: tuple[str, str] | None = None, together: Together | None = None, beside: Beside | None = None,
    ) -> Sequence[bytes]:  # fmt: skip
        """Keep a message and let it take effect, both or neither; durable on return, and what is `beside` it done.

        The answers to give: those of the first time where the same message took effect before, and does not again.
        """

    def asked(self, arrival: Arrival) -> None:
        """Keep that a query came; it is answered anew each time, and its answer is kept nowhere."""

    def refuse(self, arrival: Arrival, answers: Sequence[bytes], error: Hl7Error) -> None:
        """Keep a message that was not taken, for repair and replay."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to a destination."""

    key: int
    body: bytes
    attempts: int


class Outbox(Protocol):
    """One destination's durable queue, oldest first. Only one process at a time is given messages."""

    def next(self) -> Outgoing | None:
        """The message whose turn it is, None while there is none or its pause is not over."""

    def delivered(self, outgoing: Outgoing, answer: bytes) -> None:
        """The destination took it."""

    def refused(self, outgoing: Outgoing, answer: bytes, problem: str) -> None:
        """The destination will never take it as it is: set aside for repair and replay, the next one's turn."""

    def failed(self, outgoing: Outgoing, problem: str) -> None:
        """Not this time: the same again, after a pause that grows."""
