"""One statement run many times, straight through libpq: the driver around it would cost as much as PostgreSQL.

Values go in PostgreSQL's binary formats, so that nothing is quoted or parsed.
"""

import select
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from psycopg import errors, pq

from pacsd.index.connect import Connection
from pacsd.soon import soon

Row = tuple[bytes | None, ...]

TEXT, BINARY = 0, 1
_SOON_S = 0.0004                         # most answers come within that
_TUPLES_OK, _SYNC = int(pq.ExecStatus.TUPLES_OK), int(pq.ExecStatus.PIPELINE_SYNC)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)        # of timestamps on the wire
_MICROSECOND = timedelta(microseconds=1)

_LENGTH = struct.Struct(">i").pack

Encode = Callable[[Any], bytes]


def _array(oid: int, encode: Encode) -> Encode:
    """An array: dimensions, whether there are nulls, type; length and lower bound; each value after its length."""

    def encoded(values: Sequence[Any]) -> bytes:
        if not values:
            return struct.pack(">iiI", 0, 0, oid)
        pieces = [struct.pack(">iiIii", 1, 0, oid, len(values), 1)]
        for value in values:
            one = encode(value)
            pieces += (_LENGTH(len(one)), one)
        return b"".join(pieces)

    return encoded


def _time(at: time) -> bytes:
    microseconds = ((at.hour * 60 + at.minute) * 60 + at.second) * 1_000_000 + at.microsecond
    return struct.pack(">q", microseconds)


_SIMPLE: dict[str, tuple[int, Encode]] = {       # type -> OID, binary format (pg_type.dat)
    "integer": (23, struct.Struct(">i").pack),
    "bigint": (20, struct.Struct(">q").pack),
    "text": (25, str.encode),
    "bytea": (17, bytes),
    "date": (1082, lambda day: struct.pack(">i", (day - _EPOCH.date()).days)),
    "time": (1083, _time),
    "jsonb": (3802, lambda text: b"\1" + text.encode()),
    "timestamptz": (1184, lambda at: struct.pack(">q", (at - _EPOCH) // _MICROSECOND)),
}
_ARRAYS = {"text": 1009, "integer": 1007, "bytea": 1001, "timestamptz": 1185}    # their own OIDs
ENCODERS: dict[str, tuple[int, Encode]] = {
    **_SIMPLE, **{f"{one}[]": (oid, _array(*_SIMPLE[one])) for one, oid in _ARRAYS.items()},
}  # fmt: skip


class Direct:
    """A prepared statement of one connection, for the one thread that has the connection."""

    def __init__(self, connection: Connection, name: str, statement: str, types: Sequence[str]) -> None:
        """`statement` has `$1`, `$2` … for values of these types (the keys of ENCODERS). Raises psycopg.Error."""
        self._connection = connection
        self._pgconn = connection.pgconn
        self._name = name.encode()
        oids = [ENCODERS[kind][0] for kind in types]
        self._encoders = [ENCODERS[kind][1] for kind in types]
        self._formats = [BINARY] * len(oids)
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN)
        _raise_unless(self._pgconn.prepare(self._name, statement.encode(), oids), pq.ExecStatus.COMMAND_OK)

    def run(self, values: Sequence[Any], meanwhile: Callable[[], None] | None = None) -> list[Row]:
        """The rows, as text; outside of a transaction block they have been committed.

        PostgreSQL executes what it has been sent, and commits at the Sync that follows (protocol 54.2.4): `meanwhile`
        runs beside the statement, and nothing shows before it has returned. What it raises undoes the statement, and
        costs the connection. Raises psycopg.Error.
        """
        encoded = [
            None if value is None else encode(value) for encode, value in zip(self._encoders, values, strict=True)
        ]
        pgconn = self._pgconn
        pgconn.enter_pipeline_mode()
        try:
            pgconn.send_query_prepared(self._name, encoded, self._formats, TEXT)
            self._flush()
            if meanwhile is not None:
                meanwhile()
            pgconn.pipeline_sync()
            self._flush()
            rows, failed = self._rows()
            pgconn.exit_pipeline_mode()
        except BaseException:
            self._connection.close()             # without a Sync: PostgreSQL rolls back
            raise
        if failed is not None:
            raise errors.error_from_result(failed)
        return rows

    def forget(self) -> None:
        """Remove the statement from its connection. Raises psycopg.Error."""
        self._connection.execute(f"deallocate {self._name.decode()}")

    def _flush(self) -> None:
        while self._pgconn.flush():
            poll = select.poll()
            poll.register(self._connection.fileno(), select.POLLOUT)
            poll.poll()

    def _rows(self) -> "tuple[list[Row], pq.abc.PGresult | None]":
        """The answer up to the Sync's, and what refused the statement."""
        rows: list[Row] = []
        failed: pq.abc.PGresult | None = None
        while True:
            result = self._result()
            if result is None:
                continue                         # the end of the statement's results
            status = result.status
            if status == _SYNC:
                return rows, failed
            if status == _TUPLES_OK:
                rows += [
                    tuple([result.get_value(row, column) for column in range(result.nfields)])
                    for row in range(result.ntuples)
                ]
            else:
                failed = result

    def _result(self) -> "pq.abc.PGresult | None":
        while self._pgconn.is_busy():
            if not soon(self._is_readable, within_s=_SOON_S):
                self._poll.poll()
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _is_readable(self) -> bool:
        return bool(self._poll.poll(0))


def _raise_unless(result: "pq.abc.PGresult", status: pq.ExecStatus) -> None:
    if result.status != status:
        raise errors.error_from_result(result)


__all__ = ["Direct", "Row"]
