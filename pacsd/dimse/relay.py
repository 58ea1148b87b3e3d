"""An association inside TLS that another process serves: what the peer says is passed on in plain text, and back.

A TLS session cannot be given to another process. So the thread that read the A-ASSOCIATE-RQ stays between the two, and
gives the other process one end of a pair of Unix sockets instead of the connection. Little of it holds the
interpreter: encryption and system calls run without.
"""

import logging
import select
import socket
import threading

from pacsd.access.secure_connection import SecureConnection

log = logging.getLogger("pacsd.dimse")

_BUFFER_BYTES = 1 << 18


def relay(outer: SecureConnection, inner: socket.socket, *, close_s: float) -> None:
    """Until both ends have said all they have to say, or one is gone.

    How long a peer may be silent is known to the process that serves it. `close_s`: so long a peer may take to close
    after it was told the end.
    """
    inner.setblocking(True)
    outward = threading.Thread(target=_outward, args=(inner, outer, close_s), daemon=True)
    outward.start()
    try:
        _inward(outer, inner)
    except OSError as error:
        log.debug("a relayed association ended", extra={"cause": type(error).__name__})
        _shut(inner)
    outward.join()


def _inward(outer: SecureConnection, inner: socket.socket) -> None:
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    while True:
        try:
            got = outer.recv_into(buffer)
        except BlockingIOError:                  # the kernel's time limit, which is not this side's
            continue
        if got == 0:
            break
        inner.sendall(buffer[:got])
    inner.shutdown(socket.SHUT_WR)


def _outward(inner: socket.socket, outer: SecureConnection, close_s: float) -> None:
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    try:
        while got := inner.recv_into(buffer):
            outer.sendall(buffer[:got])
        outer.shutdown(socket.SHUT_WR)
        _await_end(outer, close_s)
    except OSError as error:
        log.debug("a relayed association ended", extra={"cause": type(error).__name__})
    finally:
        _shut(outer)


def _await_end(outer: SecureConnection, close_s: float) -> None:
    """The peer closes once it has read our last word; then the other thread ends. For a peer that does not, a while."""
    poll = select.poll()
    poll.register(outer, select.POLLRDHUP)
    poll.poll(close_s * 1000)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        log.debug("connection is closed already")
