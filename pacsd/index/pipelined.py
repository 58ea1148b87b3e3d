"""Transactions of two round trips, straight through libpq: PostgreSQL is asked for more before it has answered.

Statements run in the order in which they were asked for, each by what those before it did (protocol 54.2.4). One that
fails ends the transaction: those after it do not run, the commit among them. The driver around them would take as long
as PostgreSQL for what every message needs; other statements go by the driver, between the two trips.
"""

import re
import select
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, NamedTuple

from psycopg import errors, pq

from pacsd.index.connect import Connection, Pool, lent, prepared_on
from pacsd.index.direct import BINARY, ENCODERS, TEXT, Row

Rows = list[Row]
# What is asked for here is looked up by keys. A plan that was made while a table had a page might read all of it, and
# go on to when it has many.
_BEGIN = (b"begin", b"set local enable_seqscan = off")


class Statement(NamedTuple):
    """A statement with `$1`, `$2` … for values of these types (the keys of ENCODERS)."""

    name: str
    text: str
    types: tuple[str, ...]


class Asked(NamedTuple):
    """A statement and its values."""

    statement: Statement
    values: Sequence[Any]


def numbered(text: str) -> str:
    """The driver's statement as libpq has it: `%s` becomes `$1`, `$2` …"""
    numbers = count(1)
    return re.sub("%s", lambda _: f"${next(numbers)}", text)


class Pipelined:
    """A transaction of a lent connection. Between `begin` and `end` the driver may be used on it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._pgconn = connection.pgconn
        self._prepared = prepared_on(connection)

    def begin(self, *asked: Asked) -> list[Rows]:
        """Begin, and the rows of each statement, as text, in one round trip. Raises psycopg.Error."""
        try:
            return self._begun(asked)
        except errors.InvalidSqlStatementName:   # the driver lets go of all of them when a transaction failed
            self.connection.rollback()
            return self._begun(asked)

    def end(
        self, asked: Sequence[Asked], *, meanwhile: Callable[[], None], beside: Callable[[], None]
    ) -> None:
        """Run statements, `meanwhile` beside them; then commit, and `beside` beside that: durable on return.

        What `meanwhile` raises undoes all; what `beside` raises comes out, and all may have been committed. Raises
        psycopg.Error, too late for both.
        """
        with self._piped() as wanted:
            self._send(asked, wanted)
            self._flush()
            meanwhile()
            self._pgconn.send_query_params(b"commit", None)
            self._pgconn.pipeline_sync()
            self._flush()
            beside()
            self._read(len(wanted) + 1)

    def _begun(self, asked: Sequence[Asked]) -> list[Rows]:
        with self._piped() as wanted:
            for statement in _BEGIN:
                self._pgconn.send_query_params(statement, None)
            self._send(asked, wanted)
            self._pgconn.pipeline_sync()
            self._flush()
            answers = self._read(len(wanted) + len(_BEGIN))[len(_BEGIN) :]
        return [rows for rows, is_wanted in zip(answers, wanted, strict=True) if is_wanted]

    @contextmanager
    def _piped(self) -> Generator[list[bool]]:
        """In pipeline mode; of each that is sent, whether its rows are wanted.

        What is not answered costs the connection, and PostgreSQL rolls back.
        """
        self._pgconn.enter_pipeline_mode()
        try:
            yield []
            self._pgconn.exit_pipeline_mode()
        except errors.Error:                     # what PostgreSQL said, after all that it was asked was answered
            with suppress(errors.Error):
                self._pgconn.exit_pipeline_mode()
            raise
        except BaseException:
            self.connection.close()
            raise

    def _send(self, asked: Sequence[Asked], wanted: list[bool]) -> None:
        for statement, values in asked:
            name, is_new = self._prepared.name(statement.name)
            if is_new:
                types = [ENCODERS[kind][0] for kind in statement.types]
                self._pgconn.send_prepare(name, statement.text.encode(), types)
                wanted.append(False)
            given = [None if value is None else ENCODERS[kind][1](value)
                     for kind, value in zip(statement.types, values, strict=True)]  # fmt: skip
            self._pgconn.send_query_prepared(name, given, [BINARY] * len(given), TEXT)
            wanted.append(True)

    def _flush(self) -> None:
        while self._pgconn.flush():
            poll = select.poll()
            poll.register(self._pgconn.socket, select.POLLIN | select.POLLOUT)
            poll.poll()
            self._pgconn.consume_input()

    def _read(self, number: int) -> list[Rows]:
        """The answers to so many, up to the Sync's; raises what the first of them was refused with."""
        answers: list[Rows] = []
        failed: pq.abc.PGresult | None = None
        while (result := self._result()) is None or result.status != pq.ExecStatus.PIPELINE_SYNC:
            if result is None:
                continue                         # the end of one's results
            answers.append(_rows(result))
            if failed is None and result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
                failed = result
        if failed is not None:
            self._prepared.forget()              # nobody knows of which the failure kept PostgreSQL from hearing
            raise errors.error_from_result(failed)
        if len(answers) != number:
            raise RuntimeError("not as many answers as questions")
        return answers

    def _result(self) -> "pq.abc.PGresult | None":
        while self._pgconn.is_busy():
            poll = select.poll()
            poll.register(self._pgconn.socket, select.POLLIN)
            poll.poll()
            self._pgconn.consume_input()
        return self._pgconn.get_result()


@contextmanager
def pipelined(pool: Pool) -> Generator[Pipelined]:
    """A transaction, undone on leaving unless it was ended. Raises PacsdError."""
    with lent(pool) as connection:
        yield Pipelined(connection)


def _rows(result: "pq.abc.PGresult") -> Rows:
    columns = range(result.nfields)
    return [tuple([result.get_value(row, column) for column in columns]) for row in range(result.ntuples)]


__all__ = ["Asked", "Pipelined", "Row", "Rows", "Statement", "numbered", "pipelined"]
