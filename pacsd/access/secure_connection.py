"""A TCP connection inside TLS that is used like the socket it replaces.

The session works on memory (ssl.SSLObject), and what goes over the network is this module's: one read brings many
records, the kernel's time limits hold as they do without TLS, and another thread may shut the socket down at any time.
`ssl.SSLSocket` reads each record in two system calls, and goes on in plain text after `shutdown`.
"""

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any, cast

from pacsd.access.peer_certificate import PeerCertificate, of_session
from pacsd.access.tls import TlsContexts
from pacsd.faults import Fault, PacsdError

_READ_BYTES = 1 << 18
_FLUSH_BYTES = 1 << 18                   # so much is encrypted before it is sent


class SecureConnection(socket.socket):
    """For one thread that reads and writes; `shutdown` and `close` may be called from another.

    Errors of TLS are ssl.SSLError, an OSError. A connection that ends without saying so (RFC 8446 6.1) reads as one
    that ended: DICOM and MLLP say themselves how long a message is.
    """

    def __init__(
        self, raw: socket.socket, context: ssl.SSLContext, *, server_side: bool, name: str | None = None
    ) -> None:
        super().__init__(fileno=raw.detach())
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side, server_hostname=name)
        self._lock = threading.Lock()            # of the session: one thread at a time
        self._ahead = b""                        # a byte that was decrypted to know whether there is one
        self._said_end = False
        self.certificate: PeerCertificate | None = None

    def shake_hands(self, timeout_s: float) -> None:
        """The handshake, all of it within the time. Raises OSError; what is wrong was then said to the peer."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._bring(deadline)
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self.settimeout(max(0.001, deadline - time.monotonic()))
                    self._flush()                # the alert
                raise
        self._flush()
        self.settimeout(None)
        self.certificate = of_session(self._tls)

    @property
    def version(self) -> str:
        """Such as TLSv1.3."""
        return self._tls.version() or ""

    # Reading

    def readable(self, timeout_s: float) -> bool:
        """Whether a byte can be read, or the end: not merely whether the network has said something."""
        deadline = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self, select.POLLIN)
        while not self._ahead:
            self._ahead = self._decrypted(1) or b""
            if self._ahead or self._incoming.eof:
                return True
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return False
            self._feed()
        return True

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """As of a socket: what there is, up to `bufsize`."""
        buffer = bytearray(bufsize)
        got = self.recv_into(buffer, bufsize)
        return bytes(memoryview(buffer)[:got])

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As of a socket."""
        view = memoryview(buffer)
        if nbytes:
            view = view[:nbytes]
        if self._ahead and view:
            view[:1], self._ahead = self._ahead, b""
            return 1
        while True:
            got = self._decrypt_into(view)
            if got is not None:
                return got
            if not self._feed():
                return 0

    # Writing

    def send(self, data: Any, flags: int = 0, /) -> int:
        """All of it."""
        self.sendall(data, flags)
        return memoryview(data).nbytes

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """All of it; with MSG_MORE it may wait for what follows."""
        with self._lock:
            self._encrypt(memoryview(data).cast("B"))
            if not flags & socket.MSG_MORE:
                self._flush()

    def sendmsg(
        self, buffers: Iterable[Any], ancdata: Iterable[Any] = (), flags: int = 0, address: Any = None, /
    ) -> int:
        """All of them, in as few writes as they fit into."""
        total = 0
        with self._lock:
            for buffer in buffers:
                view = memoryview(buffer).cast("B")
                self._encrypt(view)
                total += len(view)
            self._flush()
        return total

    # Ending

    def shutdown(self, how: int, /) -> None:
        """As of a socket; to write nothing more is said to the peer (close_notify) before."""
        if how == socket.SHUT_WR:
            self._say_end()
        super().shutdown(how)

    def close(self) -> None:
        """Close, after a word to the peer if it can be said without waiting."""
        if self.fileno() >= 0:
            with contextlib.suppress(OSError):
                self.setblocking(False)
                self._say_end()
        super().close()

    def _say_end(self) -> None:
        if self._said_end or not self._lock.acquire(blocking=False):
            return
        try:
            self._said_end = True
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()               # writes it, and wants to read the peer's
            self._flush()
        finally:
            self._lock.release()

    # What the session wants of the network

    def _decrypted(self, size: int) -> bytes | None:
        buffer = bytearray(size)
        got = self._decrypt_into(memoryview(buffer))
        return None if got is None else bytes(buffer[:got])

    def _decrypt_into(self, view: memoryview) -> int | None:
        """How much was there; 0 at the end, None where the network has to bring more first."""
        with self._lock:
            try:
                return cast(int, self._tls.read(len(view), cast(bytearray, view)))
            except ssl.SSLWantReadError:
                if self._outgoing.pending:       # an answer of the protocol itself
                    self._flush()
                return None
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                self._incoming.write_eof()
                return 0

    def _feed(self) -> bool:
        data = super().recv(_READ_BYTES)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return bool(data)

    def _bring(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no handshake in time")
        self.settimeout(left)
        self._flush()
        if not self._feed():
            raise ConnectionResetError("closed in the middle of a handshake")

    def _encrypt(self, view: memoryview) -> None:
        for at in range(0, len(view), _FLUSH_BYTES):
            self._tls.write(cast(bytes, view[at : at + _FLUSH_BYTES]))
            if self._outgoing.pending >= _FLUSH_BYTES:
                self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            super().sendall(self._outgoing.read())


def dialled(
    contexts: TlsContexts, host: str, port: int, *, certificate: str = "", timeout_s: float
) -> SecureConnection:
    """A connection of ours inside TLS: the server has a certificate for `host`, or the one that `certificate` means.

    Raises OSError, PacsdError INVALID where our files cannot be used, REFUSED for another's certificate.
    """
    raw = socket.create_connection((host, port), timeout=timeout_s)
    try:
        context = contexts.client(check_name=not certificate)
        connection = SecureConnection(raw, context, server_side=False, name=host)
    except BaseException:
        raw.close()
        raise
    try:
        connection.shake_hands(timeout_s)
        shown = connection.certificate
        if certificate and (shown is None or not shown.answers_to(certificate)):
            raise PacsdError(Fault.REFUSED, f"{host} shows another certificate than the one it is known by")
    except BaseException:
        connection.close()
        raise
    return connection
