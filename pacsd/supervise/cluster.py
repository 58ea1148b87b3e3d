"""A private PostgreSQL in the data directory, as a child of this process and never longer alive than it.

<directory>/data          PostgreSQL's own files, 0700, owned by the user it runs as
<directory>/run           its socket (elsewhere when that path is too long for one)
<directory>/postgres.log  its messages since the last start; .1: the start before
<directory>/lock          held by the process that runs it
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pacsd.faults import Fault, PacsdError
from pacsd.supervise import launch, postgres_files
from pacsd.supervise.lock import DirectoryLock
from pacsd.supervise.orphans import stop_orphans

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 107  # unix(7): sun_path is 108 with its terminating zero
SHORT_PARENT = "/tmp"  # noqa: S108 - for a private folder made by mkdtemp
UNPRIVILEGED_USERS = ("postgres", "nobody")
READY = "ready"  # the eighth line of postmaster.pid


def running_dsn(directory: Path) -> str:
    """Connection string of the cluster that another process runs there.

    Raises PacsdError CONFLICT when it does not answer (yet).
    """
    note, preferred = directory / "socket_directory", directory / "run"
    folder = Path(note.read_text()) if note.exists() else preferred
    if not _accepts(folder):
        raise PacsdError(Fault.CONFLICT, f"the pacsd that uses {directory.parent} is not ready")
    return postgres_files.conninfo(folder)


def _accepts(socket_directory: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(socket_directory / SOCKET_NAME))
        except OSError:
            return False
    return True


class Cluster:
    """Our own PostgreSQL: `start`, `dsn`, `stop`; may be started again after it died.

    `durable=False` gives up surviving a crash of the machine, for tests.
    """

    def __init__(self, directory: Path, *, options: Mapping[str, str] | None = None, durable: bool = True) -> None:
        self._directory = directory.absolute()
        self._options = {**({} if durable else postgres_files.NOT_DURABLE), **(options or {})}
        self._durable = durable
        self._lock = DirectoryLock(self._directory / "lock")
        self._data = self._directory / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_directory = self._directory / "run"
        self._programs = postgres_files.binaries()

    @property
    def dsn(self) -> str:
        """Connection string of the database, good until `stop`."""
        return postgres_files.conninfo(self._socket_directory)

    @property
    def pid(self) -> int | None:
        """The postmaster, while it is this process's child."""
        return self._process.pid if self._process is not None else None

    def program(self, name: str) -> Path:
        """One of PostgreSQL's programs, such as pg_dump; run it as this user with `dsn`."""
        return self._programs / name

    def alive(self) -> bool:
        """Whether the postmaster runs and its socket accepts a connection."""
        return not self.exited() and _accepts(self._socket_directory)

    def exited(self) -> bool:
        """Whether no postmaster of ours runs; never blocks."""
        return self._process is None or self._process.poll() is not None

    def start(self, *, timeout_s: float = 600.0, stopping: Callable[[], bool] = lambda: False) -> None:
        """Make the cluster when there is none, repair what a kill left behind, and wait until it answers.

        Replaying a long log after a crash takes minutes; `stopping` is asked whether to give up.
        Raises PacsdError: CONFLICT when another process runs it, UNSUPPORTED for another major version,
        UNAVAILABLE when it does not come up.
        """
        if not self._directory.exists():
            self._directory.mkdir(parents=True)
            self._directory.chmod(0o711 if os.geteuid() == 0 else 0o700)  # PostgreSQL's user passes through
        self._lock.acquire()
        try:
            self._start(time.monotonic() + timeout_s, stopping)
        except BaseException:
            self._end_process(signal.SIGQUIT)
            self._lock.release()
            raise

    def stop(self, *, timeout_s: float = 30.0) -> None:
        """Fast shutdown (sessions are ended, a checkpoint is written); harder after `timeout_s`."""
        self._end_process(signal.SIGINT, timeout_s=timeout_s)
        self._forget_socket_directory()
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, deadline: float, stopping: Callable[[], bool]) -> None:
        self._end_process(signal.SIGQUIT)
        stop_orphans(self._data)
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        postgres_files.refuse_other_major_version(self._data)
        # A process that now has the number of the dead postmaster would be taken for it; we hold the lock.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._make_socket_directory()
        configuration = postgres_files.write(
            self._directory, socket_directory=self._socket_directory, options=self._options
        )
        self._rotate_log()
        arguments = ["postgres", "-D", str(self._data), "-c", f"config_file={configuration}"]
        self._process = self._launch(arguments, death_signal=signal.SIGINT)
        self._wait_until_ready(deadline, stopping)
        self._make_database()

    def _owner(self) -> tuple[int, int]:
        """The user and group PostgreSQL runs as: who owns the data, else an unprivileged user, else we."""
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        if self._data.exists() and self._data.stat().st_uid != 0:
            status = self._data.stat()
            return status.st_uid, status.st_gid
        for name in UNPRIVILEGED_USERS:
            with contextlib.suppress(KeyError):
                entry = pwd.getpwnam(name)
                return entry.pw_uid, entry.pw_gid
        raise PacsdError(Fault.UNSUPPORTED, "PostgreSQL does not run as root, and there is no user postgres or nobody")

    def _make_owned(self, folder: Path, mode: int) -> None:
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
        if os.geteuid() == 0:
            os.chown(folder, *self._owner(), follow_symlinks=False)

    def _launch(self, arguments: Sequence[str], *, death_signal: signal.Signals) -> subprocess.Popen[bytes]:
        """Run one of PostgreSQL's programs as its user, its output in our log file."""
        uid, gid = self._owner()
        program = self._programs / arguments[0]
        reach = [str(program), str(self._programs.parent / "share"), str(self._directory)]
        command = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(death_signal))]
        command += [str(uid), str(gid), str(len(reach)), *reach, str(program), *arguments[1:]]
        with open(self._directory / "postgres.log", "ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"LC_ALL": "C", "PATH": str(self._programs), "HOME": "/"},
                start_new_session=True,  # Ctrl-C at the terminal is the supervisor's to hand on
            )

    def _initialise(self) -> None:
        draft = self._directory / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        self._make_owned(draft, 0o700)
        arguments = ["initdb", "-D", str(draft), "-E", "UTF8", "--locale=C", "--auth=peer"]
        arguments += [f"--username={postgres_files.ROLE}", "--data-checksums", "--no-instructions"]
        arguments += [] if self._durable else ["--no-sync"]
        if self._launch(arguments, death_signal=signal.SIGKILL).wait() != 0:
            raise PacsdError(Fault.UNAVAILABLE, f"initdb failed: {self._last_messages()}")
        draft.replace(self._data)

    def _make_database(self) -> None:
        command = [str(self.program("createdb")), "--template=template0", postgres_files.DATABASE]
        environment = {
            "LC_ALL": "C",
            "PGHOST": str(self._socket_directory),
            "PGPORT": "5432",
            "PGUSER": postgres_files.ROLE,
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0 and "already exists" not in done.stderr:
            raise PacsdError(Fault.UNAVAILABLE, f"createdb failed: {done.stderr.strip()}")

    def _make_socket_directory(self) -> None:
        preferred = self._directory / "run"
        if len(os.fsencode(preferred / SOCKET_NAME)) <= SOCKET_PATH_BYTES:
            self._socket_directory = preferred
        elif self._socket_directory == preferred:
            self._socket_directory = self._short_directory()
        self._make_owned(self._socket_directory, 0o755 if os.geteuid() == 0 else 0o700)
        for leftover in self._socket_directory.glob(".s.PGSQL.*"):
            leftover.unlink(missing_ok=True)

    def _short_directory(self) -> Path:
        """A new private folder with a short path, in place of one that a killed process left behind."""
        note = self._directory / "socket_directory"
        with contextlib.suppress(FileNotFoundError):
            self._remove_socket_directory(Path(note.read_text()))
        folder = Path(tempfile.mkdtemp(prefix="pacsd-", dir=SHORT_PARENT))  # $TMPDIR may be as long
        note.write_text(str(folder))
        return folder

    def _forget_socket_directory(self) -> None:
        if self._socket_directory != self._directory / "run":
            self._remove_socket_directory(self._socket_directory)
            (self._directory / "socket_directory").unlink(missing_ok=True)
            self._socket_directory = self._directory / "run"

    def _remove_socket_directory(self, folder: Path) -> None:
        if folder.parent == Path(SHORT_PARENT) and folder.name.startswith("pacsd-") and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)

    def _wait_until_ready(self, deadline: float, stopping: Callable[[], bool]) -> None:
        """Until postmaster.pid says ready, as pg_ctl does: nothing of SQL is needed to know."""
        while not self._is_ready():
            if self.exited():
                raise PacsdError(Fault.UNAVAILABLE, f"PostgreSQL did not start: {self._last_messages()}")
            if stopping() or time.monotonic() > deadline:
                raise PacsdError(Fault.UNAVAILABLE, "PostgreSQL did not become ready in time")
            time.sleep(0.01)

    def _is_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == READY

    def _end_process(self, first: signal.Signals, *, timeout_s: float = 5.0) -> None:
        if self._process is None:
            return
        for kind, patience_s in ((first, timeout_s), (signal.SIGQUIT, 5.0), (signal.SIGKILL, None)):
            if self._process.poll() is None:
                self._process.send_signal(kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
                break
        self._process = None

    def _rotate_log(self) -> None:
        log = self._directory / "postgres.log"
        with contextlib.suppress(FileNotFoundError):
            log.replace(log.with_suffix(".log.1"))

    def _last_messages(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            text = (self._directory / "postgres.log").read_text(errors="replace")
            return " | ".join(text.strip().splitlines()[-4:])
        return "no messages"
