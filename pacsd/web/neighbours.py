"""The web processes of one server share their connections out among themselves.

The kernel deals connections to processes that listen on one port by a hash of the addresses (SO_REUSEPORT, socket(7)):
of two clients half the time one process gets both, and one interpreter lock. So a process that is busier than another
hands a connection on before it has read from it (SCM_RIGHTS, unix(7)).

Numbers are in memory that is shared before the processes are forked; each process writes its own, without a lock. What
is handed on stays in the neighbour's queue, which outlives it.
"""

import contextlib
import mmap
import os
import socket
import time
from collections.abc import Callable

_SLOT_BYTES = 8                          # written by one aligned store
_ALIVE_S = 1.0                           # a process that has not said so for longer gets nothing handed on
_MOST_AT_ONCE = 16


class Neighbours:
    """The desks of `processes` processes; made before the first of them is forked."""

    def __init__(self, processes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.queues = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(processes)]
        for pair in self.queues:
            for end in pair:
                end.setblocking(False)
        self.busy = _numbers(processes)              # connections at work
        self.seen_at = _numbers(processes).cast("B").cast("d")
        self.taken = _numbers(processes)             # of those handed on to it, ever
        self.given = [_numbers(processes) for _ in range(processes)]     # handed on by it, ever, to each

    def desk(self, number: int) -> "Desk":
        """That of process `number`, counted from 0; it starts with nothing to do, whatever its predecessor had."""
        self.busy[number] = 0
        self.taken[number] = self.given_to(number)
        return Desk(self, number)

    def given_to(self, number: int) -> int:
        """How many connections were ever handed on to that process."""
        return sum(row[number] for row in self.given)

    def close(self) -> None:
        """Give up what was handed on and not taken."""
        for pair in self.queues:
            for end in pair:
                end.close()


class Desk:
    """One process's view of the others; used by its event loop."""

    def __init__(self, all_of_them: Neighbours, number: int) -> None:
        self._all = all_of_them
        self._number = number
        self._others = [other for other in range(len(all_of_them.queues)) if other != number]
        self._queue = all_of_them.queues[number][0]

    def fileno(self) -> int:
        """Readable when something was handed on to this process."""
        return self._queue.fileno()

    def work(self, change: int) -> None:
        """So many more connections are at work, or fewer."""
        self._all.busy[self._number] += change

    def alive(self) -> None:
        """To be said several times a second."""
        self._all.seen_at[self._number] = self._all.clock()

    def leave(self) -> None:
        """Nothing more is wanted."""
        self._all.seen_at[self._number] = 0.0

    def hand_on(self, connection: int, mark: bytes = b"c") -> bool:
        """Give a connection that has just come to the least busy of the others, if that is less busy than this process.

        On True it is theirs: this process closes its descriptor. `mark`: a byte that goes with it.
        """
        now = self._all.clock()
        there = [other for other in self._others if now - self._all.seen_at[other] < _ALIVE_S]
        if not there:
            return False
        least = min(there, key=self._load)
        if self._load(least) >= self._load(self._number):
            return False
        given = self._all.given[self._number]
        given[least] += 1                            # before it can arrive there, which would not be counted
        try:
            socket.send_fds(self._all.queues[least][1], [mark], [connection])
        except OSError:                              # its queue is full, say
            given[least] -= 1
            return False
        return True

    def take(self) -> list[tuple[bytes, socket.socket]]:
        """Connections that others handed on, each with its mark; each is on its way until `arrived`."""
        taken: list[tuple[bytes, socket.socket]] = []
        with contextlib.suppress(BlockingIOError):
            while len(taken) < _MOST_AT_ONCE:
                mark, descriptors, _, _ = socket.recv_fds(self._queue, 1, 1)
                taken += [(mark, _connection(one)) for one in descriptors]
                if not descriptors:                  # there was none left for it: the kernel has closed the connection
                    self.arrived()
        return taken

    def arrived(self) -> None:
        """One that was taken is at work, or will never be."""
        given = self._all.given_to(self._number)
        self._all.taken[self._number] = min(self._all.taken[self._number] + 1, given)

    def _load(self, number: int) -> int:
        """Connections at work, and those on their way."""
        return self._all.busy[number] + self._all.given_to(number) - self._all.taken[number]


def _connection(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    connection = socket.socket(fileno=descriptor)
    connection.setblocking(False)
    return connection


def _numbers(count: int) -> "memoryview[int]":
    return memoryview(mmap.mmap(-1, count * _SLOT_BYTES)).cast("q")
