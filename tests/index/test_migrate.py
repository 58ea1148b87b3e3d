"""The schema comes about once, whoever asks for it, and the server owns nothing of it."""

import subprocess
import sys
import threading

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from pacsd.faults import Fault, PacsdError
from pacsd.index.connect import lent, pool, wait_for_database
from pacsd.index.migrate import MIGRATIONS, migrate, newest
from tests.conftest import Postgres


def test_several_processes_may_migrate_at_once(postgres: Postgres) -> None:
    name, dsn = postgres.create()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            migrate(dsn)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    postgres.drop(name)


def test_the_newest_step_is_the_last_one_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [newest()]


def test_what_is_up_to_date_is_left_alone_and_does_without_alembic(database: str) -> None:
    script = "import sys; from pacsd.index.migrate import migrate; migrate(sys.argv[1]); print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", script, database], capture_output=True, text=True, check=True)
    assert "pacsd.index.migrate" in told.stdout.split() and "alembic" not in told.stdout.split()


def test_what_an_older_version_left_is_brought_up_to_date(postgres: Postgres) -> None:
    name, dsn = postgres.create()
    migrate(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("update pacsd_version set version_num = '0024'")
        with pytest.raises(PacsdError) as refused:       # its columns are there already: it is tried all the same
            migrate(dsn)
        assert refused.value.fault is Fault.INTERNAL
        connection.execute("update pacsd_version set version_num = %s", (newest(),))
    migrate(dsn)
    postgres.drop(name)


def test_the_server_acts_as_a_role_that_owns_nothing(database: str) -> None:
    made = pool(database, max_size=1)
    with lent(made) as connection:
        assert connection.execute("select current_user").fetchone() == ("pacsd_app",)
        assert connection.execute(
            """select rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolcanlogin from pg_roles
            where rolname = current_user"""
        ).fetchone() == (False, False, False, False, False)
        assert connection.execute(
            "select count(*) from pg_class where pg_get_userbyid(relowner) = current_user"
        ).fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("drop table study")
    made.close()


def test_a_database_that_is_away_is_said_to_be_so() -> None:
    with pytest.raises(PacsdError) as away:
        migrate("host=127.0.0.1 port=1 dbname=none connect_timeout=1")
    assert away.value.fault is Fault.UNAVAILABLE
    made = pool("host=127.0.0.1 port=1 dbname=none connect_timeout=1", max_size=1, timeout_s=0.2)
    with pytest.raises(PacsdError) as waited:
        wait_for_database(made, timeout_s=0.3)
    assert waited.value.fault is Fault.UNAVAILABLE
    made.close()
