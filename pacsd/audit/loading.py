"""A chore of the worker: reads the chains of records into the index, checking each link on its way."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from threading import Lock

from pacsd.audit import chain
from pacsd.audit.codes import Kind
from pacsd.audit.keys import keys
from pacsd.audit.message import AuditMessage, decoded, encoded, patient
from pacsd.blobs.append_log import AppendFolder
from pacsd.faults import Fault, PacsdError
from pacsd.index.audit_events import AuditEvents, EventRow, Place, StudyFacts

EVERY_S = 0.5
_AT_ONCE = 500                           # records of one transaction
_MOST, _LEAST = 400, 40                  # records of one turn; the least while there is much to do, which comes first
_BUSY_BYTES = 100_000                    # that were recorded since the turn before
_MOST_PIECES = 50                        # that a search waits for

log = logging.getLogger("pacsd.audit")


@dataclass(frozen=True, slots=True)
class _Read:
    """A record of an event, read and whole."""

    number: int
    message: AuditMessage


class Loading:
    """Reads what was recorded; any number of workers may, one after the other.

    `lasting`: rows keep their numbers whatever happens, as those must who hand them on by number.
    """

    def __init__(
        self, folder: AppendFolder, events: AuditEvents, *, lasting: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._events = events
        self._lasting = lasting
        self._clock = clock
        self._size_bytes = 0
        self._lock = Lock()
        self._begun = 0.0                # the last refresh

    def turn(self) -> bool:
        """What the worker does every EVERY_S; that there is more is no reason to hurry."""
        before, self._size_bytes = self._size_bytes, self._recorded_bytes()
        self.run(most=_LEAST if self._size_bytes - before > _BUSY_BYTES else _MOST)
        return False

    def refresh(self) -> None:
        """Have what was recorded until now read. Of many who ask at once, one reads for all who asked before it."""
        asked = self._clock()
        with self._lock:
            if self._begun > asked:
                return
            self._begun = self._clock()
            for _ in range(_MOST_PIECES):
                if not self.run():
                    return

    def run(self, most: int | None = None) -> bool:
        """Read a piece of every chain that has more, of at most so many records; whether there is more."""
        places = self._events.places()
        more, begun = False, 0
        for writer in _writers(self._folder.names()):
            place = places.get(writer, Place(writer))
            if place.ended or place.problem:
                continue
            if most is not None and begun >= most:
                return True
            further, count = self._advance(place, _AT_ONCE if most is None else min(_AT_ONCE, most - begun))
            more, begun = more or further, begun + count
        return more

    def _recorded_bytes(self) -> int:
        """Of all files together."""
        total = 0
        for name in self._folder.names():
            with suppress(PacsdError):   # it went away, or is not to be read now: reading it will say so
                total += self._folder.size(name)
        return total

    def _advance(self, place: Place, most: int) -> tuple[bool, int]:
        """One piece of a chain: whether it has more, and how many records it was."""
        name = chain.file_name(place.writer, place.segment)
        try:
            writing = self._folder.in_use(name)          # asked first: what it writes meanwhile is read the next time
            after, found, full = self._read(name, place, most)
        except (chain.Broken, PacsdError) as error:
            if isinstance(error, PacsdError) and error.fault is not Fault.NOT_FOUND:
                raise
            problem = str(error) if isinstance(error, chain.Broken) else f"{name} is not there"
            log.error("a chain of audit records is broken", extra={"problem": problem})
            self._events.load(replace(place, problem=problem), (), place.number, lasting=self._lasting)
            return False, 0
        if not full and after.number and after.segment == place.segment and not writing:   # an empty one may begin yet
            after = replace(after, ended=True)
        if after == place:
            return False, 0
        if not self._events.load(after, self._rows(place.writer, found), place.number, lasting=self._lasting):
            return True, 0               # another was faster; it may have seen less of it than is there now
        return full or after.segment != place.segment, after.number - place.number

    def _read(self, name: str, place: Place, most: int) -> tuple[Place, list[_Read], bool]:
        """Where the chain stands after a piece, its events, and whether the piece was a full one. Raises Broken."""
        head = chain.Head(place.number, place.digest)
        records = chain.records(self._folder.read, name, head, place.offset_bytes)
        found, after, count = [], place, 0
        for record in islice(records, most):
            count += 1
            after = replace(
                after, offset_bytes=record.end_bytes, number=record.head.number, digest=record.head.digest
            )
            try:
                body = record.body()
                if "event" in body:
                    found.append(_Read(record.head.number, decoded(body)))
            except (KeyError, ValueError, TypeError) as error:
                raise chain.Broken(name, record.end_bytes, "a record that cannot be read") from error
            if "next" in body:
                after = replace(after, segment=place.segment + 1, offset_bytes=0)
            elif "end" in body:
                after = replace(after, ended=True)
        return after, found, count == most

    def _rows(self, writer: str, found: Sequence[_Read]) -> list[EventRow]:
        """The events as they are searched; whose a study is, the index tells: who asks for it need not know."""
        studies = {uid for one in found for uid in one.message.studies() if "\0" not in uid}
        facts = self._events.studies(studies) if studies else {}
        return [_row(writer, one, facts) for one in found]


def identified(writer: str, number: int) -> str:
    """The id of an event, by which it is named outside."""
    return f"{writer.lower()}-{number}"


def place_of(identifier: str) -> tuple[str, int] | None:
    """Writer and number of an id; None for what is none of ours."""
    writer, _, number = identifier.rpartition("-")
    return (writer.upper(), int(number)) if writer and number.isascii() and number.isdigit() and len(number) < 19 \
        else None  # fmt: skip


def _writers(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found[0] for name in names if (found := chain.split_name(name)) is not None))


def _row(writer: str, read: _Read, facts: dict[str, list[StudyFacts]]) -> EventRow:
    message, owners = told(read.message, facts)
    return EventRow(
        recorded=message.at, writer=writer, number=read.number, event=message.event.value.code,
        action=message.action.value, outcome=message.outcome.value,
        subtypes=tuple(one.code.replace("\0", "\ufffd") for one in message.types), keys=keys(message, owners),
        body=encoded(message).decode(),
    )  # fmt: skip


def told(message: AuditMessage, facts: dict[str, list[StudyFacts]]) -> tuple[AuditMessage, frozenset[str]]:
    """The message with the patients and accession numbers of its studies, and the organisations whose those are.

    Where the agent's own organisation has a copy, that is the one it saw.
    """
    asking = {one.organisation for one in message.agents if one.requestor}
    patients: dict[tuple[str, str], None] = {}
    objects, owners = [], set()
    there = {(one.authority, one.id) for one in message.objects if one.authority}
    for one in message.objects:
        copies = facts.get(one.id, []) if one.kind is Kind.STUDY else []
        for copy in [each for each in copies if each.organisation in asking] or copies:
            owners.add(copy.organisation)
            one = replace(one, accession=one.accession or copy.accession_number)
            if copy.patient_id and (copy.assigning_authority, copy.patient_id) not in there:
                patients[(copy.assigning_authority, copy.patient_id)] = None
        objects.append(one)
    found = [patient(authority, number) for authority, number in patients]
    return replace(message, objects=(*found, *objects)), frozenset(owners)
