"""From the bytes of a message to patients on real PostgreSQL: senders, authorities, merges, relays, trials, repairs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import Hl7DestinationSettings, Hl7SenderSettings, Hl7Settings, OrganisationSettings, Settings
from hl7.ports import Caller
from ihe_profiles.exchange.services import Exchange
from pacsd.access.directory import Directory
from pacsd.faults import Fault, PacsdError
from tests.archive.house import House, opened
from tests.hl7.peer import adt, code, field

TWO = (
    OrganisationSettings("east", assigning_authority="EAST"),
    OrganisationSettings("west", assigning_authority="WEST"),
)


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def exchange(house: House, **settings: object) -> Exchange:
    made = Settings(**{"organisations": TWO, **settings})  # type: ignore[arg-type]
    return Exchange(made, house.pool, house.journal, Directory(made, house.keys), house.blobs)


def ask(one: Exchange, message: str, address: str = "127.0.0.1") -> tuple[str, str, str]:
    """Code, condition and place of the answer."""
    (answer,) = one.reception().receive(message.encode(), Caller(address))
    return code(answer), field(answer, b"ERR", 3).split("^")[0], field(answer, b"ERR", 2)


def patients(house: House) -> dict[tuple[str, str], object]:
    """What is stated, by authority and id."""
    with house.pool.connection() as connection:
        rows = connection.execute("select assigning_authority, patient_id, overlay from patient").fetchall()
    return {(row[0], row[1]): row[2] for row in rows}


NAMED = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "ZHANG^SAN"}]}}


def test_an_update_states_what_it_says_of_the_senders_own_patient(house: House) -> None:
    assert ask(exchange(house), adt("A08", "1", "42", name="ZHANG^SAN")) == ("AA", "", "")
    assert patients(house) == {("EAST", "42"): NAMED}


def test_one_hospitals_feed_says_nothing_of_anothers_patients(house: House) -> None:
    one = exchange(house)
    assert ask(one, adt("A08", "1", "7^^^WEST", name="ZHANG^SAN")) == ("AE", "204", "PID^1^3")
    assert ask(one, adt("A08", "2", "42~7^^^WEST~8^^^MPI", name="ZHANG^SAN")) == ("AA", "", "")
    assert set(patients(house)) == {("EAST", "42")}


def test_with_one_organisation_every_authority_is_its_own(house: House) -> None:
    one = exchange(house, organisations=TWO[:1])
    assert ask(one, adt("A08", "1", "42~8^^^MPI^PI~9^^^SSA^SS", name="ZHANG^SAN"))[0] == "AA"
    assert set(patients(house)) == {("EAST", "42"), ("MPI", "8")}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (adt("A08", "1", ""), ("AE", "101", "PID^1^3")),
        (adt("A08", "1", '""'), ("AE", "101", "PID^1^3")),
        (adt("A08", "1", "x" * 65), ("AE", "102", "PID^1^3^1")),
        (adt("A08", "1", "42").replace("PID|", "ZID|"), ("AE", "100", "PID^1")),
        (adt("A08", "1", "42", more="PID|2||43"), ("AE", "100", "PID^2")),
        (adt("A08", "1", "42", sex="?"), ("AE", "103", "PID^1^8")),
        (adt("A40", "1", "42"), ("AE", "100", "MRG^1")),
        (adt("A40", "1", "42", more="MRG|"), ("AE", "101", "MRG^1^1")),
        (adt("A40", "1", "42", more="MRG|42"), ("AE", "205", "MRG^1^1^1")),
        (adt("A40", "1", "42", more="MRG|7^^^WEST"), ("AE", "204", "MRG^1^1")),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_place_and_nothing_stays(
    house: House, message: str, expected: tuple[str, str, str]
) -> None:
    assert ask(exchange(house), message) == expected
    assert patients(house) == {} and list(house.journal.replay()) == []


def test_a_merge_pairs_identifiers_by_authority(house: House) -> None:
    one = exchange(house, organisations=TWO[:1])
    merge = adt("A40", "1", "2^^^A~20^^^B", name="ZHANG^SAN", more="MRG|1^^^A~10^^^B")
    assert ask(one, merge)[0] == "AA"
    assert ask(one, adt("A08", "2", "10^^^B", name="OLD")) == ("AE", "204", "PID^1^3^1")
    assert ask(one, adt("A40", "3", "1^^^A", more="MRG|2^^^A")) == ("AE", "204", "PID^1^3^1")
    unpaired = adt("A40", "4", "5^^^A", more="MRG|6^^^C")
    assert ask(one, unpaired) == ("AE", "204", "MRG^1^1^1")


def test_senders_are_known_by_application_facility_and_address(house: House, tmp_path: Path) -> None:
    mapping = tmp_path / "west.toml"
    mapping.write_text('[[authorities]]\nsent = "W"\nmeant = "WEST-LAB"\n')
    senders = (
        Hl7SenderSettings("west", "HIS", "west", facility="WEST", mapping=mapping),
        Hl7SenderSettings("lab", "LIS", "west", assigning_authority="LAB", addresses=("10.0.0.0/8",)),
    )
    one = exchange(house, hl7_senders=senders, hl7=Hl7Settings(accept_unknown_senders=False))
    assert ask(one, adt("A08", "1", "42")) == ("AR", "103", "MSH^1^3")
    assert ask(one, adt("A08", "2", "1^^^W", name="A").replace("|HIS|EAST|", "|HIS|WEST|"))[0] == "AA"
    assert ask(one, adt("A08", "3", "2", name="B", application="LIS"), "10.1.2.3")[0] == "AA"
    assert ask(one, adt("A08", "4", "3", name="C", application="LIS"), "192.0.2.1") == ("AR", "103", "MSH^1^3")
    assert set(patients(house)) == {("WEST-LAB", "1"), ("LAB", "2")}
    assert [got.sender for got in one.list("west", state="applied", limit=9)] == ["lab", "west"]


def test_a_message_that_took_effect_is_relayed_as_it_came_in_the_same_transaction(house: House) -> None:
    destinations = (
        Hl7DestinationSettings("ris", "127.0.0.1", 1, relays=("ADT^A40",)),
        Hl7DestinationSettings("emr", "127.0.0.1", 1, relays=("ADT",)),
    )
    one = exchange(house, hl7_destinations=destinations)
    message = adt("A40", "1", "2", more="MRG|1")
    assert ask(one, message)[0] == "AA" and ask(one, message)[0] == "AA"
    assert ask(one, adt("A40", "2", "2", more="MRG|2"))[0] == "AE"
    queued = one.list_outgoing("east", state="waiting", limit=9)
    body = message.encode()
    assert sorted((got.destination, got.body) for got in queued) == [("emr", body), ("ris", body)]


def test_a_trial_says_what_would_be_done_and_does_nothing(house: House) -> None:
    one = exchange(house)
    tried = one.attempt(adt("A40", "1", "2", name="ZHANG^SAN", more="MRG|1").encode())
    assert tried.error is None and code(tried.answers[0]) == "AA"
    assert tried.effects == ["states of 2 of EAST: PatientName ZHANG^SAN", "merges 1 of EAST into 2 of EAST"]
    refused = one.attempt(adt("A08", "1", "").encode())
    assert refused.error is not None and refused.error.condition.code == "101"
    assert patients(house) == {} and list(house.journal.replay()) == []
    assert one.list("east", state=None, limit=9) == []


def test_a_refused_message_can_be_repaired_or_replayed(house: House) -> None:
    one = exchange(house)
    assert ask(one, adt("A40", "1", "2", more="MRG|"))[0] == "AE"
    (refused,) = one.list("east", state="refused", limit=9)
    assert one.replay("east", refused.pk).error is not None
    still_bad = one.repair("east", refused.pk, adt("A40", "1", "", more="MRG|1").encode())
    assert still_bad.error is not None and one.message("east", refused.pk).state == "refused"
    assert one.repair("east", refused.pk, adt("A40", "1", "2", more="MRG|1").encode()).error is None
    assert one.message("east", refused.pk).state == "replaced"
    with pytest.raises(PacsdError) as caught:
        one.repair("east", refused.pk, b"")
    assert caught.value.fault is Fault.CONFLICT
    with pytest.raises(PacsdError):
        one.message("west", refused.pk)


def test_a_message_is_queued_with_the_segment_ends_of_the_standard(house: House) -> None:
    one = exchange(house, hl7_destinations=(Hl7DestinationSettings("ris", "127.0.0.1", 1),))
    number = one.send("ris", adt("A08", "9", "2").replace("\r", "\n").encode(), organisation="east")
    queued = one.outgoing("east", number)
    assert queued.body == adt("A08", "9", "2").encode() and queued.control_id == "9"
    for wrong, destination in ((b"nonsense", "ris"), (adt("A08", "9", "2").encode(), "nowhere")):
        with pytest.raises(PacsdError):
            one.send(destination, wrong, organisation="east")


def test_strict_senders_are_held_against_their_versions_structures(house: House, tmp_path: Path) -> None:
    mapping = tmp_path / "strict.toml"
    mapping.write_text("strict = true\n")
    one = exchange(house, hl7_senders=(Hl7SenderSettings("his", "HIS", "east", mapping=mapping),))
    good = adt("A08", "1", "42^^^EAST^MR", name="ZHANG^SAN", more="PV1||O").replace("ADT^A08", "ADT^A08^ADT_A01")
    assert ask(one, good) == ("AA", "", "")
    assert ask(one, good.replace("PV1||O\r", ""))[:2] == ("AE", "100")
    assert ask(one, good.replace("EVN|A08|20260101120000\r", ""))[:2] == ("AE", "100")
