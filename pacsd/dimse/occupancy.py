"""How many associations the DIMSE processes of this server hold together.

Each process writes its own number into memory it shares with the others and reads theirs: no lock, no message. The
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


class Occupancy:
    """The shared numbers of `processes` processes."""

    def __init__(self, processes: int) -> None:
        self._counts = memoryview(mmap.mmap(-1, max(processes, 1) * _SLOT_BYTES)).cast("Q")

    def place(self, number: int) -> Place:
        """That of process `number`, counted from 0; it starts from nothing."""
        self._counts[number] = 0
        return _Slot(self._counts, number)


@dataclass(frozen=True, slots=True)
class _Slot:
    counts: memoryview
    number: int

    def tell(self, count: int) -> int:
        self.counts[self.number] = count
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Alone:
    """For a process that shares its port with nobody."""

    def tell(self, count: int) -> int:
        """The count itself."""
        return count
