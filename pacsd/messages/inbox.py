"""The log of messages that came. A message takes effect and is kept in one transaction, or neither.

So whoever is acknowledged can rely on it, and who was not, because the answer was lost or the server killed, may send
the same again: it is found in the log, gets the first answer, and nothing is done twice. What was refused had no
effect, and is tried again when it comes again.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index import messages as rows
from pacsd.index.connect import Connection, Pool, may_run_again
from pacsd.index.group import Group, Ticket
from pacsd.index.messages import Entry, Logged, Problem
from pacsd.index.pipelined import Asked, Rows, pipelined
from pacsd.index.work import Said, Saying, Work

log = logging.getLogger("pacsd.messages")

_RACES = 3                               # how often a message may find somebody else at work on the same, and go on

_MOST_TOGETHER = 32                      # messages of one transaction
_PATIENCE_S = 0.002                      # of a transaction, for as many messages as there were in the last one

Act = Callable[[Work], Sequence[str]]
Subject = tuple[str, str]
"""A patient (id and authority): the only one that a message locks, in whose order everybody locks them."""
_NOBODY: Subject = ("", "")


class AtOnce(Protocol):
    """What messages of one kind do in one transaction, by what was asked for all of them while repeats were found.

    What is left to be written by the end may go to `last` of the unit of work.
    """

    def asked(self, parts: Sequence[Any]) -> Asked: ...
    def do(self, work: Work, parts: Sequence[Any], found: Rows) -> None: ...


class Together(Protocol):
    """What several messages of one transaction do at once: `all` is given the `part` of each."""

    @property
    def all(self) -> AtOnce: ...
    @property
    def part(self) -> Any: ...


class Beside(Protocol):
    """What is begun when only the commit is left: `begin` is given the `part` of each message, and whether what it
    returns, which waits, is called now."""

    @property
    def begin(self) -> Callable[[Sequence[Any], bool], Callable[[], object]]: ...
    @property
    def part(self) -> Any: ...


class _Waiting(Ticket):
    """A message on its way into a transaction, maybe with others."""

    __slots__ = ("act", "answers", "beside", "done", "entry", "error", "given", "subject", "together")

    def __init__(
        self, entry: Entry, answers: Sequence[bytes], act: Act | None, subject: Subject, together: Together | None,
        beside: Beside | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.entry, self.answers, self.act, self.subject, self.together = entry, answers, act, subject, together
        self.beside = beside
        self.done: Callable[[], object] = _nothing       # comes back when what is beside it is done
        self.given: Sequence[bytes] = ()
        self.error: Exception | None = None

    @property
    def part(self) -> Any:
        """What it says to those that do it together."""
        return self.together.part if self.together is not None else None

    def result(self) -> Sequence[bytes]:
        """The answers to give, when all is done. Raises what came in the way."""
        if self.error is not None:
            raise self.error
        self.done()
        return self.given


class _Undo(Exception):
    """The end of a trial."""


class Inbox:
    """Keeps messages and lets them take effect; for many threads and processes at once."""

    def __init__(
        self, pool: Pool, say: Saying, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._pool = pool
        self._say = say
        self._clock = clock
        self._group: Group[_Waiting] = Group(self._take_together, limit=_MOST_TOGETHER, patience_s=_PATIENCE_S)

    def take(
        self, entry: Entry, answers: Sequence[bytes], act: Act | None, *, subject: Subject | None = None,
        together: Together | None = None, beside: Beside | None = None,
    ) -> Sequence[bytes]:  # fmt: skip
        """Keep a message and do what it says; None does nothing. Durable on return.

        The answers to give, those of the first time where it had taken effect before. What `act` raises undoes all.
        Its facts are journalled last: of a message that fails none is said, and one whose commit fails then comes
        again from the journal, if not from its sender. Where another transaction is in the way, it is done once more.
        Messages that each lock one patient, which `subject` names, share a transaction with others that come at the
        same moment, and where all of them have `together` of one kind that is what they do, and not their `act`. Where
        that transaction fails, each gets its own. What is `beside` it is begun when its facts are journalled, and done
        on return.
        """
        waiting = _Waiting(entry, answers, act, subject or _NOBODY, together, beside)
        if subject is None:
            self._take_alone(waiting)
        else:
            self._group.run(waiting)
        return waiting.result()

    def _take_together(self, batch: Sequence[_Waiting]) -> None:
        """Several messages in the order in which everybody locks patients; never raises."""
        ordered = sorted(batch, key=lambda one: one.subject)
        if _may_share(ordered):
            try:
                do = _at_once(ordered)
                if do is not None:
                    self._apply_at_once(ordered, do)
                else:
                    self._apply_all(ordered)
                return
            except Exception as error:           # whose fault it was shows when each is alone
                log.info("messages are taken one by one", extra={"cause": type(error).__name__})
        for one in batch:
            try:
                self._take_alone(one)
            except Exception as error:
                one.error = error

    def _apply_all(self, batch: Sequence[_Waiting]) -> None:
        """One after the other, in one transaction."""
        facts: list[Said] = []
        with rows.keeping(self._pool) as connection:
            found = rows.keep_all(connection, [_keeping(one) for one in batch])
            for one, kept in zip(batch, found, strict=True):
                one.given = self._applied(connection, kept, one.entry, one.answers, one.act, facts)
            self._say_all(facts)
            _begin_beside(batch, now=False)

    def _apply_at_once(self, batch: Sequence[_Waiting], both: AtOnce) -> None:
        """All together, in two round trips: what each needs to know goes with the log, what is written with the commit.

        What is written is on its way while it is journalled, and the commit while it is recorded.
        """
        entries = [_keeping(one) for one in batch]
        with pipelined(self._pool) as transaction:
            log, found = transaction.begin(rows.keeping_taken(entries), both.asked([one.part for one in batch]))
            work = Work(transaction.connection, batch[0].entry.organisation, self._clock)
            known = list(zip(batch, rows.kept_taken(entries, log), strict=True))
            if new := [one for one, kept in known if not _has_effect(kept)]:
                both.do(work, [one.part for one in new], found)
            for one, kept in known:
                one.given = _given(work.connection, one, kept)
            transaction.end(work.last, meanwhile=partial(self._say_all, work.facts),
                            beside=partial(_begin_beside, batch, now=True))  # fmt: skip

    def _say_all(self, facts: Sequence[Said]) -> None:
        if facts:
            self._say(facts)

    def _take_alone(self, one: _Waiting) -> None:
        for _ in range(_RACES):
            try:
                return self._taken(one)
            except PacsdError as error:
                if not may_run_again(error):
                    raise
        return self._taken(one)

    def _taken(self, one: _Waiting) -> None:
        with rows.keeping(self._pool) as connection:
            facts: list[Said] = []
            kept = rows.keep(connection, one.entry, state=_state(one.act), answers=one.answers)
            one.given = self._applied(connection, kept, one.entry, one.answers, one.act, facts)
            self._say_all(facts)
            _begin_beside([one], now=False)

    def _applied(
        self, connection: Connection, kept: rows.Kept, entry: Entry, answers: Sequence[bytes], act: Act | None,
        facts: list[Said],
    ) -> Sequence[bytes]:  # fmt: skip
        """What a message that is in the log does; what is to be journalled before all ends is added to `facts`."""
        if _has_effect(kept):
            return kept.answers
        if act is not None:
            act(Work(connection, entry.organisation, self._clock, facts))
        if kept.known:
            rows.settle(connection, kept.pk, state=_state(act), answers=answers)
        return answers

    def asked(self, entry: Entry) -> None:
        """Keep that a query came, and nothing of its answer."""
        with rows.keeping(self._pool) as connection:
            rows.keep(connection, entry, state=rows.ASKED, answers=())

    def refuse(self, entry: Entry, answers: Sequence[bytes], problem: Problem) -> None:
        """Keep a message that had no effect, for repair and replay."""
        with rows.keeping(self._pool) as connection:
            kept = rows.keep(connection, entry, state=rows.REFUSED, answers=answers, problem=problem)
            if kept.known and kept.state == rows.REFUSED:
                rows.settle(connection, kept.pk, state=rows.REFUSED, answers=answers, problem=problem)

    def tried(self, entry: Entry, act: Act) -> Sequence[str]:
        """What a message would do, of which nothing stays. What `act` raises comes out."""
        with self._undone() as connection:
            return act(Work(connection, entry.organisation, self._clock, trial=True))

    def replaced(self, scope: Scope, pk: int) -> None:
        """A refused message was repaired, and its repair took effect. Raises PacsdError NOT_FOUND, CONFLICT."""
        found = self.message(scope, pk)
        if found.state != rows.REFUSED:
            raise PacsdError(Fault.CONFLICT, f"message {pk} was not refused, it is {found.state}")
        with rows.keeping(self._pool) as connection:
            rows.settle(connection, pk, state=rows.REPLACED, answers=found.answers, problem=found.problem)

    def list(self, scope: Scope, *, state: str | None = None, limit: int = 50) -> Sequence[Logged]:
        """The newest messages, the last first, without their bodies."""
        return rows.found(self._pool, scope, state=state, limit=limit)

    def message(self, scope: Scope, pk: int) -> Logged:
        """One message with its body and its answers. Raises PacsdError NOT_FOUND."""
        found = rows.one(self._pool, scope, pk)
        if found is None:
            raise PacsdError(Fault.NOT_FOUND, f"there is no message {pk}")
        return found

    def forget(self, *, keep_s: float) -> bool:
        """Delete some of what is older; whether there is more."""
        limit = 1000
        before = datetime.fromtimestamp(self._clock().timestamp() - keep_s, UTC)
        return rows.forget(self._pool, before=before, limit=limit) == limit

    @contextmanager
    def _undone(self) -> Generator[Connection]:
        try:
            with rows.keeping(self._pool) as connection:
                yield connection
                raise _Undo
        except _Undo:
            return


def _nothing() -> None:
    """Nothing is beside it, and nothing waited for."""


def _has_effect(kept: rows.Kept) -> bool:
    return kept.known and kept.state in rows.EFFECTIVE


def _may_share(batch: Sequence[_Waiting]) -> bool:
    """Whether messages may share a transaction: not where one may be a repeat of the other."""
    return len({rows.names_of(one.entry) for one in batch}) == len(batch) and (
        len(batch) > 1 or batch[0].together is not None
    )


def _at_once(batch: Sequence[_Waiting]) -> AtOnce | None:
    """What these messages do at once; None where it is not the same for all, or they are of several organisations."""
    those = [one.together.all for one in batch if one.together is not None]
    if len(those) < len(batch) or any(one != those[0] for one in those):
        return None
    return those[0] if len({one.entry.organisation for one in batch}) == 1 else None


def _begin_beside(batch: Sequence[_Waiting], *, now: bool) -> None:
    """Begin what is beside them; with `now` it is done on return, or it is known why it cannot be."""
    those: dict[Callable[[Sequence[Any], bool], Callable[[], object]], list[_Waiting]] = {}
    for one in batch:
        if one.beside is not None:
            those.setdefault(one.beside.begin, []).append(one)
    for begin, ones in those.items():
        done = begin([one.beside.part for one in ones if one.beside is not None], now)
        for one in ones:
            one.done = done
        if now:
            with suppress(PacsdError):           # each of them raises it
                done()


def _keeping(one: _Waiting) -> rows.Keeping:
    return one.entry, _state(one.act), one.answers


def _given(connection: Connection, one: _Waiting, kept: rows.Kept) -> Sequence[bytes]:
    """The answers to a message that took effect, if only now."""
    if _has_effect(kept):
        return kept.answers
    if kept.known:
        rows.settle(connection, kept.pk, state=_state(one.act), answers=one.answers)
    return one.answers


def _state(act: Act | None) -> str:
    return rows.IGNORED if act is None else rows.APPLIED


__all__ = ["Act", "Entry", "Inbox", "Logged", "Problem", "Work"]
