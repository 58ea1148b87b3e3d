"""What clients name breaks no record, and no record holds up the others."""

from collections.abc import Iterator
from concurrent.futures import Future
from decimal import Decimal
from pathlib import Path

import orjson
import pytest

from pacsd.audit import message
from pacsd.audit.codes import Action, Code, Event, Kind
from pacsd.audit.message import Agent, AuditMessage, AuditObject, decoded, encoded
from pacsd.audit.trail import Trail, now
from pacsd.blobs.append_log import AppendFolder
from pacsd.faults import Fault, PacsdError
from pacsd.index.audit_events import Wanted
from tests.audit.house import House


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    made = Trail(AppendFolder(tmp_path / "audit", reserve_bytes=0), segment_bytes=1 << 20)
    yield made
    made.close()


def about(uid: str, subtype: str = "read", query: bytes = b"") -> AuditMessage:
    objects = (AuditObject(Kind.STUDY, uid), AuditObject(Kind.QUERY, "", query=query))
    return AuditMessage(Event.ACCESSED, Action.READ, now(), types=(Code(subtype, "urn:x", ""),), objects=objects)


@pytest.mark.parametrize("hostile", [about("\0"), about("1.2\0"), about("x\\u0000"), about("1.2", subtype="A\0B")])
def test_a_record_of_any_text_is_read_into_the_index_and_the_next_ones_too(house: House, hostile: AuditMessage) -> None:
    trail = house.trail()
    trail.write(hostile)
    trail.write(about("1.2.3"))
    house.load()
    rows = house.events.search(Wanted())
    trail.close()
    assert len(rows) == 2
    for row in rows:
        orjson.loads(row.body)


def test_what_readers_would_take_for_damage_is_not_written(trail: Trail) -> None:
    with pytest.raises(PacsdError) as refused:
        trail.write(about("1.2", query=bytes(4 << 20)))
    assert refused.value.fault is Fault.TOO_MUCH
    assert trail.write(about("1.2"))[1] > 0


def test_who_waits_no_more_holds_up_nobody(trail: Trail) -> None:
    waiting: Future[None] | None = trail.begin(lambda: [about("1.2")])
    assert waiting is not None and not waiting.cancel()
    later = trail.begin(lambda: [about("1.3")])
    assert later is not None and later.result(10) is None and waiting.result(10) is None


def test_of_agents_that_clients_name_at_length_nothing_is_kept() -> None:
    kept = message._agents.cache_info().currsize
    for n in range(600):
        told = AuditMessage(Event.ACCESSED, Action.READ, now(), agents=(Agent(f"{n} {'x' * 10_000}"),))
        assert decoded(orjson.loads(encoded(told))).agents == told.agents
    assert message._agents.cache_info().currsize == kept


def test_the_count_of_the_largest_record_is_written_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = about("1.2")
    trail = Trail(AppendFolder(tmp_path), segment_bytes=1 << 20, repeat_s=300.0)
    monkeypatch.setattr(Trail._put, "__kwdefaults__", {"most_bytes": len(encoded(first))})
    for _ in range(2):
        again = trail.begin(lambda: [first], key="k")
        assert again is None or again.result(10) is None
    trail.close()
    (file,) = tmp_path.iterdir()
    assert b'"repeats":1' in file.read_bytes() and b'"end":true' in file.read_bytes()


def test_numbers_of_a_resource_keep_their_digits() -> None:
    told = AuditMessage(Event.ACCESSED, Action.READ, now(), resource={"valueDecimal": Decimal("1.10")})
    assert b"1.10" in encoded(told)
