"""Passing an association to another process before it is answered.

A query computes in the interpreter, and would slow the images another thread of its process receives. So a receiver
that reads an A-ASSOCIATE-RQ with a Query/Retrieve class passes the connection and the request to a query process,
over a Unix socket, one short connection each: u32 length, JSON, the request's body, and the descriptor; answered by
one byte. Every query process has a socket of its own in one folder, named by its process id.
"""

import json
import logging
import os
import random
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from pacsd.access.origin import Origin

log = logging.getLogger("pacsd.dimse")

_LENGTHS = struct.Struct(">II")          # of the JSON, of the body
_TAKEN = b"\1"
_TIMEOUT_S = 2.0
_MAX_BYTES = 1 << 21


def pass_on(folder: Path, connection: socket.socket, origin: Origin, body: bytes) -> bool:
    """Give the connection to a query process. False when none takes it: then it is still ours."""
    doors = list(folder.glob("*.sock"))
    random.shuffle(doors)
    return any(_offer(door, connection, origin, body) for door in doors)


def _offer(door: Path, connection: socket.socket, origin: Origin, body: bytes) -> bool:
    about = json.dumps(origin.as_data()).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
            way.settimeout(_TIMEOUT_S)
            way.connect(str(door))
            socket.send_fds(way, [_LENGTHS.pack(len(about), len(body))], [connection.fileno()])
            way.sendall(about + body)
            return way.recv(1) == _TAKEN
    except OSError as error:
        log.warning("query process is away", extra={"cause": type(error).__name__})
        return False


class Door:
    """Where a query process takes connections over. `take` is called with connection, origin and request body."""

    def __init__(self, folder: Path, take: Callable[[socket.socket, Origin, bytes], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{os.getpid()}.sock"
        self._path.unlink(missing_ok=True)
        _clear_stale(folder)
        self._take = take
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(self._path))
        self._socket.listen(128)

    def serve(self) -> None:
        """Take connections over until `close`."""
        while True:
            try:
                way, _ = self._socket.accept()
            except OSError:
                return
            with way:
                try:
                    self._receive(way)
                except (OSError, ValueError, KeyError, TypeError) as error:
                    log.warning("handover failed", extra={"cause": type(error).__name__})

    def close(self) -> None:
        """Take nothing over any more."""
        self._path.unlink(missing_ok=True)
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("door is closed already")
        self._socket.close()

    def _receive(self, way: socket.socket) -> None:
        way.settimeout(_TIMEOUT_S)
        head, descriptors, _, _ = socket.recv_fds(way, _LENGTHS.size, 1)
        with socket.socket(fileno=descriptors[0]) if descriptors else _none() as connection:
            about_length, body_length = _LENGTHS.unpack(head)
            if about_length + body_length > _MAX_BYTES:
                raise ValueError("handover above its limit")
            rest = _read(way, about_length + body_length)
            origin = Origin.from_data(json.loads(rest[:about_length]))
            way.sendall(_TAKEN)
            self._take(connection.dup(), origin, rest[about_length:])


def _none() -> socket.socket:
    raise ValueError("no descriptor came")


def _read(way: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = way.recv(size - len(data))
        if not piece:
            raise ValueError("cut short")
        data += piece
    return bytes(data)


def _clear_stale(folder: Path) -> None:
    """Remove the sockets of query processes that are gone."""
    for path in folder.glob("*.sock"):
        if path.stem.isdigit() and not Path(f"/proc/{path.stem}").exists():
            path.unlink(missing_ok=True)
