"""What the DIMSE processes count, for /metrics.

An association counts for itself, without a lock, and hands its numbers over about once a second and at its end.
"""

import time
from collections import Counter as Tallies
from collections.abc import Sequence
from typing import Protocol

from pacsd.dimse.command import (
    C_ECHO_RQ,
    C_FIND_RQ,
    C_GET_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    N_ACTION_RQ,
    N_CREATE_RQ,
    N_DELETE_RQ,
    N_EVENT_REPORT_RQ,
    N_GET_RQ,
    N_SET_RQ,
)

OPERATIONS = {
    C_ECHO_RQ: "C-ECHO", C_STORE_RQ: "C-STORE", C_FIND_RQ: "C-FIND", C_MOVE_RQ: "C-MOVE", C_GET_RQ: "C-GET",
    N_CREATE_RQ: "N-CREATE", N_SET_RQ: "N-SET", N_GET_RQ: "N-GET", N_ACTION_RQ: "N-ACTION", N_DELETE_RQ: "N-DELETE",
    N_EVENT_REPORT_RQ: "N-EVENT-REPORT",
}  # fmt: skip
_HAND_OVER_EVERY_S = 1.0


class Number(Protocol):
    """A counter or gauge."""

    def add(self, amount: float = 1.0) -> None: ...


class Distribution(Protocol):
    """A histogram."""

    def observe_all(self, values: Sequence[float]) -> None: ...


class Metrics(Protocol):
    """Where a process counts; the same name and labels give the same number."""

    def counter(self, name: str, help_text: str, **labels: str) -> Number: ...
    def gauge(self, name: str, help_text: str, **labels: str) -> Number: ...
    def histogram(self, name: str, help_text: str, *, operation: str) -> Distribution: ...


class Unmeasured:
    """Counts nothing."""

    def add(self, amount: float = 1.0) -> None: ...
    def observe_all(self, values: Sequence[float]) -> None: ...

    def counter(self, name: str, help_text: str, **labels: str) -> "Unmeasured":
        """Itself: whatever is counted is forgotten."""
        return self

    def gauge(self, name: str, help_text: str, **labels: str) -> "Unmeasured":
        """Itself."""
        return self

    def histogram(self, name: str, help_text: str, *, operation: str) -> "Unmeasured":
        """Itself."""
        return self


class Meters:
    """The numbers of one process."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._metrics: Metrics = metrics or Unmeasured()
        self.open = self._metrics.gauge("pacsd_dimse_associations_open", "Associations being served now.")
        self.accepted = self._metrics.counter("pacsd_dimse_associations_total", "Associations accepted.")
        self.objects = {one: self._objects(one) for one in ("stored", "sent")}

    def _objects(self, done: str) -> tuple[Number, Number]:
        name = f"pacsd_dimse_{done}"
        count = self._metrics.counter(f"{name}_objects_total", f"Objects {done} by C-STORE.")
        return count, self._metrics.counter(f"{name}_bytes_total", f"Bytes of the data sets {done} by C-STORE.")

    def rejected(self, result: int, source: int, reason: int) -> None:
        """An association was refused (PS3.8 Table 9-21)."""
        help_text = "Associations rejected, by result, source and reason of PS3.8 Table 9-21."
        name = "pacsd_dimse_associations_rejected_total"
        self._metrics.counter(name, help_text, answer=f"{result}/{source}/{reason}").add()

    def ended(self, operation: str, status: str, count: int) -> None:
        """Operations that ended with a status, in hexadecimal, or without one."""
        help_text = "DIMSE operations performed, by status."
        self._metrics.counter("pacsd_dimse_operations_total", help_text, operation=operation, status=status).add(count)

    def took(self, operation: str, seconds: Sequence[float]) -> None:
        """How long operations took, from the request's command to the last response."""
        help_text = "Time from an operation's request to its last response."
        self._metrics.histogram("pacsd_dimse_operation_seconds", help_text, operation=operation).observe_all(seconds)


class Meter:
    """The numbers of one association, used by its thread alone."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._objects: Tallies[str] = Tallies()
        self._bytes: Tallies[str] = Tallies()
        self._statuses: Tallies[tuple[str, str]] = Tallies()
        self._seconds: dict[str, list[float]] = {}
        self._handed_over_at = time.monotonic()

    def stored(self, size_bytes: int) -> None:
        """An object arrived and was kept."""
        self._objects["stored"] += 1
        self._bytes["stored"] += size_bytes

    def sent(self, size_bytes: int) -> None:
        """An object was sent to the peer."""
        self._objects["sent"] += 1
        self._bytes["sent"] += size_bytes
        self._hand_over_now_and_then()

    def performed(self, command_field: int, status: int | None, seconds: float) -> None:
        """An operation of the peer's ended; without a status if the association ended first."""
        operation = OPERATIONS.get(command_field, "other")
        self._statuses[operation, "none" if status is None else f"{status:04X}"] += 1
        self._seconds.setdefault(operation, []).append(seconds)
        self._hand_over_now_and_then()

    def _hand_over_now_and_then(self) -> None:
        if time.monotonic() - self._handed_over_at >= _HAND_OVER_EVERY_S:
            self.hand_over()

    def hand_over(self) -> None:
        """Add everything counted since the last time to the process's numbers."""
        for done, number in self._objects.items():
            count, size = self._meters.objects[done]
            count.add(number)
            size.add(self._bytes[done])
        for (operation, status), number in self._statuses.items():
            self._meters.ended(operation, status, number)
        for operation, seconds in self._seconds.items():
            self._meters.took(operation, seconds)
        for counted in (self._objects, self._bytes, self._statuses, self._seconds):
            counted.clear()
        self._handed_over_at = time.monotonic()
