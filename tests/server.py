"""The server as its users start it: a process tree of its own, on an empty directory and free ports."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests import prepared

ROOT = Path(__file__).resolve().parent.parent


class Server:
    """`pacsd serve` in a new session (process group), so that tests may kill all of it at once.

    Its first start finds a PostgreSQL that was made for it, unless it is to be `fresh`.
    """

    def __init__(
        self, data: Path, *, arguments: Sequence[str] = (), config: str = "", environment: dict[str, str] | None = None,
        fresh: bool = False,
    ) -> None:  # fmt: skip
        self.data = data
        self.http_port, self.dicom_port, self.mllp_port = free_port(), free_port(), free_port()
        self._arguments = list(arguments)
        self._prepared = not fresh and "--database" not in self._arguments
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.log = data.parent / f"{data.name}.log"
        self._config = data.parent / f"{data.name}.toml"
        self.configure(config)

    @property
    def base_url(self) -> str:
        """Root of the DICOMweb services."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    @property
    def pid(self) -> int:
        """Process id of the supervisor, which is also the id of its process group."""
        if self._process is None:
            raise RuntimeError("the server is not started")
        return self._process.pid

    @property
    def config(self) -> Path:
        """The settings file, which leaves out what `start` says on the command line."""
        return self._config

    def configure(self, config: str) -> None:
        """Other settings, from the next start on; unless they say so, no more than one segment is written ahead."""
        if "spool_ready_bytes" not in config:
            modest = "[storage]\nspool_ready_bytes = 16_777_216\n"
            config = config.replace("[storage]\n", modest) if "[storage]\n" in config else config + "\n" + modest
        self._config.write_text(config, encoding="utf-8")

    def command(self, name: str, *arguments: str, timeout_s: float = 120.0) -> "subprocess.CompletedProcess[str]":
        """Run `pacsd NAME` with the server's settings and data, beside it if it runs; both streams together."""
        common = ["--config", str(self._config), "--data", str(self.data)]
        return subprocess.run(
            [sys.executable, "-m", "pacsd", name, *arguments, *common],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )

    def start(self, *, within_s: float = 60.0) -> "Server":
        """Start, and return once /health/ready answers 200."""
        if self._prepared and not self.data.exists():
            prepared.put_into(self.data)
        command = [sys.executable, "-m", "pacsd", "serve", "--config", str(self._config), "--data", str(self.data),
                   "--http-port", str(self.http_port), "--dicom-port", str(self.dicom_port),
                   "--mllp-port", str(self.mllp_port), *self._arguments]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )
        self.wait_ready(within_s=within_s)
        return self

    def wait_ready(self, *, within_s: float = 60.0) -> None:
        """Return once /health/ready answers 200; raise with the log's end if that does not come."""
        deadline = time.monotonic() + within_s
        while not self.ready():
            ended = self._process is not None and self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the server is not ready:\n{self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)

    def ready(self) -> bool:
        """Whether /health/ready answers 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self, *, within_s: float = 30.0) -> int:
        """SIGTERM and wait; the exit status."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.terminate()
        try:
            status = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._process = None
        return status

    def kill(self) -> None:
        """SIGKILL every process of the server at once, PostgreSQL included."""
        if self._process is None:
            return
        for pid in session_members(self._process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()
        self._process = None

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def session_members(session: int) -> list[int]:
    """Process ids of a session, its leader included. Descendants count: PostgreSQL makes sessions of its own."""
    parents: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1]), int(fields[3])
    found = {session}
    while True:
        more = {pid for pid, (parent, group) in parents.items() if parent in found or group in found} - found
        if not more:
            return sorted(found)
        found |= more


def listeners(root: int, port: int) -> list[psutil.Process]:
    """The processes below one that have a TCP port open; who ends while it is asked is none of them."""
    found = []
    for one in psutil.Process(root).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if port in {each.laddr.port for each in one.net_connections("tcp")}:
                found.append(one)
    return found


def free_port() -> int:
    """A TCP port of the loopback interface that was free a moment ago.

    Below those that the kernel gives to outgoing connections, and drawn: servers share ports (SO_REUSEPORT), so that
    two of different tests with one port would both start, and each be told what is meant for the other.
    """
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(10_000, max(first_ephemeral, 20_000))
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", secrets.choice(ports)))
            return int(probe.getsockname()[1])


def scratch_folder(prefix: str = "pacsd-test-") -> Path:
    """A new folder that unprivileged users may search, as the embedded PostgreSQL runs as one of them under root."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    return folder


def remove_folder(folder: Path) -> None:
    """Remove what a test wrote."""
    shutil.rmtree(folder, ignore_errors=True)
