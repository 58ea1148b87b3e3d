"""What /metrics tells of the web processes."""

import asyncio
from pathlib import Path

from starlette.types import Message

from pacsd.supervise.metrics import Metrics, render
from pacsd.web.metering import Counted, Meter


async def _nowhere(message: Message) -> None: ...


def test_requests_bytes_and_durations_are_counted_by_transaction_and_status(tmp_path: Path) -> None:
    async def answer(status: int, body: bytes) -> Counted:
        counted = Counted(_nowhere)
        await counted({"type": "http.response.start", "status": status})
        await counted({"type": "http.response.body", "body": body, "more_body": True})
        await counted({"type": "http.response.body"})
        return counted

    meter = Meter(Metrics(tmp_path / "one"))
    for status, body in ((200, b"12345"), (200, b"678"), (404, b"9")):
        meter("Retrieve Frames", asyncio.run(answer(status, body)))
    meter("Retrieve Study", Counted(_nowhere))
    text = render(tmp_path)
    assert 'pacsd_web_requests_total{transaction="Retrieve Frames",status="200"} 2\n' in text
    assert 'pacsd_web_requests_total{transaction="Retrieve Frames",status="404"} 1\n' in text
    assert 'pacsd_web_requests_total{transaction="Retrieve Study",status="none"} 1\n' in text
    assert 'pacsd_web_sent_bytes_total{transaction="Retrieve Frames"} 9\n' in text
    assert 'pacsd_web_request_seconds_count{transaction="Retrieve Frames"} 3\n' in text


def test_open_event_channels_come_and_go(tmp_path: Path) -> None:
    meter = Meter(Metrics(tmp_path / "one"))
    for opened in (1, 1, -1):
        meter.channel(opened)
    assert "pacsd_web_event_channels_open 1\n" in render(tmp_path)
