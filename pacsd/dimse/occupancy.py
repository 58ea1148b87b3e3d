"""How many associations the DIMSE processes of this server hold together, and when one of them last received an object.

Each process writes its own numbers into memory it shares with the others and reads theirs: no lock, no message. The
memory is made before the processes are forked. Two processes that accept in the same moment may both pass the limit;
a process that died counts until its successor begins.
"""

import mmap
from dataclasses import dataclass
from typing import Protocol

_SLOT_BYTES = 8                          # written by one aligned store


class Place(Protocol):
    """Where one process tells its number."""

    def tell(self, count: int) -> int:
        """This process serves `count` associations; returns how many all processes serve."""

    def received(self, at: float) -> None:
        """An object arrived in this process, by the monotonic clock, which is the machine's."""

    def last_received(self) -> float:
        """When one last arrived in any of them."""


class Occupancy:
    """The shared numbers of `processes` processes."""

    def __init__(self, processes: int) -> None:
        slots = max(processes, 1)
        shared = memoryview(mmap.mmap(-1, 2 * slots * _SLOT_BYTES))
        self._counts = shared[: slots * _SLOT_BYTES].cast("Q")
        self._times = shared[slots * _SLOT_BYTES :].cast("d")

    def place(self, number: int) -> Place:
        """That of process `number`, counted from 0; it starts from nothing."""
        self._counts[number] = 0
        return _Slot(self._counts, self._times, number)


@dataclass(frozen=True, slots=True)
class _Slot:
    counts: "memoryview[int]"
    times: "memoryview[float]"
    number: int

    def tell(self, count: int) -> int:
        self.counts[self.number] = count
        return sum(self.counts)

    def received(self, at: float) -> None:
        self.times[self.number] = at

    def last_received(self) -> float:
        return max(self.times)


@dataclass(slots=True)
class Alone:
    """For a process that shares its port with nobody."""

    received_at: float = 0.0

    def tell(self, count: int) -> int:
        """The count itself."""
        return count

    def received(self, at: float) -> None:
        """Kept for this process alone."""
        self.received_at = at

    def last_received(self) -> float:
        """When it last received."""
        return self.received_at
