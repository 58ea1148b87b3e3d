"""Transactions of few round trips: PostgreSQL is asked for the next before it has answered the last (protocol 54.2.4).

Statements run in the order in which they were asked for, each by what those before it did. One that fails ends the
transaction: those after it do not run, the commit among them, and its error comes out where an answer is read, at the
latest on leaving.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from pacsd.index.connect import Connection, Pool, again, lent


class Pipelined:
    """A transaction that has begun. What is asked for by `connection` waits for no answer until one is read."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def send(self) -> None:
        """Have PostgreSQL work on everything that it was asked, while something else is done here."""
        self.connection.pgconn.flush()

    def commit(self, beside: Callable[[], None]) -> None:
        """Commit, and do something `beside` it. Whether it was committed is known on leaving."""
        again(self.connection, "commit", ())
        self.send()
        beside()


@contextmanager
def pipelined(pool: Pool) -> Generator[Pipelined]:
    """A transaction of which everything is durable on leaving, or nothing. Raises PacsdError."""
    with lent(pool) as connection, connection.pipeline():
        again(connection, "begin", ())
        yield Pipelined(connection)
