"""What ADT messages say of identities: cards and the rest of PID, ids that change, links, and what has no effect."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hl7.conditions import Hl7Error
from ihe_profiles.pir.patient_identity import NO_EFFECT_TYPES, VISIT_TYPES
from tests.archive.house import House, opened
from tests.hl7.peer import adt
from tests.ihe_profiles.test_exchange import TWO, ask, exchange, patients


@pytest.fixture
def house(database: str, tmp_path: Path) -> Iterator[House]:
    with opened(database, tmp_path / "blobs") as house:
        yield house


def record(house: House, patient_id: str) -> dict[str, Any]:
    """What the index keeps of a patient beside its attributes."""
    names = ("phone", "address", "id_card", "health_card", "social_security_card", "account_number", "mother_name",
             "multiple_birth", "name", "name_pinyin", "organisation")  # fmt: skip
    with house.pool.connection() as connection:
        row = connection.execute(
            f"select {', '.join(names)} from patient_record where patient_id = %s", (patient_id,)
        ).fetchone()
    assert row is not None
    return {name: value for name, value in zip(names, row, strict=True) if value is not None}


PID = (
    "PID|1||42^^^EAST^PI~11010519491231002X^^^&2.16.156.10011.1.3&ISO~HC777^^^NHC^HC||张^三|李&^秀英|19491231|F|||"
    "中山路\\T\\1 号&x^2 室^杭州^浙江^310000^CN~old||^NET^Internet^^^^^^^^^a@b.c~+86 138-0000-1111^PRN^PH|||||"
    "A9^^^BILL|SB123456|||||Y"
)


def test_everything_that_pid_says_is_kept(house: House) -> None:
    one = exchange(house, organisations=TWO[:1])
    message = adt("A04", "1", "42").replace("PID|1||42|||||", PID)
    assert ask(one, message)[0] == "AA"
    assert record(house, "42") == {
        "phone": "+86 138-0000-1111", "address": "中山路&1 号^2 室^杭州^浙江^310000^CN",
        "id_card": "11010519491231002X", "health_card": "HC777", "social_security_card": "SB123456",
        "account_number": "A9^BILL", "mother_name": "李^秀英",
        "multiple_birth": "Y", "name": "张^三", "name_pinyin": "zhangsan", "organisation": house.keys["east"],
    }  # fmt: skip
    assert set(patients(house)) == {("EAST", "42")}, "cards are no patient ids"


def test_what_is_not_said_stays_and_what_is_null_goes(house: House) -> None:
    one = exchange(house)
    ask(one, adt("A04", "1", "42").replace("PID|1||42|||||", PID))
    assert ask(one, adt("A08", "2", "42", name="张^四"))[0] == "AA"
    assert record(house, "42")["phone"] == "+86 138-0000-1111" and record(house, "42")["name"] == "张^四"
    nulls = 'PID|1||42~""^^^^HC||||||||""||""||||||""'
    assert ask(one, adt("A08", "3", "42").replace("PID|1||42|||||", nulls))[0] == "AA"
    left = record(house, "42")
    assert not {"phone", "address", "social_security_card", "health_card"} & left.keys() and left["id_card"]
    said = len(list(house.journal.replay()))
    assert ask(one, adt("A08", "4", "42", name="张^四"))[0] == "AA"
    assert len(list(house.journal.replay())) == said, "what is known is not said again"


def test_a_doubtful_identity_card_is_warned_of_and_kept(house: House) -> None:
    message = adt("A04", "1", "42~110105194912310021^^^^NI", name="A^B", birth_date="19500101", sex="M")
    tried = exchange(house).attempt(message.encode())
    assert tried.error is None and [line for line in tried.effects if line.startswith("warns")] == [
        "warns: the identity card number fails its check", "warns: the identity card number says another birth date",
        "warns: the identity card number says another sex",
    ]  # fmt: skip
    assert ask(exchange(house), message)[0] == "AA"
    assert record(house, "42")["id_card"] == "110105194912310021"


def test_a_mapping_says_which_identifiers_are_cards(house: House, tmp_path: Path) -> None:
    from config.settings import Hl7SenderSettings

    mapping = tmp_path / "own.toml"
    mapping.write_text(
        '[[cards]]\nkind = "health_card"\ntypes = ["JKK"]\n[[fields]]\nname = "id_card"\npath = "PID-20"\n'
        '[[fields]]\nname = "phone"\npath = "PID-14"\n'
    )
    one = exchange(house, hl7_senders=(Hl7SenderSettings("his", "HIS", "east", mapping=mapping),))
    pid = "PID|1||42~K1234567^^^^JKK||A^B|||||||||057112345||||||11010519491231002X"
    assert ask(one, adt("A04", "1", "42").replace("PID|1||42|||||", pid))[0] == "AA"
    kept = record(house, "42")
    assert (kept["health_card"], kept["id_card"], kept["phone"]) == ("K1234567", "11010519491231002X", "057112345")


def test_an_id_is_changed_and_what_was_stated_goes_with_it(house: House) -> None:
    one = exchange(house)
    ask(one, adt("A04", "1", "OLD", name="张^三", birth_date="19800102"))
    change = adt("A47", "2", "NEW", sex="M", more="MRG|OLD")
    assert one.attempt(change.encode()).effects == [
        "changes OLD of EAST to NEW of EAST", "states of NEW of EAST: PatientSex M"
    ]  # fmt: skip
    assert ask(one, change)[0] == "AA" and ask(one, change.replace("|2|", "|3|"))[0] == "AA"
    assert ask(one, adt("A08", "4", "OLD", name="X")) == ("AE", "204", "PID^1^3^1")
    stated = patients(house)["EAST", "NEW"]
    assert isinstance(stated, dict) and {"00100010", "00100030", "00100040", "00100020"} == stated.keys()
    ask(one, adt("A04", "5", "OTHER", name="B"))
    assert ask(one, adt("A47", "6", "OTHER", more="MRG|NEW")) == ("AE", "205", "MRG^1^1^1")
    assert ask(one, adt("A47", "7", "NEW", more="MRG|NEW")) == ("AE", "205", "MRG^1^1^1")
    assert ask(one, adt("A47", "8", "N2", more="MRG|8^^^WEST")) == ("AE", "204", "MRG^1^1")


@pytest.mark.parametrize("event", [event for event, _, _ in (*NO_EFFECT_TYPES, *VISIT_TYPES)])
def test_what_speaks_of_no_visit_that_can_be_known_again_is_accepted_without_effect(house: House, event: str) -> None:
    one = exchange(house)
    assert ask(one, adt(event, "1", "42", name="A^B", more="PV1|1|I")) == ("AA", "", "")
    assert patients(house) == {} and list(house.journal.replay()) == []
    assert [got.state for got in one.list("east", state=None, limit=9)] == ["applied"]


def test_links_need_two_patients_of_whom_the_sender_speaks(house: House) -> None:
    one = exchange(house)
    for lines, expected in (
        ("", ("AE", "100", "PID^2")),
        ("PID|2||7^^^WEST", ("AE", "204", "PID^2^3")),
        ("PID|2||", ("AE", "101", "PID^2^3")),
        ("PID|2||42", ("AE", "205", "PID^2^3^1")),
        ("PID|2||43\rPID|3||44", ("AE", "100", "PID^3")),
        ("PID|2||43", ("AA", "", "")),
    ):
        assert ask(one, adt("A24", "1", "42", more=lines.replace("\r", "\n"))) == expected, lines
    tried = one.attempt(adt("A37", "2", "42", more="PID|2||43").encode())
    assert tried.effects == ["separates 42 of EAST and 43 of EAST"] and not isinstance(tried.error, Hl7Error)
