"""What the HL7 processes count, for /metrics."""

import re
from collections.abc import Sequence
from typing import Protocol

_CODE = re.compile(rb"\rMSA.([A-Z]{2})")


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


class Meters:
    """The numbers of one process; hl7.listener.Counting."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._answers: dict[str, Number] = {}
        self._open = metrics.gauge("pacsd_hl7_connections_open", "MLLP connections being served now.")
        self._seconds = metrics.histogram(
            "pacsd_hl7_message_seconds", "Time from a message's last byte to its answer.", operation="receive"
        )

    def opened(self, connections: int) -> None:
        """A connection began, or ended (-1)."""
        self._open.add(connections)

    def answered(self, answers: Sequence[bytes], seconds: float) -> None:
        """A message was answered."""
        found = _CODE.search(answers[0]) if answers else None
        code = found[1].decode() if found else "none"
        self._counter(code).add()
        self._seconds.observe_all((seconds,))

    def _counter(self, code: str) -> Number:
        found = self._answers.get(code)
        if found is None:
            help_text = "HL7 messages received, by the first acknowledgement code (HL7 table 0008)."
            found = self._metrics.counter("pacsd_hl7_messages_total", help_text, answer=code)
            self._answers[code] = found
        return found
