"""Connections to PostgreSQL, and its failures in our own terms."""

import logging
import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Literal, TypeVar

import orjson
import psycopg
from psycopg import errors, pq
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout

from pacsd.access.scope import Scope
from pacsd.faults import Fault, PacsdError
from pacsd.index.declaration import DECLARE, OURS, Declaration, declaration

Connection = psycopg.Connection[TupleRow]
Cursor = psycopg.Cursor[TupleRow]
Values = Sequence[Any] | Mapping[str, Any]
SynchronousCommit = Literal["on", "off", "local", "remote_write", "remote_apply"]

# Statements are prepared where the caller says so: a search planned without its values is planned badly.
# (None would forbid the rest too.)
_NEVER = 1 << 30

log = logging.getLogger("pacsd.index")
T = TypeVar("T")


class Prepared:
    """The statements that were prepared on a connection without the driver, each under a name of its own."""

    def __init__(self) -> None:
        self._names: dict[str, bytes] = {}
        self._forgotten = 0

    def name(self, statement: str) -> tuple[bytes, bool]:
        """The name on the connection, and whether it is still to be prepared under it."""
        known = self._names.get(statement)
        if known is not None:
            return known, False
        made = self._names[statement] = f"{statement}_{self._forgotten}".encode()
        return made, True

    def forget(self) -> None:
        """Prepare them all anew, under other names."""
        self._names.clear()
        self._forgotten += 1


class PooledConnection(psycopg.Connection[TupleRow]):
    """A connection of our pools: statements that come again and again keep their cursors, and what was declared stays.

    `scope`: for whom it reads; `declared`: what PostgreSQL was told of that, None where that is not certain.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cursors: dict[str, Cursor] = {}
        self.prepared = Prepared()
        self.planned: dict[tuple[bytes, tuple[int, ...]], bytes] = {}    # by statement and types, the latest last
        self._names = count(1)
        self.scope: Scope | None = None
        self.declared: Declaration | None = OURS

    def declare(self, scope: Scope | None) -> None:
        """Read for a scope from now on, or for the server itself. Not for use inside a transaction."""
        if self.scope is scope and self.declared is not None:
            return
        wanted = declaration(scope)
        if wanted != self.declared:
            self.declared = None
            self._run(DECLARE, wanted)
            self.declared = wanted
        self.scope = scope

    def next_name(self) -> bytes:
        """Of one more statement that is prepared on it (see `whole`)."""
        return b"whole_%d" % next(self._names)

    def _run(self, statement: bytes, values: Sequence[str]) -> None:
        """Straight through libpq: readers that take turns on a connection wait for this."""
        done = self.pgconn.exec_params(statement, [value.encode() for value in values])
        if done.status != pq.ExecStatus.TUPLES_OK:
            raise errors.error_from_result(done)


class Pool(ConnectionPool[PooledConnection]):
    """Connections that read and write for the server itself, or read for somebody."""

    @contextmanager
    def connection(self, timeout: float | None = None, scope: Scope | None = None) -> Iterator[PooledConnection]:
        """One of them, that reads for `scope` and cannot do anything else, or without one for the server itself."""
        with super().connection(timeout) as connection:
            connection.declare(scope)
            yield connection


def prepared_on(connection: Connection) -> Prepared:
    """What was prepared on a connection of our pools without the driver."""
    if not isinstance(connection, PooledConnection):
        raise TypeError("a connection of another pool")
    return connection.prepared


def again(connection: Connection, statement: str, values: Values) -> Cursor:
    """Run a prepared statement of the few that every message needs; its answer lasts until it is run again.

    A cursor finds out how each type is written and read, which takes as long as a small statement; kept, it knows.
    """
    if not isinstance(connection, PooledConnection):
        return connection.execute(statement, values, prepare=True)
    cursor = connection.cursors.get(statement)
    if cursor is None:
        cursor = connection.cursors[statement] = connection.cursor()
    return cursor.execute(statement, values, prepare=True)


def pool(
    dsn: str,
    *,
    min_size: int = 1,
    max_size: int = 4,
    synchronous_commit: SynchronousCommit = "on",
    timeout_s: float = 10.0,
    statement_timeout_s: float = 0.0,
) -> Pool:
    """An opened pool of autocommit connections that act as `pacsd_app`, which owns nothing.

    Connections are made in the background; `timeout_s` bounds the wait for a free one, `statement_timeout_s` that for a
    statement's answer (0: nothing does). Every one is checked before it is lent, so that a PostgreSQL restart costs a
    reconnection and not an error.
    """
    return Pool(
        dsn,
        connection_class=PooledConnection,
        min_size=min_size,
        max_size=max_size,
        timeout=timeout_s,
        kwargs={"autocommit": True, "prepare_threshold": _NEVER, "application_name": "pacsd"},
        configure=lambda connection: _configure(connection, synchronous_commit, statement_timeout_s),
        check=_check,
        open=True,
        name="pacsd-index",
        reconnect_timeout=60.0,
    )


def wait_for_database(pool: Pool, *, timeout_s: float) -> None:
    """Return when a statement has been answered. Raises PacsdError UNAVAILABLE after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        left = deadline - time.monotonic()
        try:
            with pool.connection(timeout=max(left, 0.05)) as connection:
                connection.execute("select 1")
            return
        except psycopg.OperationalError as error:      # PoolTimeout is one
            if time.monotonic() >= deadline:
                raise _unavailable() from error
            pool.check()


@contextmanager
def lent(pool: Pool, scope: Scope | None = None) -> Iterator[Connection]:
    """A connection for a few statements; what PostgreSQL raises inside comes out as PacsdError.

    With a scope it reads for that, and PostgreSQL itself gives it nothing else (declaration.py); it does not write.
    """
    with translated(), pool.connection(scope=scope) as connection:
        yield connection


@contextmanager
def translated() -> Iterator[None]:
    """The store's boundary: psycopg's errors become PacsdError, with the cause kept for the log."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error) from error


def translate(error: psycopg.Error) -> PacsdError:
    """A driver's error in our terms."""
    if isinstance(error, errors.DiskFull):
        return PacsdError(Fault.FULL, "no room left in the index")
    if isinstance(error, errors.QueryCanceled):
        return PacsdError(Fault.UNAVAILABLE, "the index took too long; ask for less, or later")
    if isinstance(error, psycopg.OperationalError):    # PoolTimeout is one
        return _unavailable()
    return PacsdError(Fault.INTERNAL, f"the index refused a statement ({error.sqlstate})")


def may_run_again(error: PacsdError) -> bool:
    """Whether a transaction came to nothing only because another one was in its way."""
    return isinstance(error.__cause__, (errors.SerializationFailure, errors.DeadlockDetected))


def retried(pool: Pool, work: Callable[[Connection], T], scope: Scope | None = None) -> T:
    """`work` on a lent connection, once more on another if the first was lost; only for what may run twice.

    `scope` as of `lent`.
    """
    with translated():
        try:
            with pool.connection(scope=scope) as connection:
                return work(connection)
        except (PoolTimeout, errors.QueryCanceled):          # the same statement would take as long again
            raise
        except psycopg.OperationalError:
            log.info("lost a database connection, trying another")
            with pool.connection(scope=scope) as connection:
                return work(connection)


def _configure(connection: Connection, synchronous_commit: str, statement_timeout_s: float) -> None:
    set_json_loads(orjson.loads, connection)
    connection.execute("set role pacsd_app")
    connection.execute("select set_config('synchronous_commit', %s, false)", (synchronous_commit,))
    if statement_timeout_s:
        milliseconds = str(max(1, round(statement_timeout_s * 1000)))
        connection.execute("select set_config('statement_timeout', %s, false)", (milliseconds,))
    connection.execute("set jit = off")                # compiling costs more than these statements take


def _check(connection: psycopg.Connection[Any]) -> None:
    # A round trip for every loan would double the cost of a small query; a socket the server closed reads
    # as ready, and one that merely holds a notice is checked in full.
    if connection.closed or _readable(connection):
        ConnectionPool.check_connection(connection)


def _readable(connection: psycopg.Connection[Any]) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _unavailable() -> PacsdError:
    return PacsdError(Fault.UNAVAILABLE, "the index does not answer")
