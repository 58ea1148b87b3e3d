"""A command finds the database, whether a server runs or not."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.settings import Settings
from pacsd.faults import Fault, PacsdError
from pacsd.supervise.attach import database


@pytest.fixture
def settings() -> Iterator[Settings]:
    folder = tempfile.mkdtemp(prefix="pa-")
    yield Settings(data_dir=Path(folder))
    shutil.rmtree(folder)


def test_command_starts_postgres_and_ends_it(settings: Settings) -> None:
    with database(settings) as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)


def test_command_uses_the_postgres_that_runs(settings: Settings) -> None:
    with database(settings) as first, database(settings) as second:
        assert second == first
        with psycopg.connect(second) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(first)


def test_command_that_must_be_alone_is_refused_beside_another(settings: Settings) -> None:
    with database(settings, alone=True):
        with pytest.raises(PacsdError, match="stop it first") as refusal:
            with database(settings, alone=True):
                pass
    assert refusal.value.fault is Fault.CONFLICT


def test_named_database_is_used_as_it_is(tmp_path: Path) -> None:
    with database(Settings(data_dir=tmp_path, database="dbname=elsewhere"), alone=True) as dsn:
        assert dsn == "dbname=elsewhere"
