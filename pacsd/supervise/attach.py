"""The database for a command: that of the running server, or our own for as long as the command runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from config.settings import Settings
from pacsd.faults import Fault, PacsdError
from pacsd.supervise.cluster import Cluster, running_dsn
from pacsd.supervise.lock import DirectoryLock


@contextmanager
def database(settings: Settings, *, alone: bool = False) -> Iterator[str]:
    """The DSN. With `alone`, no server may run on the data directory, and none can start meanwhile.

    Raises PacsdError CONFLICT where one runs and `alone` is asked, or where it is still starting.
    """
    data = settings.data_dir.absolute()
    run = data / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = DirectoryLock(run / "lock")
    try:
        lock.acquire(timeout_s=0)
    except PacsdError as error:
        if alone:
            raise PacsdError(Fault.CONFLICT, f"{error.message}; stop it first") from error
        yield settings.database or running_dsn(data / "postgres")
        return
    try:
        if settings.database is not None:
            yield settings.database
        else:
            with Cluster(data / "postgres", options=settings.postgres.parameters()) as cluster:
                yield cluster.dsn
    finally:
        lock.release()
