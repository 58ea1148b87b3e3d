"""What exams change is told to the destinations that want to know, once, in order, of their own organisation."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.settings import Hl7DestinationSettings, OrganisationSettings, Settings
from hl7.message import Message, parse
from hl7.ports import Caller
from hl7.validation import validate
from ihe_profiles.exchange.services import Exchange
from pacsd.access.directory import Directory
from pacsd.index import messages as message_rows
from pacsd.workflow.orders import progress
from tests.archive.house import House, opened
from tests.hl7.orders import omi, orm
from tests.hl7.peer import code

ORGANISATIONS = (
    OrganisationSettings("east", assigning_authority="EAST"),
    OrganisationSettings("west", assigning_authority="WEST"),
)
DESTINATIONS = (
    Hl7DestinationSettings("ris", "127.0.0.1", 1, order_status="ORM^O01"),
    Hl7DestinationSettings("his", "127.0.0.1", 1, order_status="OMI^O23", organisation="east"),
    Hl7DestinationSettings("other", "127.0.0.1", 1, order_status="ORM^O01", organisation="west"),
    Hl7DestinationSettings("deaf", "127.0.0.1", 1),
)


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


@pytest.fixture
def exchange(house: House) -> Exchange:
    made = Settings(organisations=ORGANISATIONS, hl7_destinations=DESTINATIONS)
    return Exchange(made, house.pool, house.journal, Directory(made, house.keys), house.blobs)


def take(exchange: Exchange, message: str) -> None:
    (answer,) = exchange.reception().receive(message.encode(), Caller("127.0.0.1"))
    assert code(answer) == "AA"


def exam(house: House, status: str, accession: str, *, minutes: int) -> None:
    with message_rows.keeping(house.pool) as connection:
        progress(
            connection, organisation=house.keys["east"], study_instance_uid=None, accession_number=accession,
            scheduled_step_ids=(), status=status, at=datetime.now(UTC) + timedelta(minutes=minutes),
        )  # fmt: skip


@pytest.fixture
def tell(exchange: Exchange) -> Callable[[], None]:
    """What a worker does until nothing is to be told."""
    (chore,) = [run for name, _, run in exchange.chores() if name == "tell how far exams are"]

    def run() -> None:
        while chore():
            pass

    return run


def told(exchange: Exchange, destination: str, organisation: str = "east") -> list[Message]:
    queued = exchange.list_outgoing(organisation, state="waiting", limit=99)
    mine = [one for one in reversed(queued) if one.destination == destination]
    return [parse(exchange.outgoing(organisation, one.pk).body) for one in mine]


def test_an_exam_is_told_as_it_begins_and_ends(
    house: House, exchange: Exchange, tell: Callable[[], None]
) -> None:
    take(exchange, orm("NW", placer="P1^HIS", filler="F\\F\\1^RIS", accession="A1", name="王^小明"))
    exam(house, "IN PROGRESS", "A1", minutes=1)
    exam(house, "COMPLETED", "A1", minutes=2)
    tell()
    began, ended = told(exchange, "ris")
    assert [one.value("ORC-5") for one in (began, ended)] == ["IP", "CM"]
    assert [one.value("OBR-25") for one in (began, ended)] == ["I", "R"]
    said = {place: began.value(place) for place in (
        "MSH-9", "MSH-9.2", "MSH-5", "MSH-18", "PID-3", "PID-3.4", "PID-5", "PID-5.2", "ORC-1", "ORC-2", "ORC-2.2",
        "ORC-3", "OBR-4", "OBR-18", "OBR-20", "OBR-24",
    )}  # fmt: skip
    assert said == {
        "MSH-9": "ORM", "MSH-9.2": "O01", "MSH-5": "ris", "MSH-18": "UNICODE UTF-8", "PID-3": "42", "PID-3.4": "EAST",
        "PID-5": "王", "PID-5.2": "小明", "ORC-1": "SC", "ORC-2": "P1", "ORC-2.2": "HIS", "ORC-3": "F|1",
        "OBR-4": "CT01", "OBR-18": "A1", "OBR-20": began.value("OBR-19") + "-1", "OBR-24": "CT",
    }  # fmt: skip
    (imaging, _) = told(exchange, "his")
    assert imaging.value("MSH-9") == "OMI" and imaging.value("IPC-1") == "A1" and imaging.value("IPC-5") == "CT"
    assert told(exchange, "other", "west") == [] and told(exchange, "deaf") == []


def test_what_is_told_keeps_to_its_structure(
    house: House, exchange: Exchange, tell: Callable[[], None]
) -> None:
    take(exchange, omi("NW", placer="P1", steps=("S1", "S2")))
    exam(house, "DISCONTINUED", "A-IPC", minutes=1)
    tell()
    for destination in ("ris", "his"):
        messages = told(exchange, destination)
        assert [one.value("OBR-20") for one in messages] == ["S1", "S2"]
    for one in told(exchange, "his"):                    # of ORM_O01 hl7apy wants every segment of a choice
        validate(one)


def test_what_a_message_changed_is_not_told_back_and_an_event_is_told_once(
    house: House, exchange: Exchange, tell: Callable[[], None]
) -> None:
    take(exchange, orm("NW", placer="P1", accession="A1"))
    take(exchange, orm("SC", placer="P1", status="ARRIVED", at="20260101130000"))
    tell()
    assert told(exchange, "ris") == []
    exam(house, "STARTED", "A1", minutes=1)
    tell()
    with house.pool.connection() as connection:          # as if a crash had come between queueing and moving on
        connection.execute("update consumer set window_from = '0', window_to = '0', event = 0")
    tell()
    assert len(told(exchange, "ris")) == 1


def test_who_is_told_from_today_on_does_not_hear_of_exams_that_were_before(house: House, exchange: Exchange) -> None:
    take(exchange, orm("NW", placer="P1", accession="A1"))
    with house.pool.connection() as connection:          # as in a new index, or where nobody wanted to know so far
        connection.execute("delete from consumer")
    exam(house, "STARTED", "A1", minutes=1)
    made = Settings(organisations=ORGANISATIONS, hl7_destinations=DESTINATIONS)
    again = Exchange(made, house.pool, house.journal, Directory(made, house.keys), house.blobs)
    exam(house, "COMPLETED", "A1", minutes=2)
    (chore,) = [run for name, _, run in again.chores() if name == "tell how far exams are"]
    while chore():
        pass
    assert [one.value("ORC-5") for one in told(again, "ris")] == ["CM"]
