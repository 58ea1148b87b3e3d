"""What Alembic runs: the caller's connection and transaction, no configuration file of its own."""

from alembic import context


def run() -> None:
    """Apply the versions on the connection that `migrate` put into the configuration."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=None, version_table="pacsd_version")
    context.run_migrations()


run()
