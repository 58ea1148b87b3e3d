"""PID in DICOM's terms, wherever its sender puts things."""

from pathlib import Path
from typing import Any

import pytest

from config.hl7_mapping import CodeMapping, FieldMapping, MessageMapping, load_mapping
from config.settings import SettingsError
from hl7.conditions import Hl7Error
from hl7.message import parse
from hl7.reading import Reading
from ihe_profiles.pir.demographics import demographics
from tests.hl7.peer import adt

NONE = MessageMapping()


def stated(mapping: MessageMapping = NONE, *, more: str = "", **fields: str) -> dict[str, Any]:
    return dict(demographics(Reading(parse(adt("A08", "1", "42", more=more, **fields).encode()), mapping)))


def name_of(sent: str) -> Any:
    return stated(name=sent)["00100010"]["Value"][0]


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("ZHANG^SAN", {"Alphabetic": "ZHANG^SAN"}),
        ("张三", {"Alphabetic": "张三"}),
        ("EVERYMAN&&&&Aniston^ADAM^A^III^Dr.^MD^D", {"Alphabetic": "EVERYMAN^ADAM^A^Dr.^III MD"}),
        ("Zhang^San^^^^^L^A~张^三^^^^^L^I", {"Alphabetic": "Zhang^San", "Ideographic": "张^三"}),
        ("山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P", {"Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}),
        ("Legal^Name^^^^^L~Maiden^Name^^^^^M", {"Alphabetic": "Legal^Name"}),
        ("A\\S\\B=C^D", {"Alphabetic": "A B C^D"}),
        ('O\'Brien^""', {"Alphabetic": "O'Brien"}),
    ],
)
def test_a_name_keeps_its_parts_and_its_scripts(sent: str, meant: dict[str, str]) -> None:
    assert name_of(sent) == meant


@pytest.mark.parametrize("sent", ["", " ", "^", "^^^^^^L"])
def test_a_name_that_says_nothing_states_nothing(sent: str) -> None:
    assert "00100010" not in stated(name=sent)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("19800229", ["19800229"]), ("198808181126+0215", ["19880818"]), ("1988", None), ("198808", None)],
)
def test_a_birth_date_is_a_whole_one_or_none(sent: str, meant: list[str] | None) -> None:
    assert stated(birth_date=sent).get("00100030", {}).get("Value") == meant


@pytest.mark.parametrize(
    ("sent", "meant"), [("M", "M"), ("F", "F"), ("O", "O"), ("A", "O"), ("N", "O"), ("M^Male", "M")]
)
def test_sex_is_one_of_dicoms(sent: str, meant: str) -> None:
    assert stated(sex=sent)["00100040"]["Value"] == [meant]


def test_null_deletes_and_unknown_states_nothing() -> None:
    assert stated(name='""', birth_date='""', sex='""') == {"00100010": None, "00100030": None, "00100040": None}
    assert stated(sex="U") == {} and stated() == {}


@pytest.mark.parametrize(
    ("fields", "condition", "place"),
    [
        ({"birth_date": "19801301"}, "102", "PID^1^7"),
        ({"birth_date": "19810229"}, "102", "PID^1^7"),
        ({"birth_date": "yesterday"}, "102", "PID^1^7"),
        ({"sex": "X"}, "103", "PID^1^8"),
        ({"name": "x" * 65}, "104", "PID^1^5^1"),
        ({"name": "\\M2442\\"}, "102", "PID^1^5^1"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(fields: dict[str, str], condition: str, place: str) -> None:
    with pytest.raises(Hl7Error) as caught:
        stated(**fields)
    assert (caught.value.condition.code, str(caught.value.location)) == (condition, place)


def test_a_mapping_says_where_values_stand_and_what_codes_mean() -> None:
    mapping = MessageMapping(
        fields=(FieldMapping("sex", "ZPI-2.1"), FieldMapping("patient_name", "ZPI-3")),
        codes=(CodeMapping("sex", "男", "M"),),
    )
    assert stated(mapping, name="WRONG", more="ZPI|1|男^x|张^三") == {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "张^三"}]}, "00100040": {"vr": "CS", "Value": ["M"]},
    }


def test_the_example_file_is_good_and_does_what_it_says() -> None:
    mapping = load_mapping(Path(__file__).resolve().parents[2] / "config" / "hl7" / "example.toml")
    assert mapping.path("patient_id") == "PID-2" and mapping.path("patient_name") == "PID-5"
    assert mapping.code("sex", "2") == "F" and mapping.code("sex", "9") == "9"
    assert mapping.ignores("ADT", "A02") and mapping.ignores("DFT", "P03") and not mapping.ignores("ADT", "A08")
    assert mapping.authority("", "HIS") == "EAST-HIS" and mapping.authority("x") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("colour = 1", "colour: no such setting"),
        ('[[fields]]\nname = "shoe_size"\npath = "PID-3"', "fields[0].name"),
        ('[[fields]]\nname = "sex"\npath = "PID"', "fields[0].path"),
        ('ignored = ["everything"]', "ignored[0]"),
        ("[[codes]", "is not TOML"),
    ],
)
def test_a_mistake_in_a_mapping_is_named(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "his.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_mapping(file)
    assert problem in str(caught.value) and "his.toml" in str(caught.value)
