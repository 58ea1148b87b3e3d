"""Waiting for what is about to come: to look again and again for a moment, before going to sleep.

To be woken takes tens of microseconds, on virtual machines more, and a processor that slept goes on with cold caches:
about as long as PostgreSQL takes to answer, or a sender of small objects to send the next one.
"""

import os
import time
from collections.abc import Callable


def soon(is_there: Callable[[], object], *, within_s: float) -> bool:
    """Whether it was there within the time. Whoever else wants the processor has it between two looks."""
    until = time.perf_counter() + within_s
    while not is_there():
        if time.perf_counter() >= until:
            return False
        os.sched_yield()
    return True


__all__ = ["soon"]
