"""An answer's head and the beginning of its body leave in one system call.

uvicorn writes them apart. On a connection without Nagle's delay (RFC 896) that is two segments, and the client is
woken twice, for every answer however small.
"""

import asyncio
from typing import Any

_HEAD = b"HTTP/1.1 "
_INTERIM = b"HTTP/1.1 1"                 # 100 and 101 (RFC 9110 15.2): the client waits for them before it goes on


class JoinedWrites:
    """A transport that keeps a final answer's head back until something follows it, or nothing will."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data, after the head if there is one; a head waits for what follows."""
        if self._head:
            head, self._head = self._head, b""
            self.transport.writelines((head, data) if data else (head,))
        elif data[:9] == _HEAD and data[:10] != _INTERIM:
            self._head = bytes(data)
        else:
            self.transport.write(data)

    def flush(self) -> None:
        """The answer has no body, or is over."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Close, once what was written is sent."""
        self.flush()
        self.transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)
