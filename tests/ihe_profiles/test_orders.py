"""From the bytes of an order to the worklist on real PostgreSQL: what is placed, changed, canceled, booked, refused."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from config.settings import Hl7SenderSettings, OrganisationSettings, Settings
from hl7.message import parse
from hl7.ports import Caller
from hl7.reading import Reading
from ihe_profiles.exchange.services import Exchange
from pacsd.access.directory import Directory
from pacsd.access.scope import Scope
from pacsd.index.matching import Criterion
from pacsd.workflow.modality_worklist import ModalityWorklist, StepQuery
from tests.archive.house import House, opened
from tests.hl7.orders import omi, orm, siu
from tests.hl7.peer import adt, code, field

ORGANISATIONS = (
    OrganisationSettings("east", assigning_authority="EAST"),
    OrganisationSettings("west", assigning_authority="WEST"),
)


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def exchange(house: House, **settings: object) -> Exchange:
    made = Settings(**{"organisations": ORGANISATIONS, **settings})  # type: ignore[arg-type]
    return Exchange(made, house.pool, house.journal, Directory(made, house.keys), house.blobs)


def mapped(house: House, folder: Path, mapping: str) -> Exchange:
    file = folder / "mapping.toml"
    file.write_text(mapping)
    return exchange(house, hl7_senders=(Hl7SenderSettings("his", "HIS", "east", mapping=file),))


def ask(one: Exchange, message: str) -> tuple[str, str, str]:
    """Code, condition and place of the answer."""
    (answer,) = one.reception().receive(message.encode(), Caller("127.0.0.1"))
    return code(answer), field(answer, b"ERR", 3).split("^")[0], field(answer, b"ERR", 2)


AA = ("AA", "", "")


def worklist(house: House, organisation: str = "east", **criteria: str) -> list[dict[str, Any]]:
    key = house.keys[organisation]
    asked = tuple(Criterion(path.removeprefix("t").replace("_", "."), value) for path, value in criteria.items())
    return list(ModalityWorklist(house.pool)(StepQuery(asked), Scope((key,), key)))


def shown(item: Mapping[str, Any], path: str) -> Any:
    """The first value at a path of tags."""
    value: Any = item
    for tag in path.split("."):
        values = value.get(tag, {}).get("Value") or [None]
        value = values[0]
        if value is None:
            return None
    return value


def test_an_order_of_the_general_kind_becomes_a_worklist_item(house: House) -> None:
    order = orm(
        "NW", placer="P1^HIS", filler="F1^RIS", accession="A1", procedure="P-RP1", step="S1", study="1.2.3",
        service="CTCH^CT chest^99X^CTCHP^Chest protocol^99P", modality="CT", start="202601020830", priority="S",
        provider="11^WANG^WEI^^^DR", referring="12^LI^NA", technician="13&ZHAO&YUN", reason="^Cough", transport="WALK",
        visit="V77^^^ADM", location="W3^R2^B1", status="SC",
    )  # fmt: skip
    assert ask(exchange(house), order) == AA
    (item,) = worklist(house)
    expected = {
        "00080050": "A1", "00401001": "P-RP1", "0020000D": "1.2.3", "00402016": "P1", "00402017": "F1",
        "00401003": "STAT", "00321060": "CT chest", "00321064.00080100": "CTCH", "00321064.00080102": "99X",
        "00401002": "Cough", "00401004": "WALK", "00380010": "V77", "00380014.00400031": "ADM",
        "00380300": "W3 R2 B1", "00321032": {"Alphabetic": "WANG^WEI^^DR"}, "00080090": {"Alphabetic": "LI^NA"},
        "00100020": "42", "00100021": "EAST", "00100010": {"Alphabetic": "ZHANG^SAN"}, "00100030": "19800102",
        "00100040": "F", "00400100.00080060": "CT", "00400100.00400002": "20260102", "00400100.00400003": "083000",
        "00400100.00400009": "S1", "00400100.00400020": "SCHEDULED", "00400100.00400007": "Chest protocol",
        "00400100.00400008.00080100": "CTCHP", "00400100.00400006": {"Alphabetic": "ZHAO^YUN"},
    }  # fmt: skip
    assert {path: shown(item, path) for path in expected} == expected


def test_the_imaging_order_names_its_steps_with_ipc(house: House) -> None:
    assert ask(exchange(house), omi("NW", placer="P1", steps=("S1", "S2"))) == AA
    items = worklist(house)
    assert [shown(item, "00400100.00400009") for item in items] == ["S1", "S2"]
    assert {shown(item, path) for item in items for path in ("00080050", "00401001", "0020000D")} == {
        "A-IPC", "RP-IPC", "1.2.840.4711"
    }  # fmt: skip
    first = items[0]
    assert shown(first, "00400100.00400001") == "MR1" and shown(first, "00400100.00400010") == "MRROOM"
    assert shown(first, "00400100.00400008.00080100") == "HEADP" and shown(first, "00401003") == "HIGH"
    assert shown(first, "00400100.00400003") == "093015"
    assert len(worklist(house, t00400100_00400009="S2")) == 1


def test_the_departments_own_ids_replace_those_that_were_assigned_to_the_hospitals_order(house: House) -> None:
    one = exchange(house)
    assert ask(one, orm("NW", placer="P1^HIS")) == AA
    own = orm("XO", placer="P1^HIS", filler="F1^RIS", procedure="RP1", step="S1", accession="A1", at="20260101130000")
    assert ask(one, own) == AA
    (item,) = worklist(house)
    assert [shown(item, path) for path in ("00401001", "00400100.00400009", "00080050")] == ["RP1", "S1", "A1"]
    assert ask(one, orm("CA", placer="", filler="F1^RIS", at="20260101140000")) == AA
    assert worklist(house) == []


def test_several_orders_of_one_message_are_steps_of_one_procedure_where_ris_says_so(house: House) -> None:
    both = orm("NW", placer="P1", procedure="RP", step="S1", study="") + orm(
        "NW", placer="P1", procedure="RP", step="S2", study="1.2.3", only_order=True
    )
    assert ask(exchange(house), both) == AA
    items = worklist(house)
    assert [shown(item, "00400100.00400009") for item in items] == ["S1", "S2"]
    assert {shown(item, "0020000D") for item in items} == {"1.2.3"}


def test_a_change_changes_a_cancel_removes_and_a_repeat_does_nothing(house: House) -> None:
    one = exchange(house)
    placed = orm("NW", placer="P1", start="202601020830")
    assert ask(one, placed) == AA and ask(one, placed) == AA
    assert ask(one, orm("XO", placer="P1", start="202601031000", at="20260101130000")) == AA
    (item,) = worklist(house)
    assert shown(item, "00400100.00400002") == "20260103"
    assert ask(one, orm("CA", placer="P1", at="20260101140000")) == AA
    assert worklist(house) == []
    assert [shown(item, "00400100.00400020") for item in worklist(house, t00400100_00400020="CANCELED")] == ["CANCELED"]


def test_what_arrives_late_changes_nothing(house: House) -> None:
    one = exchange(house)
    assert ask(one, orm("NW", placer="P1", start="202601020830", at="20260101120000")) == AA
    assert ask(one, orm("CA", placer="P1", at="20260101140000")) == AA
    late = orm("XO", placer="P1", start="202601031000", at="20260101130000")
    assert one.attempt(late.encode()).effects[-1] == "order P1: older than what is known, without effect"
    assert ask(one, late) == AA
    assert worklist(house) == []


@pytest.mark.parametrize("control", ["CA", "DC", "SC"])
def test_an_order_nobody_placed_cannot_be_canceled(house: House, control: str) -> None:
    assert ask(exchange(house), orm(control, placer="P1", status="IP")) == ("AE", "204", "ORC^1^2")
    assert list(house.journal.replay()) == []


def test_a_change_of_an_order_nobody_placed_places_it(house: House) -> None:
    assert ask(exchange(house), orm("XO", placer="P1")) == AA
    assert len(worklist(house)) == 1


@pytest.mark.parametrize(
    ("said", "status", "listed"),
    [("IP", "STARTED", 1), ("CM", "COMPLETED", 0), ("ARRIVED", "ARRIVED", 1), ("DC", "DISCONTINUED", 0)],
)
def test_a_status_shows_on_the_worklist(house: House, said: str, status: str, listed: int) -> None:
    one = exchange(house)
    assert ask(one, orm("NW", placer="P1")) == AA
    assert ask(one, orm("SC", placer="P1", status=said, at="20260101130000")) == AA
    assert len(worklist(house)) == listed
    assert len(worklist(house, t00400100_00400020=status)) == 1


def test_an_appointment_moves_the_steps_and_its_cancellation_removes_them(house: House) -> None:
    one = exchange(house)
    assert ask(one, orm("NW", placer="P1", filler="F1")) == AA
    assert ask(one, siu("S12", filler="F1", start="202601050800", at="20260101130000")) == AA
    (item,) = worklist(house)
    assert shown(item, "00400100.00400002") == "20260105" and shown(item, "00400100.00400011") == "RADIOLOGY R7"
    assert ask(one, siu("S15", filler="F1", at="20260101140000")) == AA
    assert worklist(house) == []
    assert ask(one, siu("S13", filler="F1", start="202601060800", at="20260101150000")) == AA
    (item,) = worklist(house)
    assert shown(item, "00400100.00400002") == "20260106"
    assert ask(one, siu("S12", filler="nobody", start="202601050800")) == ("AE", "204", "SCH^1^27")
    assert ask(one, siu("S12", filler="", start="202601050800")) == ("AE", "101", "SCH^1^26")
    assert ask(one, siu("S12", filler="F1", start="")) == ("AE", "101", "SCH^1^11^^4")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (orm("", placer="P1"), ("AE", "101", "ORC^1^1")),
        (orm("ZZ", placer="P1"), ("AE", "103", "ORC^1^1")),
        (orm("NW", placer=""), ("AE", "101", "ORC^1^2")),
        (orm("NW", placer="P1", modality=""), ("AE", "101", "OBR^1^24")),
        (orm("NW", placer="P1", modality="ct"), ("AE", "102", "OBR^1^24")),
        (orm("NW", placer="P1", service=""), ("AE", "101", "OBR^1^4")),
        (orm("NW", placer="P1", start="soon"), ("AE", "102", "ORC^1^7^^4")),
        (orm("NW", placer="P1", start="20260230"), ("AE", "102", "ORC^1^7^^4")),
        (orm("NW", placer="P1", priority="X"), ("AE", "103", "ORC^1^7^^6")),
        (orm("NW", placer="P1", accession="A" * 17), ("AE", "104", "OBR^1^18")),
        (orm("NW", placer="P1", study="1.02"), ("AE", "102", "ZDS^1^1")),
        (orm("NW", placer="P1", status="??"), ("AE", "103", "ORC^1^5")),
        (orm("SC", placer="P1", status=""), ("AE", "101", "ORC^1^5")),
        (orm("NW", placer="x" * 65), ("AE", "104", "ORC^1^2")),
        (orm("NW", placer="P1", patient=""), ("AE", "101", "PID^1^3")),
        (orm("NW", placer="P1").replace("\rOBR|", "\rZBR|"), ("AE", "100", "OBR^1")),
        (orm("NW", placer="P1").replace("\rORC|", "\rZRC|"), ("AE", "100", "ORC^1")),
        (orm("NW", placer="P1").replace("\rPID|", "\rZID|"), ("AE", "100", "PID^1")),
        (orm("NW", placer="P1") + orm("NW", placer="P2", modality="", only_order=True), ("AE", "101", "OBR^2^24")),
    ],
)
def test_what_is_missing_or_wrong_is_told_with_its_place_and_nothing_stays(
    house: House, message: str, expected: tuple[str, str, str]
) -> None:
    assert ask(exchange(house), message) == expected
    assert worklist(house) == [] and list(house.journal.replay()) == []
    with house.pool.connection() as connection:
        assert connection.execute("select count(*) from patient").fetchone() == (0,)


def test_more_orders_than_one_message_may_hold_are_refused(house: House) -> None:
    many = orm("NW", placer="P0") + "".join(orm("NW", placer=f"P{n}", only_order=True) for n in range(1, 502))
    assert ask(exchange(house), many) == ("AE", "104", "ORC^501")


def test_an_order_states_its_patient_as_registration_does(house: House) -> None:
    one = exchange(house)
    assert ask(one, adt("A08", "1", "42", name="OLD^NAME", birth_date="19990101")) == AA
    assert ask(one, orm("NW", placer="P1")) == AA
    assert ask(one, adt("A08", "2", "42", name="NEW^NAME")) == AA
    (item,) = worklist(house)
    assert shown(item, "00100010") == {"Alphabetic": "NEW^NAME"} and shown(item, "00100030") == "19800102"


def test_an_order_about_another_hospitals_patient_states_nothing_of_it(house: House) -> None:
    assert ask(exchange(house), orm("NW", placer="P1", patient="7^^^WEST")) == AA
    with house.pool.connection() as connection:
        found = connection.execute("select assigning_authority, patient_id, overlay from patient").fetchall()
    assert found == [("WEST", "7", {})]
    (item,) = worklist(house)
    assert shown(item, "00100010") == {"Alphabetic": "ZHANG^SAN"} and shown(item, "00100021") == "WEST"
    assert worklist(house, "west") == []


def test_an_order_for_a_patient_that_was_merged_goes_to_the_survivor(house: House) -> None:
    one = exchange(house)
    assert ask(one, adt("A40", "1", "99", name="SURVIVOR", more="MRG|42")) == AA
    assert ask(one, orm("NW", placer="P1")) == AA
    (item,) = worklist(house)
    assert (shown(item, "00100020"), shown(item, "00100010")) == ("99", {"Alphabetic": "SURVIVOR"})
    assert ask(one, adt("A40", "2", "100", more="MRG|99")) == AA
    (item,) = worklist(house)
    assert shown(item, "00100020") == "100"
    assert ask(one, orm("CA", placer="P1", at="20260101150000")) == AA


def test_an_order_of_another_patient_is_not_touched(house: House) -> None:
    one = exchange(house)
    assert ask(one, orm("NW", placer="P1")) == AA
    assert ask(one, orm("XO", placer="P1", patient="43", at="20260101130000")) == ("AE", "205", "ORC^1^2")
    assert ask(one, orm("CA", placer="P1", patient="43", at="20260101130000")) == ("AE", "205", "ORC^1^2")
    assert len(worklist(house)) == 1


def test_a_mapping_file_connects_a_hospital_with_its_own_codes_places_and_stations(
    house: House, tmp_path: Path
) -> None:
    one = mapped(house, tmp_path, """
coding_scheme = "99HIS"
[[fields]]
name = "accession_number"
path = "ZOR-2"
[[codes]]
name = "order_control"
sent = "1"
meant = "NW"
[[codes]]
name = "priority"
sent = "急"
meant = "S"
[[procedures]]
sent = "0815"
code = "CTABD"
meaning = "CT abdomen"
modality = "CT"
[[stations]]
modality = "CT"
ae_titles = ["CT1", "CT2"]
""")
    order = orm("1", placer="P1", service="0815^腹部平扫", modality="", priority="急") + "ZOR||ACC-9\r"
    tried = one.attempt(order.encode())
    assert tried.error is None and "accession ACC-9" in tried.effects[-1] and worklist(house) == []
    assert ask(one, order) == AA
    (item,) = worklist(house, t00400100_00400001="CT2")
    assert shown(item, "00080050") == "ACC-9" and shown(item, "00401003") == "STAT"
    assert shown(item, "00321064.00080100") == "CTABD" and shown(item, "00321060") == "CT abdomen"
    assert shown(item, "00321064.00080102") == "99HIS" and shown(item, "00400100.00080060") == "CT"


def test_an_order_that_says_no_start_is_done_when_ordered_or_refused(house: House, tmp_path: Path) -> None:
    assert ask(exchange(house), orm("NW", placer="P1", start="", at="20260104070809")) == AA
    (item,) = worklist(house)
    assert (shown(item, "00400100.00400002"), shown(item, "00400100.00400003")) == ("20260104", "070809")
    strict = mapped(house, tmp_path, "start_from_order = false\n")
    assert ask(strict, orm("NW", placer="P2", start="")) == ("AE", "101", "OBR^1^36")


def test_places_of_orders_are_read_in_turn() -> None:
    message = parse(b"MSH|^~\\&|A|B|||20260101||ORM^O01|1|P|2.5.1\rORC|NW|\"\"\rOBR|1|X^Y\r")
    from config.hl7_mapping import MessageMapping

    reading = Reading(message, MessageMapping())
    assert reading.parts("placer_order_number") == ["X", "Y"]
    assert reading.said("order_control") == "NW" and reading.said("modality") == ""
    assert str(reading.where("modality")) == "OBR^1^24"
