"""Making durable objects visible: one statement for an object of a known series, one transaction for all who wait."""

import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import psycopg
from psycopg import errors

from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, Pool, PooledConnection, lent, translate
from pacsd.index.described import Above, Describe, above, require_keys
from pacsd.index.first import StoreFirst
from pacsd.index.group import Group, Ticket
from pacsd.index.loose import Again, Ready, StoreOne, insert, insert_unlike
from pacsd.index.placement import PatientsMoved, Placed, place
from pacsd.index.records import Arrival, Outcome, Stored
from pacsd.index.rejection_notes import keep_hidden
from pacsd.index.replace import replace

log = logging.getLogger("pacsd.index")

_ROUNDS = 5                          # how often a race is run again before it counts as a failure
_MOVES = 100                         # the same, of races with merges of the patient

# Right for these statements whatever the tables held when the connection planned them: index lookups only.
_PLANS = ("plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_hashjoin = off",
          "enable_mergejoin = off", "enable_bitmapscan = off")  # fmt: skip

_SeriesIdentity = tuple[int, str, str, bytes, str]
_Insert = Callable[[Connection, "Sequence[_Waiting]", Sequence[int], bool], "list[Stored | Again]"]


class _Waiting(Ticket):
    """An arrival on its way into the index, and what became of it."""

    __slots__ = ("_above", "_durable", "_settling", "answer", "arrival")

    def __init__(self, arrival: Arrival, durable: Callable[[], None] | None = None) -> None:
        super().__init__()
        require_keys(arrival)
        self.arrival = arrival
        self.answer: Stored | PacsdError | None = None
        self._above: Above | None = None
        self._durable = durable
        self._settling: threading.Lock | None = None

    def will_wait(self) -> None:
        """Close both gates: that of the answer, and that of being durable, which this ticket's own thread opens."""
        super().will_wait()
        if self._durable is not None:
            self._settling = threading.Lock()
            self._settling.acquire()

    def meanwhile(self) -> None:
        """Become durable on the own thread, so that those who wait for one disk wait together."""
        if self._settling is not None:
            try:
                self._make_durable()
            finally:
                self._settling.release()

    def settle(self) -> None:
        """Return when the object is durable, or `answer` says why it will not be."""
        if self._settling is None:
            self._make_durable()
        else:
            with self._settling:
                return

    def settle_or_raise(self) -> None:
        """The same. Raises _NotDurableError where it will not be."""
        self.settle()
        if self.answer is not None:
            raise _NotDurableError

    def _make_durable(self) -> None:
        durable, self._durable = self._durable, None
        try:
            if durable is not None:
                durable()
        except PacsdError as error:
            self.answer = error
        except Exception as error:
            log.exception("making an object durable failed")
            self.answer = PacsdError(Fault.INTERNAL, f"the object is not durable: {type(error).__name__}")

    @property
    def is_settling(self) -> bool:
        """Whether there is anything to wait for until the object is durable."""
        return self._durable is not None or self._settling is not None

    @property
    def identity(self) -> _SeriesIdentity:
        a = self.arrival
        return a.organisation, a.study_instance_uid, a.series_instance_uid, a.fingerprint, a.sop_class_uid

    def above(self, describe: Describe) -> Above:
        if self._above is None:
            self._above = describe(self.arrival)
        return self._above

    def result(self) -> Stored:
        if isinstance(self.answer, Stored):
            return self.answer
        raise self.answer or PacsdError(Fault.INTERNAL, "the index gave no answer")


class _Once:
    """A call for several who wait for it: made by the first of them; all get its error."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call
        self._error: Exception | None = None
        self._mutex = threading.Lock()

    def __call__(self) -> None:
        with self._mutex:
            call, self._call = self._call, None
            try:
                if call is not None:
                    call()
            except Exception as error:
                self._error = error
        if self._error is not None:
            raise self._error


class _NotDurableError(Exception):
    """An object of the batch did not become durable; the others are to be tried again without it."""


class _SeriesCache:
    """Keys of series by identity; what is in here needs no look at patient, study and series. Thread-safe.

    Good for one connection only: what ended it may have been a crash of PostgreSQL that took back a series which
    had not reached its disk, and gave the key to another one since.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: OrderedDict[_SeriesIdentity, int] = OrderedDict()
        self._mutex = threading.Lock()

    def get(self, identity: _SeriesIdentity) -> int | None:
        with self._mutex:
            series = self._keys.get(identity)
            if series is not None:
                self._keys.move_to_end(identity)
            return series

    def put(self, identity: _SeriesIdentity, series: int) -> None:
        with self._mutex:
            self._keys[identity] = series
            if len(self._keys) > self._size:
                self._keys.popitem(last=False)

    def drop(self, identity: _SeriesIdentity) -> None:
        with self._mutex:
            self._keys.pop(identity, None)

    def clear(self) -> None:
        with self._mutex:
            self._keys.clear()


class Ingest:
    """Writes arrivals. Thread-safe; `store` keeps one connection of the pool to itself.

    `series_cache` bounds how many series are remembered: an object of a remembered series that says nothing
    new above the instance costs one round trip. `other_patient_count` counts objects that named another
    patient than their study's first object did (they are kept with the first).
    """

    def __init__(
        self, pool: Pool, *, describe: Describe = above, series_cache: int = 20_000, batch: int = 256
    ) -> None:
        self._pool = pool
        self._describe = describe
        self._cache = _SeriesCache(series_cache)
        self._batch = batch
        self._group: Group[_Waiting] = Group(self._work, limit=batch)
        self._own: PooledConnection | None = None
        self._store_one: StoreOne | None = None
        self._store_first: StoreFirst | None = None
        self.other_patient_count = 0

    def store(self, arrival: Arrival, durable: Callable[[], None] | None = None) -> Stored:
        """Make one arrival visible; its transaction has committed on return.

        `durable` makes the bytes durable, once, and raises PacsdError if it cannot. It runs while PostgreSQL
        executes the statement; the transaction commits only after it has returned.

        Whether that waits for the disk is the pool's `synchronous_commit`; without, the spool repairs what a
        crash takes back. Raises PacsdError: MALFORMED (a UID no key can hold), UNAVAILABLE, FULL, INTERNAL.
        """
        waiting = _Waiting(arrival, durable)
        self._group.run(waiting)
        return waiting.result()

    def store_all(self, arrivals: Sequence[Arrival], durable: Callable[[], None]) -> list[Stored | PacsdError]:
        """The same for arrivals that become durable together: an answer for each, in order.

        Where `durable` fails, none becomes visible.
        """
        once = _Once(durable)
        answers: list[_Waiting | PacsdError] = []
        for arrival in arrivals:
            try:
                answers.append(_Waiting(arrival, once))
            except PacsdError as error:
                answers.append(error)
        if waiting := [one for one in answers if isinstance(one, _Waiting)]:
            self._group.run_all(waiting)
        return [one if isinstance(one, PacsdError) else one.answer or _lost() for one in answers]

    def store_many(self, arrivals: Iterable[Arrival]) -> list[Stored | PacsdError]:
        """The same for rebuild and import: an answer for each, in order; a bad object fails no other."""
        answers: list[_Waiting | PacsdError] = []
        for arrival in arrivals:
            try:
                answers.append(_Waiting(arrival))
            except PacsdError as error:
                answers.append(error)
        waiting = [one for one in answers if isinstance(one, _Waiting)]
        self._cache.clear()
        for start in range(0, len(waiting), self._batch):
            with lent(self._pool) as connection:
                self._settle(connection, waiting[start : start + self._batch], _insert)
        return [one if isinstance(one, PacsdError) else one.answer or _lost() for one in answers]

    def store_unlike(self, arrival: Arrival, series: Sequence[int]) -> Stored:
        """Like `store`, of an arrival whose UID only shares its hash with what is packed in these series."""

        def work(
            connection: Connection, ones: Sequence[_Waiting], keys: Sequence[int], _: bool
        ) -> list[Stored | Again]:
            return insert_unlike(connection, _ready(ones[0], keys[0]), series)

        waiting = _Waiting(arrival)
        with lent(self._pool) as connection:
            self._settle(connection, [waiting], work, cached=False)
        return waiting.result()

    def replace(self, arrival: Arrival, *, grace_s: float = 3600.0) -> Stored:
        """Like `store`, but other bytes under this SOP Instance UID give way.

        `existing` is what was loose before (garbage after `grace_s`), `packed_series` where a packed copy is
        hidden from now on.
        """

        def work(
            connection: Connection, ones: Sequence[_Waiting], series: Sequence[int], _: bool
        ) -> list[Stored | Again]:
            return [replace(connection, _ready(ones[0], series[0]), grace_s=grace_s)]

        waiting = _Waiting(arrival)
        with lent(self._pool) as connection:
            self._settle(connection, [waiting], work, cached=False)
        return waiting.result()

    def store_hidden(self, arrival: Arrival) -> Stored:
        """Like `store`, of an arrival that was rejected before it came: kept, and hidden, if it may be."""

        def work(
            connection: Connection, ones: Sequence[_Waiting], series: Sequence[int], _: bool
        ) -> list[Stored | Again]:
            return [keep_hidden(connection, _ready(ones[0], series[0]))]

        waiting = _Waiting(arrival)
        with lent(self._pool) as connection:
            self._settle(connection, [waiting], work, cached=False)
        return waiting.result()

    def close(self) -> None:
        """Give the connection back; nobody may be storing."""
        if self._own is None:
            return
        own, self._own = self._own, None
        ready = (self._store_one, self._store_first)
        self._store_one = self._store_first = None
        try:
            for statement in ready:
                if statement is not None:
                    statement.forget()
            for setting in _PLANS:
                own.execute(f"reset {setting.partition(' ')[0]}")
        except psycopg.Error:
            own.close()
        self._pool.putconn(own)

    def _work(self, batch: Sequence[_Waiting]) -> None:
        try:
            try:
                self._settle(self._connection(), batch, self._insert)
            except (psycopg.OperationalError, _NotDurableError):
                # Safe to run again: an arrival that did commit finds its own row.
                self.close()
                self._settle(self._connection(), batch, self._insert)
        except psycopg.Error as error:
            self.close()
            _fail(batch, translate(error))
        except Exception as error:
            log.exception("storing a batch failed")
            self.close()
            _fail(batch, PacsdError(Fault.INTERNAL, f"the index failed: {type(error).__name__}"))

    def _insert(
        self, connection: Connection, ones: Sequence[_Waiting], series: Sequence[int], beside: bool
    ) -> list[Stored | Again]:
        if len(ones) > 1 or self._store_one is None:
            return _insert(connection, ones, series, beside)
        meanwhile = (lambda: _all_settled(ones)) if beside else None
        return [self._store_one(_ready(ones[0], series[0]), meanwhile)]

    def _connection(self) -> Connection:
        if self._own is None or self._own.closed:
            self.close()
            self._cache.clear()
            self._own = self._pool.getconn()
            self._own.declare(None)
            for setting in _PLANS:
                self._own.execute(f"set {setting}")
            self._store_one = StoreOne(self._own)
            self._store_first = StoreFirst(self._own)
        elif self._store_one is None or self._store_first is None:
            for name in (StoreOne.NAME, StoreFirst.NAME):
                with contextlib.suppress(errors.InvalidSqlStatementName):
                    self._own.execute(f"deallocate {name}")
            self._store_one = StoreOne(self._own)
            self._store_first = StoreFirst(self._own)
        return self._own

    def _settle(
        self, connection: Connection, batch: Sequence[_Waiting], work: _Insert, *, cached: bool = True
    ) -> None:
        """Answer a batch; where it is refused as a whole, each of its objects on its own."""
        try:
            self._attempt(connection, batch, work, cached)
        except (errors.DeadlockDetected, errors.SerializationFailure, errors.DataError, errors.IntegrityError,
                errors.InternalError_, errors.ProgrammingError) as error:  # fmt: skip
            log.info("a batch was refused", extra={"objects": len(batch), "sqlstate": error.sqlstate})
            if connection is self._own:
                # The driver took every prepared statement away with the rollback.
                self._store_one = self._store_first = None
            for one in batch:
                self._alone(connection, one, work, cached)

    def _alone(self, connection: Connection, one: _Waiting, work: _Insert, cached: bool) -> None:
        if one.answer is not None:
            return None
        try:
            for _ in range(_MOVES):
                try:
                    return self._attempt(connection, [one], work, cached)
                except PatientsMoved:
                    continue
            one.answer = PacsdError(Fault.UNAVAILABLE, "the patient kept being merged while an object of it arrived")
        except (errors.DeadlockDetected, errors.SerializationFailure) as error:
            one.answer = translate(error)
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            one.answer = translate(error)

    def _attempt(self, connection: Connection, batch: Sequence[_Waiting], work: _Insert, cached: bool) -> None:
        if len(batch) == 1 and connection is self._own and self._is_plain(batch[0]):
            return
        left = [one for one in batch if one.answer is None]
        for _ in range(_ROUNDS):
            if not left:
                return
            known = [(one, self._cache.get(one.identity) if cached else None) for one in left]
            hits = [(one, series) for one, series in known if series is not None]
            if hits:
                ones, series = [one for one, _ in hits], [key for _, key in hits]
                self._take(ones, work(connection, ones, series, True))
            new = [one for one, series in known if series is None]
            if len(new) == 1 and connection is self._own:
                self._first(new[0])
            self._place(connection, [one for one in new if one.answer is None], work)
            left = [one for one in left if one.answer is None]
        _fail(left, PacsdError(Fault.UNAVAILABLE, "the series kept changing while an object of it arrived"))

    def _is_plain(self, one: _Waiting) -> bool:
        """Whether it is an object of a remembered series, as most are, and was stored as such."""
        series, store = self._cache.get(one.identity), self._store_one
        if series is None or store is None or one.answer is not None:
            return False
        self._take((one,), (store(Ready(one.arrival, series), one.settle_or_raise),))
        return one.answer is not None

    def _first(self, one: _Waiting) -> None:
        """Store an object whose study is new too; several at once go the long way, which keeps the order of locks."""
        levels = self._levels(one)
        if levels is None or self._store_first is None:
            return
        series = self._store_first(one.arrival, levels, lambda: _all_settled([one]))
        if series is not None:
            self._cache.put(one.identity, series)
            one.answer = Stored(Outcome.STORED)

    def _place(self, connection: Connection, new: Sequence[_Waiting], work: _Insert) -> None:
        for one in new:
            one.settle()
        durable = [one for one in new if one.answer is None]
        described = [(one, levels) for one in durable if (levels := self._levels(one)) is not None]
        if not described:
            return
        ones = [one for one, _ in described]
        with connection.transaction():
            placed = place(connection, [(one.arrival, levels) for one, levels in described])
            answers = work(connection, ones, [at.series for at in placed], False)
        for one, at in zip(ones, placed, strict=True):
            self._cache.put(one.identity, at.series)
            self._warn(one, at)
        self._take(ones, answers)

    def _levels(self, one: _Waiting) -> Above | None:
        try:
            return one.above(self._describe)
        except PacsdError as error:
            one.answer = error
        except Exception as error:
            log.exception("an object could not be described")
            one.answer = PacsdError(Fault.INTERNAL, f"the object could not be described: {type(error).__name__}")
        return None

    def _take(self, ones: Sequence[_Waiting], answers: Sequence[Stored | Again]) -> None:
        for one, answer in zip(ones, answers, strict=True):
            if isinstance(answer, Stored):
                one.answer = answer
            elif answer is Again.VANISHED:
                self._cache.drop(one.identity)

    def _warn(self, one: _Waiting, at: Placed) -> None:
        if at.other_patient:
            self.other_patient_count += 1
            log.warning(
                "an object names another patient than its study does; the first is kept",
                extra={"study_instance_uid": one.arrival.study_instance_uid, "source_ae": one.arrival.source_ae},
            )


def _insert(
    connection: Connection, ones: Sequence[_Waiting], series: Sequence[int], beside: bool
) -> list[Stored | Again]:
    """`beside`: the statement is a transaction of its own, in which the objects become durable."""
    ready = [_ready(one, key) for one, key in zip(ones, series, strict=True)]
    if not beside or not any(one.is_settling for one in ones):
        return insert(connection, ready)
    return insert(connection, ready, lambda: _all_settled(ones))


def _all_settled(ones: Iterable[_Waiting]) -> None:
    for one in ones:
        one.settle()
    if any(one.answer is not None for one in ones):
        raise _NotDurableError


def _ready(one: _Waiting, series: int) -> Ready:
    return Ready(one.arrival, series)


def _fail(ones: Iterable[_Waiting], error: PacsdError) -> None:
    for one in ones:
        if one.answer is None:
            one.answer = error


def _lost() -> PacsdError:
    return PacsdError(Fault.INTERNAL, "the index gave no answer")
