"""Bringing a database to this version's schema."""

from pathlib import Path

import psycopg

from pacsd.faults import Fault, PacsdError

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(dsn: str) -> None:
    """Apply what is missing, all or nothing; several processes may start at once.

    The role of `dsn` owns the tables and must be able to create roles, unless `pacsd_app` exists and is
    granted to it. Raises PacsdError UNAVAILABLE when there is no connection, INTERNAL when a step fails.
    """
    if not _is_up_to_date(dsn):
        from pacsd.index.upgrade import upgrade  # Alembic takes longer to import than most commands to run

        upgrade(dsn, str(MIGRATIONS))


def newest() -> str:
    """The revision of this version's schema: that of its last step, as its file is named (v0001_what.py)."""
    return max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v*.py"))


def _is_up_to_date(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn) as connection:
            return connection.execute("select version_num from pacsd_version").fetchall() == [(newest(),)]
    except psycopg.OperationalError as error:
        raise PacsdError(Fault.UNAVAILABLE, "the database does not answer") from error
    except psycopg.Error:                # nothing of ours is there yet, or it is not ours to read
        return False
