"""Statements whose answer is waited for in one call of libpq.

The driver looks after each piece of an answer that arrives: a page comes in a dozen, and for each of them its thread
queues for the interpreter's lock again. Values and rows are written and read as the driver does it.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from psycopg import errors, pq
from psycopg.adapt import PyFormat, Transformer

from pacsd.index.connect import Connection, PooledConnection

_MOST_PREPARED = 100                     # statements of one connection; the one that was asked longest ago goes
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\)s|%)")
_RESULT_CHANGED = b"0A000"               # feature_not_supported: a cached plan must not change its result type
_PLANNED_ANEW = (b"26000", _RESULT_CHANGED)      # invalid_sql_statement_name
_BINARY, _IDLE = pq.Format.BINARY, pq.TransactionStatus.IDLE


def whole(connection: Connection, text: str, values: Mapping[str, Any], *, planned_once: bool = False) -> list[Any]:
    """The rows of a statement with `%(name)s` for values, each as the driver reads it in its binary format.

    `planned_once`: for whatever values, not for these. Within a transaction the driver runs it: a name that it let go
    of would end that. Raises psycopg.Error.
    """
    if not isinstance(connection, PooledConnection) or connection.pgconn.transaction_status != _IDLE:
        return connection.execute(text, values, prepare=planned_once, binary=True).fetchall()
    statement, names = _numbered(text)
    driver = Transformer(connection)
    given = driver.dump_sequence([values[name] for name in names], [PyFormat.AUTO] * len(names))
    if planned_once:
        result = _run_prepared(connection, statement, driver.types or (), given, driver.formats)
    else:
        result = connection.pgconn.exec_params(statement, given, driver.types, driver.formats, _BINARY)
    if result.status != pq.ExecStatus.TUPLES_OK:
        raise _failure(connection, result)
    driver.set_pgresult(result, format=_BINARY)
    return driver.load_rows(0, result.ntuples, tuple)


@lru_cache(maxsize=512)
def _numbered(text: str) -> tuple[bytes, tuple[str, ...]]:
    """The statement as libpq has it, and which values are `$1`, `$2` …"""
    numbers: dict[str, int] = {}

    def number(found: "re.Match[str]") -> str:
        name = found[1]
        return "%" if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

    return _PLACEHOLDER.sub(number, text).encode(), tuple(numbers)


def _run_prepared(
    connection: PooledConnection, statement: bytes, types: tuple[int, ...], given: Any, formats: Any
) -> pq.abc.PGresult:
    """Under the name that it has on the connection; it gets one where it has none, or lost it with a transaction."""
    key = statement, types
    name = connection.planned.pop(key, None)
    if name is not None:
        connection.planned[key] = name
        result = connection.pgconn.exec_prepared(name, given, formats, _BINARY)
        state = result.error_field(pq.DiagnosticField.SQLSTATE)
        if state not in _PLANNED_ANEW:
            return result
        del connection.planned[key]
        if state == _RESULT_CHANGED:
            _raise_unless_done(connection, connection.pgconn.close_prepared(name))
    if len(connection.planned) >= _MOST_PREPARED:
        _raise_unless_done(connection, connection.pgconn.close_prepared(_oldest(connection)))
    name = connection.next_name()
    _raise_unless_done(connection, connection.pgconn.prepare(name, statement, types))
    connection.planned[key] = name
    return connection.pgconn.exec_prepared(name, given, formats, _BINARY)


def _oldest(connection: PooledConnection) -> bytes:
    return connection.planned.pop(next(iter(connection.planned)))


def _raise_unless_done(connection: PooledConnection, result: pq.abc.PGresult) -> None:
    if result.status != pq.ExecStatus.COMMAND_OK:
        raise _failure(connection, result)


def _failure(connection: PooledConnection, result: pq.abc.PGresult) -> Exception:
    """What PostgreSQL refused, or that it is gone."""
    if connection.closed:
        return errors.OperationalError("the connection is lost")
    return errors.error_from_result(result)
