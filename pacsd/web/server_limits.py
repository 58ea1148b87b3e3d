"""What one connection, and all connections of one process, may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What one connection may take."""

    max_header_bytes: int = 64 * 1024         # request line and headers of one request
    header_timeout_s: float = 20.0            # from the first byte, or the connection, to the end of the headers
    keep_alive_timeout_s: int = 75            # idle between requests
    unacknowledged_timeout_s: float = 120.0   # a client that takes nothing is cut off by the kernel
    max_connections: int = 2_000              # more are answered 503, WebSockets included
    max_message_bytes: int = 4096             # of a WebSocket: clients have nothing to say there
    ping_interval_s: float = 20.0             # of a WebSocket, and so long a pong may take
    grace_s: float = 20.0                     # for running requests, when stopping
