"""Keys of new resources, given out in blocks: whoever writes knows them before it asks PostgreSQL anything."""

import threading
from collections import deque

from pacsd.index.connect import Connection

BLOCK = 64                               # by which the sequence steps


class Keys:
    """Keys of one process; used by many threads at once."""

    def __init__(self) -> None:
        self._free: deque[int] = deque()
        self._lock = threading.Lock()

    def take(self, connection: Connection, count: int) -> list[int]:
        """That many keys nobody else has; those of work that comes to nothing are lost."""
        with self._lock:
            while len(self._free) < count:
                blocks = -(-(count - len(self._free)) // BLOCK)
                found = connection.execute(
                    "select nextval('fhir_resource_pk') from generate_series(1, %s)", (blocks,), prepare=True
                )
                self._free.extend(first + n for (first,) in found for n in range(BLOCK))
            return [self._free.popleft() for _ in range(count)]
