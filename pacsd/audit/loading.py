"""A chore of the worker: reads the chains of records into the index, checking each link on its way."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from threading import Lock

from pacsd.audit import chain
from pacsd.audit.codes import Action, Event, Kind, Outcome
from pacsd.audit.keys import keys
from pacsd.audit.message import AuditMessage, decoded, encoded, patient
from pacsd.audit.trail import now
from pacsd.blobs.append_log import AppendFolder
from pacsd.faults import Fault, PacsdError
from pacsd.index.audit_events import AuditEvents, EventRow, Place, StudyFacts

EVERY_S = 0.5
_AT_ONCE = 500                           # records of one transaction
_MOST = 1_000                            # records of one turn
_WHILE_S = 0.2                           # of a turn after a burst
_MOST_PIECES = 50                        # that a search waits for
_SETTLED_S = 60.0                        # so long ago, at least, was what is recorded now with its own time
_MOST_LATE_S = 30.0                      # so long reading rests while processors are short; then it takes
_SHARE = 0.05                            # of the time
_RECENT_NS = 1_000_000_000
_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 300.0  # of a chain whose records the index refuses
_AWAY = (Fault.UNAVAILABLE, Fault.FULL)  # of all records, not of one

log = logging.getLogger("pacsd.audit")


@dataclass(frozen=True, slots=True)
class _Read:
    """A record of an event, read and whole; `body`: its JSON as it stands there."""

    number: int
    message: AuditMessage
    body: bytes


class Loading:
    """Reads what was recorded; any number of workers may, one after the other.

    What it costs follows from what is new: chains that are over are known, and not looked at again. `lasting`: rows
    keep their numbers whatever happens, as those must who hand them on by number. `short`: whether processors are.
    """

    def __init__(
        self, folder: AppendFolder, events: AuditEvents, *, lasting: bool = True,
        clock: Callable[[], float] = time.monotonic, short: Callable[[], bool] = lambda: False,
        now: Callable[[], datetime] = now,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._events = events
        self._lasting = lasting
        self._clock = clock
        self._short = short
        self._now = now
        self._lock = Lock()
        self._begun = 0.0                # the last refresh
        self._whole: datetime | None = None      # when the last reading of all began
        self._even_at = clock()          # the same, of turns
        self._rest_until = 0.0
        self._over: set[str] = set()     # writers whose chains ended, or are broken
        self._listed: tuple[int, list[str]] = -1, []
        self._refused: dict[str, tuple[int, float]] = {}         # writers: how often, and until when they wait

    def turn(self) -> bool:
        """What the worker does every EVERY_S: a piece, or as much as can be read in a while where nobody else needs the
        processors; that there is more is no reason to hurry."""
        began, short = self._clock(), self._short()
        if short and (began - self._even_at < _MOST_LATE_S or began < self._rest_until):
            return False
        while (more := self.run(most=_MOST)) and not short and self._clock() - began < _WHILE_S:
            pass
        if not more:
            self._even_at = began
        self._rest_until = self._clock() + (self._clock() - began) * (1 / _SHARE - 1)
        self._short()                    # from here on it is others who take the time
        return False

    def refresh(self, until: datetime | None = None) -> None:
        """Have what was recorded until now read. Of many who ask at once, one reads for all who asked before it.

        `until`: who looks for what was before that waits for nothing if all was read since; what is recorded with an
        earlier time than its own is read by who records it (`hurry`).
        """
        asked = self._clock()
        with self._lock:
            settled = self._whole is not None and until is not None and until <= self._whole
            if settled or self._begun > asked:
                return
            self._begun, now = self._clock(), self._now()
            for _ in range(_MOST_PIECES):
                if not self.run():
                    self._whole = now - timedelta(seconds=_SETTLED_S)
                    return

    def hurry(self, at: datetime) -> None:
        """Something was recorded of that time: if it is long ago, have it read, so that searches need not look."""
        if at <= self._now() - timedelta(seconds=_SETTLED_S / 2):
            self.refresh()

    def run(self, most: int | None = None) -> bool:
        """Read a piece of every chain that has more, of at most so many records; whether there is more."""
        more, begun = False, 0
        for place in self._places():
            if most is not None and begun >= most:
                return True
            if self._is_refused(place.writer):
                continue
            try:
                further, count = self._advance(place, _AT_ONCE if most is None else min(_AT_ONCE, most - begun))
            except PacsdError as error:
                if error.fault in _AWAY:
                    raise
                self._refuse(place.writer, error)
                continue
            self._refused.pop(place.writer, None)
            more, begun = more or further, begun + count
        return more

    def _places(self) -> list[Place]:
        """Where the chains stand that are not over, in the order of their writers."""
        writers = [writer for writer in self._writers() if writer not in self._over]
        places = self._events.open_places() if writers else {}
        unknown = [writer for writer in writers if writer not in places]
        others = self._events.places_of(unknown) if unknown else {}
        for writer, place in others.items():
            if place.ended or place.problem:
                self._over.add(writer)
            else:
                places[writer] = place           # begun by another meanwhile
        return [places.get(writer, Place(writer)) for writer in writers if writer not in self._over]

    def _writers(self) -> list[str]:
        """Of all files; listed anew when the folder has changed, or did so a moment before it was listed."""
        changed = self._folder.changed_ns()
        if changed != self._listed[0] or changed < 0:
            names = self._folder.names()
            found = dict.fromkeys(one[0] for name in names if (one := chain.split_name(name)) is not None)
            self._listed = changed if time.time_ns() - changed > _RECENT_NS else -1, list(found)
        return self._listed[1]

    def _is_refused(self, writer: str) -> bool:
        return writer in self._refused and self._clock() < self._refused[writer][1]

    def _refuse(self, writer: str, error: PacsdError) -> None:
        """One chain waits; the others go on."""
        times = self._refused.get(writer, (0, 0.0))[0]
        pause_s = min(_PAUSE_S * 2**times, _LONGEST_PAUSE_S)
        self._refused[writer] = times + 1, self._clock() + pause_s
        log.error("a chain of audit records cannot be read into the index now",
                  extra={"writer": writer, "reason": error.message, "pause_s": pause_s})  # fmt: skip

    def _advance(self, place: Place, most: int) -> tuple[bool, int]:
        """One piece of a chain: whether it has more, and how many records it was."""
        name = chain.file_name(place.writer, place.segment)
        try:
            begun = self._folder.size(name) > 0          # by who holds it since
            writing = self._folder.in_use(name)          # asked first: what it writes meanwhile is read the next time
            after, found, full = self._read(name, place, most)
        except (chain.Broken, PacsdError) as error:
            if isinstance(error, PacsdError) and error.fault is not Fault.NOT_FOUND:
                raise
            problem = str(error) if isinstance(error, chain.Broken) else f"{name} is not there"
            log.error("a chain of audit records is broken", extra={"problem": problem})
            self._events.load(replace(place, problem=problem), (), place.number, lasting=True)
            return False, 0
        if not full and after.segment == place.segment and not writing:
            if begun or after.number:
                after = replace(after, ended=True)
            else:
                self._folder.discard_abandoned(name)     # unless it is just begun
        if after == place:
            return False, 0
        loaded = self._loaded(after, self._rows(place.writer, found), place.number)
        if loaded is None:               # one of them is refused: the others come in smaller pieces
            return self._advance(place, max(1, most // 10))
        if not loaded:
            return True, 0               # another was faster; it may have seen less of it than is there now
        if after.ended:
            self._over.add(place.writer)
        return full or after.segment != place.segment, after.number - place.number

    def _loaded(self, after: Place, rows: list[EventRow], before: int) -> bool | None:
        """Whether the rows came into the index; None where it refuses one of several, which alone comes as little
        more than its time: it stands in its chain, and holds up no other."""
        lasting = self._lasting or after.ended           # nobody looks again at a chain that is known to be over
        try:
            return self._events.load(after, rows, before, lasting=lasting)
        except PacsdError as error:
            if error.fault in _AWAY or not rows:
                raise
            if after.number - before > 1:
                return None
            log.error("an audit record cannot be searched by what it says",
                      extra={"record": identified(after.writer, rows[0].number), "reason": error.message})  # fmt: skip
        return self._events.load(after, [_bare(rows[0])], before, lasting=lasting)

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
                    found.append(_Read(record.head.number, decoded(body), record.payload))
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


def _row(writer: str, read: _Read, facts: dict[str, list[StudyFacts]]) -> EventRow:
    message, owners = told(read.message, facts)
    return EventRow(
        recorded=message.at, writer=writer, number=read.number, event=message.event.value.code,
        action=message.action.value, outcome=message.outcome.value,
        subtypes=tuple(one.code.replace("\0", "\ufffd") for one in message.types), keys=keys(message, owners),
        body=(read.body if message is read.message else encoded(message)).decode(),
    )  # fmt: skip


def _bare(row: EventRow) -> EventRow:
    """A record as it is searched by its time and by whose auditors see it, and by nothing else."""
    message = AuditMessage(
        Event.APPLICATION_ACTIVITY, Action.EXECUTE, row.recorded, Outcome.SERIOUS_FAILURE,
        reason="what was recorded cannot be searched; it stands in its chain",
    )  # fmt: skip
    seen_by = frozenset(one for one in row.keys if one.startswith("o "))
    return replace(row, subtypes=(), keys=seen_by, body=encoded(message).decode())


def told(message: AuditMessage, facts: dict[str, list[StudyFacts]]) -> tuple[AuditMessage, frozenset[str]]:
    """The message with the patients and accession numbers of its studies, and the organisations whose those are.

    Where the agent's own organisation has a copy, that is the one it saw.
    """
    if not facts:
        return message, frozenset()
    asking = {one.organisation for one in message.agents if one.requestor}
    patients: dict[tuple[str, str], None] = {}
    objects, owners = [], set()
    there = {(one.authority, one.id) for one in message.objects if one.authority}
    for one in message.objects:
        copies = facts.get(one.id, []) if one.kind is Kind.STUDY else []
        for copy in [each for each in copies if each.organisation in asking] or copies:
            owners.add(copy.organisation)
            one = one._replace(accession=one.accession or copy.accession_number)
            if copy.patient_id and (copy.assigning_authority, copy.patient_id) not in there:
                patients[(copy.assigning_authority, copy.patient_id)] = None
        objects.append(one)
    found = [patient(authority, number) for authority, number in patients]
    return replace(message, objects=(*found, *objects)), frozenset(owners)
