"""`pacsd serve`: starts PostgreSQL and the role processes from one warm parent, and keeps them alive.

The parent imports everything once and then forks, so that the processes share the memory of the code. It never
has threads, and does nothing else.
"""

import contextlib
import gc
import importlib
import logging
import os
import resource
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from pacsd.faults import Fault, PacsdError
from pacsd.supervise import launch, logs, metrics
from pacsd.supervise.addresses import refuse_taken_ports
from pacsd.supervise.cluster import Cluster
from pacsd.supervise.lock import DirectoryLock
from pacsd.supervise.roles import EXIT_CANNOT_LISTEN, READY_FILE, Role, RoleContext, live, metrics_file

log = logging.getLogger("pacsd.supervise")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0  # who lived this long starts again without the pauses of earlier failures
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def pause_s(failures: int) -> float:
    """How long to wait before the next start, after so many failures in a row."""
    return float(min(FIRST_PAUSE_S * 2 ** max(failures - 1, 0), LONGEST_PAUSE_S))


@dataclass
class Member:
    """One role process, or the place of one that is to start again."""

    role: Role
    index: int
    pid: int | None = None
    ready_descriptor: int = -1
    ready: bool = False
    failures: int = 0
    started_at: float = 0.0
    start_at: float = 0.0


class Supervisor:
    """Runs until SIGTERM or SIGINT.

    `prepare(dsn)` brings the database to this version's schema; it runs in a process of its own, and again
    while the database is away. `preload` names modules to import before the first fork.
    """

    def __init__(
        self,
        settings: Settings,
        roles: Sequence[Role],
        *,
        prepare: Callable[[str], None] | None = None,
        preload: Sequence[str] = (),
        durable: bool = True,
    ) -> None:
        self._settings = settings
        self._members = [Member(role, index) for role in roles for index in range(role.count)]
        self._prepare = prepare
        self._preload = preload
        self._run_directory = settings.data_dir.absolute() / "run"
        self._lock = DirectoryLock(self._run_directory / "lock")
        self._cluster = _cluster(settings, durable=durable)
        self._cluster_failures = 0
        self._stop_signals = 0
        self._hang_ups = 0
        self._failed = False
        self._was_ready = False
        self._wake_read, self._wake_write = socket.socketpair()

    @property
    def dsn(self) -> str:
        """Of the database the roles use."""
        return self._cluster.dsn if self._cluster is not None else str(self._settings.database)

    def run(self) -> int:
        """Serve; the exit status. Raises PacsdError when it cannot even begin."""
        logs.configure(self._settings.log, role="supervisor")
        self._make_directories()
        self._lock.acquire()
        try:
            with self._signals_handled():
                try:
                    self._begin()
                except PacsdError:
                    if not self._stop_signals:  # otherwise it was told to give up
                        raise
                while not self._stop_signals and not self._failed:
                    self._turn()
                self._end_members()
        finally:
            self._kill_members()
            if self._cluster is not None:
                self._cluster.stop()
            self._mark_ready(False)
            self._lock.release()
        log.info("stopped")
        return 1 if self._failed else 0

    def _make_directories(self) -> None:
        """The data directory is private; when PostgreSQL has a user of its own it may pass through, not look."""
        data = self._settings.data_dir.absolute()
        if not data.exists():
            data.mkdir(parents=True)
            data.chmod(0o711 if os.geteuid() == 0 and self._cluster is not None else 0o700)
        self._run_directory.mkdir(mode=0o700, exist_ok=True)

    def _begin(self) -> None:
        os.umask(0o077)
        allow_open_files()
        self._clear_run_directory()
        refuse_taken_ports(self._settings)
        for name in self._preload:
            importlib.import_module(name)
        if self._cluster is not None:
            self._cluster.start(stopping=lambda: bool(self._stop_signals))
            log.info("PostgreSQL started", extra={"postmaster": self._cluster.pid})
        self._prepare_database()
        gc.collect()
        gc.freeze()  # a collection in a child would otherwise touch, and so copy, every page

    def _clear_run_directory(self) -> None:
        self._mark_ready(False)
        folder = self._run_directory / "metrics"
        folder.mkdir(mode=0o700, exist_ok=True)
        for file in folder.iterdir():
            file.unlink()

    def _prepare_database(self) -> None:
        """Migrate, waiting for a database that is away. Raises PacsdError when it cannot be brought up to date."""
        failures = 0
        while self._prepare is not None and not self._stop_signals:
            outcome = _in_child(lambda: self._prepare and self._prepare(self.dsn))
            if outcome is None:
                return
            if outcome[0] is not Fault.UNAVAILABLE:
                raise PacsdError(*outcome)
            failures += 1
            log.warning("the database is away", extra={"reason": outcome[1], "again_in_s": pause_s(failures)})
            self._sleep(pause_s(failures))

    def _turn(self) -> None:
        """One round: start what is due, sleep until something happens, see what it was."""
        now = time.monotonic()
        for member in self._members:
            if member.pid is None and member.start_at <= now:
                self._start_member(member)
        self._sleep(self._until_next_start())
        if self._hang_ups:
            self._hang_ups = 0
            log.warning("SIGHUP reloads nothing; restart to apply new settings")
        self._reap()
        self._restart_cluster_if_dead()
        self._note_readiness()

    def _until_next_start(self) -> float:
        waiting = [member.start_at for member in self._members if member.pid is None]
        return max(min(waiting) - time.monotonic(), 0.0) if waiting else 60.0

    def _sleep(self, timeout_s: float) -> None:
        """Until a signal comes, a member says it is ready, or time is up."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        for member in self._members:
            if member.ready_descriptor >= 0:
                poll.register(member.ready_descriptor, select.POLLIN)
        happened = {descriptor for descriptor, _ in poll.poll(timeout_s * 1000)}
        with contextlib.suppress(BlockingIOError):
            while self._wake_read.recv(512):
                pass
        for member in self._members:
            if member.ready_descriptor in happened:
                member.ready = os.read(member.ready_descriptor, 16) != b""
                self._close_ready_descriptor(member)

    def _start_member(self, member: Member) -> None:
        if threading.active_count() > 1:
            log.warning("threads in the supervisor at a fork", extra={"count": threading.active_count()})
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._leave_to_child(read_end)
            context = RoleContext(
                settings=self._settings,
                dsn=self.dsn,
                name=member.role.name,
                index=member.index,
                run_directory=self._run_directory,
                _ready_descriptor=write_end,
            )
            live(member.role, context, parent=parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(write_end)
        member.pid, member.ready_descriptor, member.started_at = pid, read_end, time.monotonic()

    def _leave_to_child(self, read_end: int) -> None:
        """Close what only the supervisor uses."""
        os.close(read_end)
        self._wake_read.close()
        self._wake_write.close()
        for member in self._members:
            self._close_ready_descriptor(member)

    def _close_ready_descriptor(self, member: Member) -> None:
        if member.ready_descriptor >= 0:
            os.close(member.ready_descriptor)
            member.ready_descriptor = -1

    def _reap(self) -> None:
        """Every child that ended: ours by their own ways; strays when we are process 1 of a container."""
        while (ended := _next_ended_child()) is not None:
            if self._cluster is not None and ended == self._cluster.pid:
                self._cluster.exited()
                continue
            _, status = os.waitpid(ended, 0)
            for member in self._members:
                if member.pid == ended:
                    self._member_ended(member, os.waitstatus_to_exitcode(status))

    def _member_ended(self, member: Member, status: int) -> None:
        """Note it, and plan the next start. A negative status is the number of a signal."""
        lived_s = time.monotonic() - member.started_at
        metrics.forget(metrics_file(self._run_directory, member.role.name, member.index, member.pid or 0))
        self._close_ready_descriptor(member)
        member.failures = 1 if lived_s > STEADY_S else member.failures + 1
        member.pid, member.ready = None, False
        member.start_at = time.monotonic() + pause_s(member.failures)
        if self._stop_signals:
            return
        self._mark_ready(False)
        extra = {"ended": f"{member.role.name}-{member.index}", "status": status, "lived_s": round(lived_s, 1)}
        if status == EXIT_CANNOT_LISTEN and not self._was_ready:
            log.error("a role cannot listen on its address; giving up", extra=extra)
            self._failed = True
        else:
            log.error("a role ended, starting it again", extra=extra | {"again_in_s": pause_s(member.failures)})

    def _restart_cluster_if_dead(self) -> None:
        if self._cluster is None or not self._cluster.exited() or self._stop_signals:
            return
        self._mark_ready(False)
        log.error("PostgreSQL ended, starting it again")
        try:
            self._cluster.start(stopping=lambda: bool(self._stop_signals))
            self._cluster_failures = 0
        except PacsdError as error:
            self._cluster_failures += 1
            log.error("PostgreSQL does not start", extra={"reason": error.message})
            self._sleep(pause_s(self._cluster_failures))
            self._wake_write.send(b"\0")  # do not sleep before the next try

    def _note_readiness(self) -> None:
        ready = all(member.ready for member in self._members)
        if not ready or (self._run_directory / READY_FILE).exists():
            return
        if self._cluster is not None and self._cluster.exited():
            return
        self._mark_ready(True)
        self._was_ready = True
        settings = self._settings
        where = {"host": settings.host, "http_port": settings.http_port, "dicom_port": settings.dicom_port}
        log.info("ready", extra={**where, "ae_title": settings.ae_title, "processes": len(self._members)})

    def _mark_ready(self, ready: bool) -> None:
        file = self._run_directory / READY_FILE
        if ready:
            file.touch(mode=0o600)
        else:
            file.unlink(missing_ok=True)

    def _end_members(self) -> None:
        """SIGTERM, and time to finish; a second signal to us ends the patience."""
        signals, grace_s = self._stop_signals, self._settings.supervise.grace_s
        log.info("stopping", extra={"grace_s": grace_s})
        self._mark_ready(False)
        self._signal_members(signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while any(member.pid for member in self._members) and self._stop_signals == signals:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._sleep(left)
            self._reap()

    def _kill_members(self) -> None:
        late = [member for member in self._members if member.pid is not None]
        if late:
            names = [f"{member.role.name}-{member.index}" for member in late]
            log.warning("killing processes that did not finish", extra={"late": names})
        self._signal_members(signal.SIGKILL)
        for member in late:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(member.pid or 0, 0)
            member.pid = None

    def _signal_members(self, number: signal.Signals) -> None:
        for member in self._members:
            if member.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member.pid, number)

    def _on_signal(self, number: int, _frame: object) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop_signals += 1
        elif number == signal.SIGHUP:
            self._hang_ups += 1  # said later: a handler may interrupt a record being written

    @contextlib.contextmanager
    def _signals_handled(self) -> Iterator[None]:
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        wakeup = signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)


def allow_open_files() -> None:
    """As many descriptors as the administrator allows (the hard limit), for this process and those it starts.

    The usual soft limit of 1,024 is less than the associations that `dimse.max_associations` promises.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:   # a hard limit above the kernel's own (fs.nr_open)
        log.warning("cannot raise the limit of open files", extra={"limit": soft, "cause": type(error).__name__})


def _cluster(settings: Settings, *, durable: bool) -> Cluster | None:
    if settings.database is not None:
        return None
    folder: Path = settings.data_dir.absolute() / "postgres"
    return Cluster(folder, options=settings.postgres.parameters(), durable=durable)


def _next_ended_child() -> int | None:
    """The number of a child that ended and was not waited for yet."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found is not None else None


def _in_child(work: Callable[[], object]) -> tuple[Fault, str] | None:
    """Run in a forked process, so that what it imports does not stay; why it failed, or None."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    parent, pid = os.getpid(), os.fork()
    if pid == 0:
        launch.end_with_parent(parent, signal.SIGKILL)
        outcome = f"{Fault.INTERNAL.value}\ndied"
        try:
            work()
            outcome = ""
        except PacsdError as error:
            outcome = f"{error.fault.value}\n{error.message}"
        except BaseException as error:
            log.exception("preparing the database failed")
            outcome = f"{Fault.INTERNAL.value}\n{type(error).__name__}"
        finally:
            os.write(write_end, outcome.encode()[:4096])
            os._exit(0)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        fault, _, message = pipe.read().decode(errors="replace").partition("\n")
    _, status = os.waitpid(pid, 0)
    if status != 0:
        return Fault.INTERNAL, f"preparing the database ended with status {os.waitstatus_to_exitcode(status)}"
    return (Fault(fault), message) if fault else None
