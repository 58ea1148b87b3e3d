"""What the web processes count, for /metrics: requests, bytes and durations by the transaction's name."""

import time
from collections.abc import Sequence
from typing import Protocol

from starlette.types import Message, Send

from pacsd.web.direct_body import EXTENSION


class Number(Protocol):
    """A counter."""

    def add(self, amount: float = 1.0) -> None: ...


class Distribution(Protocol):
    """A histogram."""

    def observe_all(self, values: Sequence[float]) -> None: ...


class Metrics(Protocol):
    """Where a process counts; the same name and labels give the same number."""

    def counter(self, name: str, help_text: str, **labels: str) -> Number: ...
    def gauge(self, name: str, help_text: str, **labels: str) -> Number: ...
    def histogram(self, name: str, help_text: str, *, transaction: str) -> Distribution: ...


class Counted:
    """An ASGI `send` that notes the status and the bytes of the body, and when it was made."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started_at = time.monotonic()
        self.status = 0                          # none was sent: the client went away
        self.size_bytes = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            self.size_bytes += len(message.get("body", b""))
        elif message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
        if message["type"] == EXTENSION:
            self.size_bytes += message["body"].sent_bytes

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return time.monotonic() - self._started_at


class Unmeasured:
    """Where nobody counts."""

    def __call__(self, transaction: str, answer: Counted) -> None:
        """Forget a request."""

    def channel(self, opened: float) -> None:
        """Forget an event channel."""


class Meter:
    """The numbers of one process, used by its event loop alone."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._numbers: dict[tuple[str, int], tuple[Number, Number, Distribution]] = {}

    def __call__(self, transaction: str, answer: Counted) -> None:
        """A request was answered."""
        key = transaction, answer.status
        numbers = self._numbers.get(key) or self._numbers.setdefault(key, self._made(*key))
        requests, sent, took = numbers
        requests.add()
        sent.add(answer.size_bytes)
        took.observe_all((answer.seconds,))

    def channel(self, opened: float) -> None:
        """An event channel was opened (1), or has ended (-1)."""
        self._metrics.gauge("pacsd_web_event_channels_open", "Event channels being served now.").add(opened)

    def _made(self, name: str, status: int) -> tuple[Number, Number, Distribution]:
        count, distribution = self._metrics.counter, self._metrics.histogram
        labelled = str(status) if status else "none"
        return (
            count("pacsd_web_requests_total", "HTTP requests.", transaction=name, status=labelled),
            count("pacsd_web_sent_bytes_total", "Bytes of bodies sent.", transaction=name),
            distribution("pacsd_web_request_seconds", "Time from a request to its answer's end.", transaction=name),
        )
