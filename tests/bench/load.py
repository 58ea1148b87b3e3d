"""A light HTTP/1.1 load generator in a process of its own; `python -m tests.bench.load` reads a job on stdin.

Keep-alive connections, one request in flight on each; bodies are counted and thrown away, so that on a
machine of two cores the client is not what is measured.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import uvloop


@dataclass(frozen=True, slots=True)
class Job:
    """What to ask: `paths` are dealt to the connections in turn until all are answered or time is up."""

    port: int
    paths: list[str]
    connections: int = 8
    requests: int = 0  # 0: as many as there are paths
    duration_s: float = 0.0  # 0: no limit in time
    accept: str = "*/*"
    bodies: list[str] = field(default_factory=list)  # dealt as paths are, each with POST; none: GET
    content_type: str = "application/fhir+json"
    token: str = ""  # of OAuth, if one is shown
    least_bytes: int = 0  # a mean body shorter than this is no true answer


@dataclass(frozen=True, slots=True)
class Load:
    """What came back. Times in seconds."""

    answered: int
    body_bytes: int
    elapsed_s: float
    statuses: Mapping[str, int]
    p50_s: float
    p95_s: float
    slowest_s: float

    @property
    def per_second(self) -> float:
        """Answers per second over all connections."""
        return self.answered / self.elapsed_s


def measure(job: Job) -> Load:
    """Run a job in its own process. Raises RuntimeError if that fails or any answer was not a success."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=json.dumps(asdict(job)).encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"load generator: {done.stderr.decode()[-500:]}")
    load = Load(**json.loads(done.stdout))
    if bad := {status: count for status, count in load.statuses.items() if not status.startswith("2")}:
        raise RuntimeError(f"answers were not successes: {bad} for {job.paths[0]}")
    if load.body_bytes < job.least_bytes * load.answered:
        raise RuntimeError(f"{load.body_bytes / load.answered:.0f} bytes an answer for {job.paths[0]}")
    return load


UNTIL_CLOSE = -1  # Orthanc ends some multipart answers by closing (RFC 9112 6.3)


class Connection(asyncio.BufferedProtocol):
    """One connection; reads into the same buffer for ever and keeps only what the next decision needs."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(1 << 20))
        self.done: asyncio.Future[int] | None = None
        self.body_bytes = 0
        self.closed = False
        self._clear()

    def _clear(self) -> None:
        self.head = b""
        self.left = 0  # bytes of body, or of the current chunk, still to come
        self.chunked = False
        self.status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to."""
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """The end of a body without a length; in the middle of any other answer, a failure."""
        self.closed = True
        if self.status and self.left == UNTIL_CLOSE and error is None:
            self._finish()
        if self.done and not self.done.done():
            self.done.set_exception(error or ConnectionError("closed by the server"))

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """Send one request; the future gives the status when the whole body has come."""
        self._clear()
        self.done = asyncio.get_running_loop().create_future()
        self.transport.write(request)  # type: ignore[attr-defined]
        return self.done

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop reads to."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Consume what was read: head, then a counted body or chunks (RFC 9112 6, 7.1)."""
        view = self.buffer[:nbytes]
        if not self.status:
            view = self._read_head(bytes(view))
        if self.status and not self.chunked:
            self.body_bytes += len(view)
            if self.left != UNTIL_CLOSE:
                self.left -= len(view)
            if self.left == 0:
                self._finish()
        elif self.status:
            self._read_chunks(view)

    def _read_head(self, data: bytes) -> memoryview:
        self.head = (self.head + data).lstrip(b"\r\n")  # what may be left of a chunked answer
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            return memoryview(b"")
        lines = self.head[:end].split(b"\r\n")
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])
        }
        self.status = int(lines[0].split()[1])
        self.chunked = fields.get(b"transfer-encoding", b"").lower() == b"chunked"
        bare = b"content-length" not in fields and self.status not in (204, 304)
        self.left = 0 if self.chunked else UNTIL_CLOSE if bare else int(fields.get(b"content-length", 0))
        self.closing = fields.get(b"connection", b"").lower() == b"close"
        rest = memoryview(self.head)[end + 4 :]
        self.head = b""
        return rest

    def _read_chunks(self, view: memoryview) -> None:
        while len(view):
            if self.left:
                taken = min(self.left, len(view))
                self.left -= taken
                self.body_bytes += taken
                view = view[taken:]
                continue
            self.head += bytes(view[:64])
            at = self.head.find(b"\r\n", 2 if self.head[:2] == b"\r\n" else 0)
            if at < 0:
                return
            used = at + 2 - (len(self.head) - min(64, len(view)))
            size = int(self.head[:at].strip().split(b";")[0], 16)
            self.head, view = b"", view[used:]
            if size == 0:
                self._finish()
                return
            self.left = size + 2  # the data and its CRLF

    def _finish(self) -> None:
        if self.done and not self.done.done():
            self.done.set_result(self.status)


async def _connect(port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


def _requests(job: Job) -> Iterator[bytes]:
    told = f"Host: 127.0.0.1:{job.port}\r\nAccept: {job.accept}\r\n"
    told += f"Authorization: Bearer {job.token}\r\n" if job.token else ""
    for path in job.paths if not job.bodies else ():
        yield f"GET {path} HTTP/1.1\r\n{told}\r\n".encode()
    for number, text in enumerate(job.bodies):
        body = text.encode()
        path = job.paths[number % len(job.paths)]
        told_more = f"{told}Content-Type: {job.content_type}\r\nContent-Length: {len(body)}\r\n"
        yield f"POST {path} HTTP/1.1\r\n{told_more}\r\n".encode() + body


async def drive(job: Job) -> Load:
    """Run a job in this loop."""
    turns = iter(range(job.requests or len(job.bodies) or len(job.paths)))
    latencies: list[float] = []
    statuses: dict[str, int] = {}
    began = time.perf_counter()
    ends = began + job.duration_s if job.duration_s else float("inf")
    requests = list(_requests(job))

    async def connection() -> int:
        peer, received = await _connect(job.port), 0
        for turn in turns:
            asked = time.perf_counter()
            if asked > ends:
                break
            if peer.closed:
                received += peer.body_bytes
                peer = await _connect(job.port)
            status = await peer.ask(requests[turn % len(requests)])
            latencies.append(time.perf_counter() - asked)
            statuses[str(status)] = statuses.get(str(status), 0) + 1
        return received + peer.body_bytes

    received = sum(await asyncio.gather(*(connection() for _ in range(job.connections))))
    elapsed = time.perf_counter() - began
    latencies.sort()
    return Load(
        len(latencies),
        received,
        elapsed,
        statuses,
        _rank(latencies, 0.5),
        _rank(latencies, 0.95),
        latencies[-1],
    )


def _rank(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(drive(Job(**json.load(sys.stdin)))))))
