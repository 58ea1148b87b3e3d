"""The MLLP listener: connections, each on a thread of its own, each message answered before the next is read.

A connection stays open for as many messages as its peer likes. It is ended by the peer, by silence inside a message
(`message_timeout_s`) or between two (`idle_timeout_s`, where set), by what is not MLLP, after the answer to a message
that is too long, and when the server stops, never in the middle of a message that has come whole.
"""

import contextlib
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from config.networks import is_loopback, is_within, plain
from hl7.mllp import Frame, FrameReader, NotMllp, Oversized, Room, framed
from hl7.ports import Caller

log = logging.getLogger("pacsd.hl7")

_BACKLOG = 128
_READ_BYTES = 65_536
_ACCEPT_PAUSE_S = 0.1
_LINGER_S = 2.0                                  # for a peer that still sends to read why it is cut off
_WRITE_TIMEOUT = struct.pack("@ll", 30, 0)      # struct timeval of SO_SNDTIMEO (socket(7))
_KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


class Receiver(Protocol):
    """Answers messages: hl7.reception.Reception."""

    def receive(self, raw: bytes, caller: Caller) -> Sequence[bytes]: ...
    def too_long(self, beginning: bytes, limit_bytes: int) -> Sequence[bytes]: ...


class Handshakes(Protocol):
    """Makes TLS connections, as server: pacsd.access.handshakes.Handshakes."""

    def shake(self, raw: socket.socket) -> Any:
        """A socket whose `certificate` is a ports.Certificate or None. Raises, and has closed it then."""

    def close(self) -> None:
        """Give up those under way."""


class Counting(Protocol):
    """What is counted of connections and messages."""

    def opened(self, connections: int) -> None: ...
    def answered(self, answers: Sequence[bytes], seconds: float) -> None: ...


class Uncounted:
    """Counts nothing."""

    def opened(self, connections: int) -> None: ...
    def answered(self, answers: Sequence[bytes], seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what."""

    max_connections: int = 200
    max_message_bytes: int = 64 << 20
    max_held_bytes: int = 256 << 20              # of unfinished messages, all connections together
    message_timeout_s: float = 60.0
    idle_timeout_s: float = 0.0                  # 0: never


class Listener:
    """Accepts connections until `close`."""

    def __init__(
        self, receiver: Receiver, *, host: str, port: int, limits: Limits, counting: Counting | None = None,
        share: bool = False, handshakes: Handshakes | None = None, networks: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        """With `handshakes` inside TLS; `networks` are the only ones that may connect, None: any."""
        self._handshakes = handshakes
        self._networks = networks
        self._is_exposed = not is_loopback(host)
        self._receiver = receiver
        self._limits = limits
        self._counting = counting or Uncounted()
        self._room = Room(limits.max_held_bytes)
        self._stopping = threading.Event()
        self._open: set[_Connection] = set()
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind((host, port))
        self._socket.listen(_BACKLOG)
        self.port: int = self._socket.getsockname()[1]

    def serve(self) -> None:
        """Accept until `close`."""
        while not self._stopping.is_set():
            try:
                accepted, address = self._socket.accept()
            except OSError as error:             # closed, or out of descriptors: then a moment later there are some
                if not self._stopping.wait(_ACCEPT_PAUSE_S):
                    log.warning("cannot accept", extra={"cause": type(error).__name__})
                continue
            self._admit(accepted, plain(address[0]))

    def _admit(self, accepted: socket.socket, address: str) -> None:
        if self._networks is not None and not is_within(address, self._networks):
            log.warning("a connection from a network that is not listed", extra={"address": address})
            accepted.close()
        elif self._handshakes is None:
            self._start(self._connection(accepted, Caller(address, is_listed=self._networks is not None)))
        else:
            _in_thread(self._secure, accepted, address, self._handshakes)

    def _secure(self, accepted: socket.socket, address: str, handshakes: Handshakes) -> None:
        """The handshake, which is no connection yet, on a thread of its own."""
        try:
            secure = handshakes.shake(accepted)
        except Exception as error:
            log.info("no TLS connection", extra={"address": address, "cause": f"{type(error).__name__}: {error}"})
            return
        certificate = secure.certificate
        self._start(self._connection(secure, Caller(address, certificate, certificate is None and self._is_exposed)))

    def _connection(self, accepted: socket.socket, caller: Caller) -> "_Connection":
        return _Connection(accepted, caller, self._receiver, self._limits, self._room)

    def close(self) -> None:
        """Accept nothing more."""
        self._stopping.set()
        if self._handshakes is not None:
            self._handshakes.close()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def drain(self, grace_s: float) -> None:
        """End connections as their message in hand is answered; break what is left after `grace_s`."""
        with self._changed:
            for one in self._open:
                one.stop()
            self._changed.wait_for(lambda: not self._open, timeout=grace_s)
            for one in self._open:
                one.cut()
            self._changed.wait_for(lambda: not self._open, timeout=1.0)

    def _start(self, one: "_Connection") -> None:
        with self._changed:
            crowded = len(self._open) >= self._limits.max_connections
            if not crowded:
                self._open.add(one)
        if crowded:
            log.warning("too many connections, one more was closed", extra={"address": one.address})
            one.cut()
            return
        if not _in_thread(self._run, one):
            self._ended(one)

    def _run(self, one: "_Connection") -> None:
        self._counting.opened(1)
        try:
            if self._stopping.is_set():
                one.stop()
            one.serve(self._counting)
        except Exception:                        # the last resort: the next peer is served
            log.exception("connection failed", extra={"address": one.address})
        finally:
            self._counting.opened(-1)
            self._ended(one)

    def _ended(self, one: "_Connection") -> None:
        one.cut()
        with self._changed:
            self._open.discard(one)
            self._changed.notify_all()


class _Connection:
    """One peer."""

    def __init__(self, sock: socket.socket, caller: Caller, receiver: Receiver, limits: Limits, room: Room) -> None:
        self.address = caller.address
        self._caller = caller
        self._socket = sock
        self._receiver = receiver
        self._limits = limits
        self._frames = FrameReader(max_message_bytes=limits.max_message_bytes, room=room)
        self._stopped = False
        self._wait_s = 0.0                       # 0: for ever

    def stop(self) -> None:
        """End it as soon as no message is in hand."""
        self._stopped = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def cut(self) -> None:
        """Break it now."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def serve(self, counting: Counting) -> None:
        """Until the peer, its manners or the server end it."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _WRITE_TIMEOUT)
        for option, value in _KEEP_ALIVE:
            self._socket.setsockopt(socket.IPPROTO_TCP, option, value)
        try:
            while (data := self._read()) and self._answer(self._frames.feed(data), counting):
                continue
        except NotMllp as error:
            log.warning("connection ended", extra={"address": self.address, "cause": str(error)})
        except TimeoutError:
            cause = "silence inside a message" if self._frames.inside else "silence"
            log.info("connection ended", extra={"address": self.address, "cause": cause})
        except OSError as error:
            log.info("connection ended", extra={"address": self.address, "cause": type(error).__name__})
        finally:
            if self._frames.inside:
                log.warning("a message did not come to its end", extra={"address": self.address})
            self._frames.close()

    def _read(self) -> bytes:
        """What comes next. A timeout costs system calls for each message, and so does changing it."""
        wait_s = self._limits.message_timeout_s if self._frames.inside else self._limits.idle_timeout_s
        if wait_s != self._wait_s:
            self._socket.settimeout(wait_s or None)
            self._wait_s = wait_s
        return b"" if self._stopped else self._socket.recv(_READ_BYTES)

    def _answer(self, frames: Iterable[Frame | Oversized], counting: Counting) -> bool:
        """Whether to go on reading."""
        for frame in frames:
            began = time.monotonic()
            if isinstance(frame, Oversized):
                log.warning("a message is too long", extra={"address": self.address, "limit": frame.limit_bytes})
                self._write(self._receiver.too_long(frame.beginning, frame.limit_bytes))
                self._linger()
                return False
            if frame.restarted:
                log.warning("a message was begun again before its end", extra={"address": self.address})
            answers = self._receiver.receive(frame.message, self._caller)
            self._write(answers)
            counting.answered(answers, time.monotonic() - began)
        return not self._stopped

    def _write(self, answers: Sequence[bytes]) -> None:
        if answers:
            self._socket.sendall(b"".join(map(framed, answers)))

    def _linger(self) -> None:
        """Read on for a moment: to close while the peer sends would take the answer from it again."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + _LINGER_S
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                if not self._socket.recv(_READ_BYTES):
                    return


def _in_thread(serve: Callable[..., None], *arguments: object) -> bool:
    """Whether there is a thread for it; else what can be closed is."""
    try:
        threading.Thread(target=serve, args=arguments, daemon=True).start()
    except RuntimeError:
        log.exception("no thread for a connection")
        if isinstance(arguments[0], socket.socket):
            arguments[0].close()
        return False
    return True
