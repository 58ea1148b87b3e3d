"""A flag that a signal handler may raise, and that threads, selectors and event loops may wait for."""

import os
import select


class Stopping:
    """Set once, never cleared. Unlike threading.Event, safe to set inside a signal handler."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._is_set = False

    def set(self) -> None:
        """Raise the flag; more than once does no harm."""
        self._is_set = True
        os.eventfd_write(self._descriptor, 1)

    def is_set(self) -> bool:
        """Whether it is time to finish."""
        return self._is_set

    def wait(self, timeout_s: float | None = None) -> bool:
        """Sleep until it is time to finish, at most `timeout_s`; whether it is."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.poll(None if timeout_s is None else max(timeout_s, 0) * 1000)
        return self._is_set

    def fileno(self) -> int:
        """A descriptor that is readable from then on; nobody may read it."""
        return self._descriptor
