"""The role `hl7`: the listener and the deliveries of one process, until it is told to stop."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from config.listening import openings_of
from config.settings import Settings
from hl7.delivery import Delivery
from hl7.listener import Counting, Handshakes, Limits, Listener, Receiver

_STACK_BYTES = 512 << 10               # address space; only what is touched costs


class Stopping(Protocol):
    """Says when it is time to finish."""

    def wait(self) -> bool: ...


class RoleContext(Protocol):
    """How a role process talks to its supervisor."""

    @property
    def stopping(self) -> Stopping: ...

    def ready(self) -> None:
        """Say that the role serves."""


def serve(
    context: RoleContext,
    receiver: Receiver,
    deliveries: Sequence[Delivery],
    settings: Settings,
    *,
    counting: Counting | None = None,
    handshakes: Callable[[str], Handshakes],
) -> None:
    """Serve until `context.stopping`; messages that have come whole are answered, within the grace period.

    `handshakes`: makes those of a listener inside TLS, by whether clients are asked for certificates.
    """
    threading.stack_size(_STACK_BYTES)
    hl7 = settings.hl7
    limits = Limits(
        max_connections=hl7.max_connections,
        max_message_bytes=hl7.max_message_bytes,
        max_held_bytes=hl7.max_held_bytes,
        message_timeout_s=hl7.message_timeout_s,
        idle_timeout_s=hl7.idle_timeout_s,
    )
    listeners = [
        Listener(
            receiver, host=one.host, port=one.port, limits=limits, counting=counting, share=True,
            networks=one.networks,
            handshakes=handshakes(one.clients) if one.is_secure else None,
        )
        for one in openings_of(settings, "hl7")
    ]  # fmt: skip
    threads = [threading.Thread(target=one.run, daemon=True) for one in deliveries]
    serving = [threading.Thread(target=one.serve, daemon=True) for one in listeners]
    for thread in (*threads, *serving):
        thread.start()
    context.ready()
    context.stopping.wait()
    _end(listeners, settings.supervise.grace_s)
    for thread in threads:                       # a message on its way is waited for: else it would be sent twice
        thread.join(settings.supervise.grace_s)


def _end(listeners: Sequence[Listener], grace_s: float) -> None:
    """Accept nothing more, and end what is open, all within the same time."""
    deadline = time.monotonic() + grace_s
    for listener in listeners:
        listener.close()
    for listener in listeners:
        listener.drain(max(0.0, deadline - time.monotonic()))
