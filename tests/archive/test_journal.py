"""The journal of facts that are in no object's bytes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pacsd.archive.journal import FactKind, Journal
from pacsd.blobs import LocalBlobs
from pacsd.blobs.ulid import Ulids
from pacsd.faults import Fault, PacsdError


def test_facts_come_back_in_the_order_they_were_said(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    journal = Journal(blobs)
    said = [journal.append({"fact": "reject", "organisation": "west", "number": number}) for number in range(20)]
    assert list(Journal(blobs).replay()) == said
    assert said[0].kind is FactKind.REJECT
    assert said[0].key.startswith(f"journal/{said[0].at:%Y/%m/%d}/")


def test_replay_since_spans_days(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    start = datetime.now(UTC) - timedelta(days=3)
    for day in range(4):
        clock = (start + timedelta(days=day)).timestamp()
        Journal(blobs, ulids=Ulids(clock=lambda clock=clock: clock)).append({"fact": "restore", "day": day})
    since = start + timedelta(days=1)
    assert [fact.body["day"] for fact in Journal(blobs).replay(since=since - timedelta(seconds=1))] == [1, 2, 3]
    assert [fact.body["day"] for fact in Journal(blobs).replay(since=since + timedelta(seconds=1))] == [2, 3]
    assert [fact.body["day"] for fact in Journal(blobs).replay()] == [0, 1, 2, 3]


def test_a_clock_that_goes_back_does_not_reorder(tmp_path: Path) -> None:
    times = iter([2e9, 1e9, 1.5e9])
    journal = Journal(LocalBlobs(tmp_path, reserve_bytes=0), ulids=Ulids(clock=lambda: next(times)))
    said = [journal.append({"fact": "purge", "n": n}) for n in range(3)]
    assert [fact.body["n"] for fact in journal.replay()] == [0, 1, 2]
    assert said[0].at == said[2].at


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"version":1}', b'{"version":1,"fact":"new","at":"2026-01-01"}'])
def test_a_fact_that_cannot_be_read_stops_the_replay(text: bytes, tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path, reserve_bytes=0)
    blobs.put("journal/2026/01/01/00000000000000000000000000.json", text)
    with pytest.raises(PacsdError) as caught:
        list(Journal(blobs).replay())
    assert caught.value.fault is Fault.UNAVAILABLE
