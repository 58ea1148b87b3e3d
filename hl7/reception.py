"""From the bytes of a message to the answers it gets (HL7 v2.5.1 2.9): read, judged, kept and acted on, acknowledged.

The order of the questions is that of the standard: can it be read, does anybody act on its type (MSH-9), is the
version known (MSH-12), is it meant for this system (MSH-11); then what it says.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from config.hl7_mapping import MessageMapping
from hl7.acknowledgement import OUR_VERSION, VERSIONS, answers
from hl7.batch import envelope, holds_more_than, is_batch, messages_of
from hl7.conditions import Condition, Hl7Error, Location
from hl7.control_ids import ControlIds
from hl7.header import Header, header_in, header_of
from hl7.message import Message, parse
from hl7.ports import Answered, Arrival, Caller, Handled, Inbox, Prepared, Response, Sender, Senders
from hl7.reading import Reading
from hl7.response import responses

log = logging.getLogger("pacsd.hl7")

MOST_CONTROL_ID = 199                            # MSH-10 from v2.7 on; 20 before, which few keep to
KEPT_OF_UNREADABLE_BYTES = 65_536                # of what has no header, and so nobody who could send it again
MOST_MESSAGES = 50_000                           # of a batch
Validator = Callable[[Message], None]            # raises Hl7Error


def accept_anything(_message: Message) -> None:
    """The validator of those who want none."""


class Reception:
    """Receives messages for any number of connections; holds nothing between two messages."""

    def __init__(
        self,
        senders: Senders,
        inbox: Inbox,
        handled: Iterable[Handled],
        *,
        answered: Iterable[Answered] = (),
        processing_ids: Sequence[str] = ("P",),
        validate: Validator = accept_anything,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        control_ids: Callable[[], str] | None = None,
    ) -> None:
        self._senders = senders
        self._inbox = inbox
        self._handled = {(one.code, one.event): one for one in handled}
        self._answered = {(one.code, one.event): one for one in answered}
        self._known = self._handled.keys() | self._answered.keys()
        self._codes = {code for code, _ in self._known}
        self._processing_ids = frozenset(processing_ids)
        self._validate = validate
        self._clock = clock
        self._control_ids = control_ids or ControlIds()

    def receive(self, raw: bytes, caller: Caller) -> list[bytes]:
        """The answers to a message or a batch, in order; each message of a batch is taken or refused for itself."""
        if not is_batch(raw):
            return self._one(raw, caller)
        if holds_more_than(raw, MOST_MESSAGES):  # the answers to all of them are one answer, and held until the last
            text = f"more than {MOST_MESSAGES} messages in one batch"
            return self._answers(None, Hl7Error(Condition.APPLICATION, None, text, rejected=True))
        inner = [answer for message in messages_of(raw) for answer in self._one(message, caller)]
        return [_batched(raw, inner)] if inner else []

    def too_long(self, beginning: bytes, limit_bytes: int) -> list[bytes]:
        """The answers to a message that was given up; of it nothing is kept."""
        text = f"longer than {limit_bytes} bytes, or than there is room for now"
        return self._answers(header_of(beginning), Hl7Error(Condition.APPLICATION, None, text, rejected=True))

    def _one(self, raw: bytes, caller: Caller) -> list[bytes]:
        header, sender = header_of(raw), None
        try:
            sender = self._sender(header, caller)
            reading = self._read(raw, sender.mapping)
            header = header_in(reading.message)
            return list(self._take(self._arrival(raw, header, caller, sender), reading, sender, header))
        except Hl7Error as error:
            return self._refused(self._arrival(raw, header, caller, sender), header, error)
        except Exception:                        # the edge's one catch-all: the next message is served
            log.exception("a message failed", extra={"message_type": header.message_type if header else ""})
            failed = Hl7Error(Condition.APPLICATION, None, "the message was not processed", rejected=True)
            return self._refused(self._arrival(raw, header, caller, sender), header, failed)

    def _take(self, arrival: Arrival, reading: Reading, sender: Sender, header: Header) -> Sequence[bytes]:
        kind = self._judged(reading, header)
        if kind is None:
            return self._inbox.take(arrival, self._answers(header, None), None)
        if reading.mapping.strict:
            self._validate(reading.message)
        if kind in self._answered:
            return self._ask(arrival, reading, sender, header, self._answered[kind])
        prepared = _prepared(self._handled[kind], reading, sender)
        given = self._answers(header, None)
        return self._inbox.take(
            arrival, given, prepared.act, subject=prepared.subject, together=prepared.together
        )

    def _ask(
        self, arrival: Arrival, reading: Reading, sender: Sender, header: Header, answered: Answered
    ) -> Sequence[bytes]:
        """Answer a query, also one that cannot be answered: in the form of the query's own answer."""
        try:
            response = answered.ask(reading, sender)
        except Hl7Error as error:
            if error.rejected:
                raise
            response = Response("AE", (error,))
        self._inbox.asked(arrival)
        return responses(
            reading.message, header, answered, response, at=self._clock(),
            control_ids=(self._control_ids(), self._control_ids()),
        )  # fmt: skip

    def _judged(self, reading: Reading, header: Header) -> tuple[str, str] | None:
        """Of which kind a message is, None for one that its sender's mapping says to ignore. Raises Hl7Error."""
        mapping = reading.mapping
        code, event = header.first(9), header.first(9, 2) or reading.message.value("EVN-1")
        control_id = header.sent(10)
        if not control_id:
            raise Hl7Error(Condition.REQUIRED_FIELD, Location("MSH", 1, 10), "without a message control id")
        if len(control_id) > MOST_CONTROL_ID:
            raise Hl7Error(Condition.VALUE_TOO_LONG, Location("MSH", 1, 10), "a message control id that is too long")
        if (code, event) not in self._known and not mapping.ignores(code, event):
            raise self._unsupported(code, event)
        version = header.first(12) or mapping.version
        if version not in VERSIONS:
            text = f"not a version that is read here: {', '.join(VERSIONS)}"
            raise Hl7Error(Condition.VERSION_ID, Location("MSH", 1, 12, 1, 1), text, rejected=True)
        if (header.first(11) or mapping.processing_id) not in self._processing_ids:
            text = f"this system takes {', '.join(sorted(self._processing_ids))}"
            raise Hl7Error(Condition.PROCESSING_ID, Location("MSH", 1, 11, 1, 1), text, rejected=True)
        _check_segments(reading.message)
        return None if mapping.ignores(code, event) else (code, event)

    def _unsupported(self, code: str, event: str) -> Hl7Error:
        if not code:
            return Hl7Error(Condition.REQUIRED_FIELD, Location("MSH", 1, 9), "without a message type", rejected=True)
        if code not in self._codes:
            where, text = Location("MSH", 1, 9, 1, 1), f"taken here: {', '.join(sorted(self._codes))}"
            return Hl7Error(Condition.MESSAGE_TYPE, where, text, rejected=True)
        events = ", ".join(sorted(known for one, known in self._known if one == code))
        where = Location("MSH", 1, 9, 1, 2)
        return Hl7Error(Condition.EVENT_CODE, where, f"taken here of {code}: {events}", rejected=True)

    def _sender(self, header: Header | None, caller: Caller) -> Sender:
        if header is None:
            raise Hl7Error(Condition.SEGMENT_SEQUENCE, Location("MSH"), "a message begins with MSH", rejected=True)
        found = self._senders.sender(application=header.first(3), facility=header.first(4), caller=caller)
        if found is None:
            where = Location("MSH", 1, 3)
            raise Hl7Error(Condition.TABLE_VALUE, where, "a sender that is not served here", rejected=True)
        return found

    def _read(self, raw: bytes, mapping: MessageMapping) -> Reading:
        message = parse(
            raw,
            default=mapping.character_set,
            overrides=mapping.character_set_overrides,
            lenient_ends=mapping.lenient_ends,
        )
        return Reading(message, mapping)

    def _refused(self, arrival: Arrival, header: Header | None, error: Hl7Error) -> list[bytes]:
        found = self._answers(header, error)
        log.warning(
            "a message was not taken",
            extra={"sender": arrival.sender, "message_type": arrival.message_type, "condition": error.condition.code,
                   "location": str(error.location or ""), "cause": error.text},
        )  # fmt: skip
        try:
            self._inbox.refuse(arrival, found, error)
        except Hl7Error as problem:              # its sender still has it, and hears that it was not taken
            log.error("a refused message could not be kept", extra={"cause": problem.text})
        return found

    def _answers(self, header: Header | None, error: Hl7Error | None) -> list[bytes]:
        return answers(header, error, at=self._clock(), control_ids=iter(self._control_ids, ""))

    def _arrival(self, raw: bytes, header: Header | None, caller: Caller, sender: Sender | None) -> Arrival:
        return Arrival(
            sender=sender.name if sender else "",
            organisation=sender.organisation if sender else "",
            address=caller.address,
            application=header.first(3) if header else "",
            facility=header.first(4) if header else "",
            control_id=header.first(10)[: MOST_CONTROL_ID + 1] if header else "",
            message_type=header.message_type[:64] if header else "",
            received_at=self._clock(),
            digest=hashlib.blake2b(raw, digest_size=16).digest(),
            body=raw if header else raw[:KEPT_OF_UNREADABLE_BYTES],
        )


def _prepared(handled: Handled, reading: Reading, sender: Sender) -> Prepared:
    """What a message does. One that cannot be read fails within its unit of work, where a repeat is known as one."""

    def act(work: Any) -> Sequence[str]:
        return handled.act(work, reading, sender)

    try:
        return handled.prepare(reading, sender) if handled.prepare else Prepared(act)
    except Hl7Error:
        return Prepared(act)


def _check_segments(message: Message) -> None:
    """Lines that are no segments are a message that was cut or glued together (HL7 v2.5.1 2.5.2)."""
    for number, segment in enumerate(message.segments, 1):
        name = segment.text.partition(message.delimiters.field)[0].strip()
        if segment.text.strip() and not (len(name) == 3 and name.isalnum() and name.isascii() and name[0].isalpha()):
            raise Hl7Error(Condition.SEGMENT_SEQUENCE, None, f"line {number} is no segment")


def _batched(raw: bytes, inner: Sequence[bytes]) -> bytes:
    """A batch of acknowledgements (HL7 v2.5.1 2.10.3.3), with the separators of the batch it answers."""
    file_header, batch_header = envelope(raw)
    head = batch_header or file_header
    field = head[3:4] or b"|"
    marks = head[4:].split(field)[0] or b"^~\\&"
    messages = inner
    opening = [name + field + marks + b"\r" for name, there in ((b"FHS", file_header), (b"BHS", batch_header)) if there]
    closing = [b"BTS%b%d\r" % (field, len(messages))] if batch_header else []
    if file_header:
        closing.append(b"FTS%b1\r" % field)
    return b"".join((*opening, *messages, *closing))


__all__ = ["OUR_VERSION", "Reception", "Validator", "accept_anything"]
