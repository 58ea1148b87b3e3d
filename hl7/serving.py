"""The role `hl7`: the listener and the deliveries of one process, until it is told to stop."""

import threading
from collections.abc import Sequence
from typing import Protocol

from config.settings import Settings
from hl7.delivery import Delivery
from hl7.listener import Counting, Limits, Listener, Receiver

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
) -> None:
    """Serve until `context.stopping`; messages that have come whole are answered, within the grace period."""
    threading.stack_size(_STACK_BYTES)
    hl7 = settings.hl7
    limits = Limits(
        max_connections=hl7.max_connections,
        max_message_bytes=hl7.max_message_bytes,
        max_held_bytes=hl7.max_held_bytes,
        message_timeout_s=hl7.message_timeout_s,
        idle_timeout_s=hl7.idle_timeout_s,
    )
    listener = Listener(
        receiver, host=settings.host, port=settings.mllp_port, limits=limits, counting=counting, share=True
    )
    threads = [threading.Thread(target=one.run, daemon=True) for one in deliveries]
    for thread in (*threads, threading.Thread(target=listener.serve, daemon=True)):
        thread.start()
    context.ready()
    context.stopping.wait()
    listener.close()
    listener.drain(settings.supervise.grace_s)
    for thread in threads:                       # a message on its way is waited for: else it would be sent twice
        thread.join(settings.supervise.grace_s)
