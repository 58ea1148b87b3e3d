"""Connections to PostgreSQL."""

import time
from contextlib import closing

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import Connection, lent, pool, retried


def test_a_statement_that_takes_too_long_fails_once_and_costs_no_connection(database: str) -> None:
    with closing(pool(database, max_size=1, statement_timeout_s=0.2)) as made:
        asked: list[int] = []

        def slowly(connection: Connection) -> None:
            asked.append(connection.info.backend_pid)
            connection.execute("select pg_sleep(20)")

        began = time.monotonic()
        with pytest.raises(PacsdError) as caught:
            retried(made, slowly)
        assert caught.value.fault is Fault.UNAVAILABLE and "too long" in caught.value.message
        assert time.monotonic() - began < 10
        with lent(made) as connection:
            assert connection.info.backend_pid == asked[0]
            assert connection.execute("select 1").fetchone() == (1,)
        assert len(asked) == 1


def test_without_a_limit_a_statement_may_take_its_time(database: str) -> None:
    with closing(pool(database, max_size=1)) as made, lent(made) as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("0",)
