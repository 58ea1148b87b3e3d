"""A role: what one process does, and what it is told."""

import errno
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from config.settings import Settings
from pacsd.supervise import launch, logs
from pacsd.supervise.metrics import Metrics, render
from pacsd.supervise.stopping import Stopping

log = logging.getLogger("pacsd.supervise")

EXIT_CRASH = 1
EXIT_CANNOT_LISTEN = 78  # EX_CONFIG: starting again would not help
READY_FILE = "ready"
SELDOM = (10_000, 20, 20)  # objects more before the young are looked through for dead cycles, and so on (gc)
NO_LISTENING = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)


@dataclass(frozen=True)
class RoleContext:
    """What a role process knows of the rest."""

    settings: Settings
    dsn: str
    name: str
    index: int  # of this process among those of its role
    run_directory: Path
    stopping: Stopping = field(default_factory=Stopping)
    _ready_descriptor: int = -1

    def ready(self) -> None:
        """Tell the supervisor that this process serves; once is enough."""
        if self._ready_descriptor >= 0:
            os.write(self._ready_descriptor, b"\n")

    def everyone_ready(self) -> bool:
        """Whether every role process serves, and PostgreSQL did when last looked at."""
        return (self.run_directory / READY_FILE).exists()

    def metrics(self) -> Metrics:
        """A file of counters for this process; call once."""
        return Metrics(metrics_file(self.run_directory, self.name, self.index, os.getpid()))

    def render_metrics(self) -> str:
        """The counters of all processes, for `GET /metrics`."""
        return render(self.run_directory / "metrics")


@dataclass(frozen=True)
class Role:
    """`count` processes that run `run` until its context's `stopping` is set.

    `keeps_much`: of many small objects for a while, so that looking them through for dead cycles costs more than it
    finds.
    """

    name: str
    count: int
    run: Callable[[RoleContext], None]
    keeps_much: bool = False


def metrics_file(run_directory: Path, role: str, index: int, pid: int) -> Path:
    """Where that process counts."""
    return run_directory / "metrics" / f"{role}-{index}-{pid}"


def live(role: Role, context: RoleContext, *, parent: int) -> NoReturn:
    """The whole life of a forked role process; the caller blocked all signals before the fork."""
    status = EXIT_CRASH
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, lambda *_: context.stopping.set())
        for ignored in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C reaches the whole group: the supervisor decides
            signal.signal(ignored, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        launch.end_with_parent(parent, signal.SIGKILL)
        if role.keeps_much:
            gc.set_threshold(*SELDOM)
        gc.enable()
        logs.configure(context.settings.log, role=f"{role.name}-{context.index}")
        role.run(context)
        status = 0
    except OSError as error:
        log.exception("role failed")
        about_a_socket = error.filename is None and error.errno in NO_LISTENING
        status = EXIT_CANNOT_LISTEN if about_a_socket else EXIT_CRASH
    except BaseException:  # the end of this process, whatever it is
        log.exception("role failed")
    finally:
        sys.stderr.flush()
        os._exit(status)
