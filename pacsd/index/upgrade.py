"""The steps that a database lacks, applied by Alembic; `migrate` comes here only where some are."""

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine

from pacsd.faults import Fault, PacsdError

_LOCK = 0x7061637364          # "pacsd": who migrates takes this advisory lock, the others wait


def upgrade(dsn: str, migrations: str) -> None:
    """Apply what is missing of a folder of migrations, and raise PacsdError, as `migrate` says."""
    config = Config()
    config.set_main_option("script_location", migrations)
    config.set_main_option("path_separator", "os")
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({_LOCK})")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except psycopg.OperationalError as error:
        raise PacsdError(Fault.UNAVAILABLE, "the database does not answer") from error
    except Exception as error:
        if isinstance(error.__cause__, psycopg.OperationalError):
            raise PacsdError(Fault.UNAVAILABLE, "the database does not answer") from error
        raise PacsdError(Fault.INTERNAL, f"the schema cannot be brought up to date: {error}") from error
    finally:
        engine.dispose()
