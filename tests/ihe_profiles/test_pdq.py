"""Patient Demographics Query (ITI-21) through a socket, case by case of ITI TF-2 3.21.4.2.2.8."""

from collections.abc import Iterator

import pytest

from tests.hl7.peer import code
from tests.ihe_profiles.pix_house import HEALTH_CARDS, OID_E, OID_W, PixHouse, pix_house, segments, status

CARD = f"~HC-0001-7788^^^&{HEALTH_CARDS}&ISO^HC"


@pytest.fixture(scope="module")
def region(postgres: object, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PixHouse]:
    name, dsn = postgres.create(template=migrated_template)  # type: ignore[attr-defined]
    with pix_house(dsn, tmp_path_factory.mktemp("pdq") / "blobs") as made:
        east = (
            (f"E1^^^EAST^PI{CARD}", "张^三^^^^^L^I~ZHANG^SAN^^^^^L^A", "19800102", "M",
             "|||中山路 1 号^^杭州^浙江^310000^CN||13800001111|||||ACC001^^^1.2.9"),
            ("E2^^^EAST^PI", "张^晓东", "19810203", "M", "||"),
            ("E3^^^EAST^PI", "SMITH^JOHN", "19701231", "M", "|||1 Main\\T\\High St^^Town^KS^1234^US||555-1212"),
            ("E4^^^EAST^PI", "Smithers^Ann^B", "19720202", "F", ""),
        )
        for patient in east:
            made.register("EHIS", *patient)
        made.register("WHIS", f"W9^^^WEST^PI{CARD}", "张^三", "19800102", "M")
        yield made
    postgres.drop(name)  # type: ignore[attr-defined]


def found(answer: bytes) -> list[str]:
    """First identifiers."""
    return [pid[3].partition("^")[0] for pid in segments(answer, "PID")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("@PID.5.1.1^SMITH", ["E3"]),
        ("@PID.5.1^smith*", ["E3", "E4"]),
        ("@PID.5.1^SMITH~@PID.5.2^JOHN", ["E3"]),
        ("@PID.5.2^ann", ["E4"]),
        ("@PID.5.2^*nn", ["E4"]),
        ("@PID.5.1^张", ["E1", "E2", "W9"]),
        ("@PID.5.1^张~@PID.5.2^三", ["E1", "W9"]),
        ("@PID.5.1^张三", ["E1", "W9"]),
        ("@PID.5.1^*晓*", ["E2"]),
        ("@PID.5.1^zhang~@PID.5.2^xiaodong", ["E2"]),
        ("@PID.7^19800102", ["E1", "W9"]),
        ("@PID.7^19800102000000~@PID.8^M", ["E1", "W9"]),
        ("@PID.7.1^19700101-19721231", ["E3", "E4"]),
        ("@PID.8^F", ["E4"]),
        ("@PID.11.3^town", ["E3"]),
        ("@PID.11.1^1 main\\T\\high*", ["E3"]),
        ("@PID.11.3^杭州~@PID.8^M", ["E1"]),
        ("@PID.13.1^5551212", ["E3"]),
        ("@PID.18.1^ACC001~@PID.18.4.2^1.2.9", ["E1"]),
        ("@PID.3.1^E3~@PID.3.4.1^EAST", ["E3"]),
        (f"@PID.3.1^W9~@PID.3.4.2^{OID_W}~@PID.3.4.3^ISO", ["E1", "W9"]),
        (f"@PID.3.1^HC-0001-7788~@PID.3.4.2^{HEALTH_CARDS}~@PID.3.4.3^ISO", ["E1", "W9"]),
        ("@PID.3.1^E1~@PID.3.4.1^EAST~@PID.3.1^W9~@PID.3.4.1^WEST", ["E1", "W9"]),
        ("@PID.3.1^E1~@PID.3.4.1^EAST~@PID.3.1^E2~@PID.3.4.1^EAST", []),
        ("@PID.5.1^O'Nobody%_", []),
    ],
)
def test_patients_are_found_by_what_is_known_of_them(region: PixHouse, fields: str, expected: list[str]) -> None:
    answer = region.pdq("WHIS", fields)
    assert found(answer) == expected
    assert status(answer) == ("AA", "OK" if expected else "NF", [])


def test_case_1_all_that_is_known_is_returned(region: PixHouse) -> None:
    answer = region.pdq("WHIS", "@PID.3.1^E1~@PID.3.4.1^EAST")
    assert segments(answer, "MSH")[0][8] == "RSP^K22^RSP_K21"
    (pid, _) = segments(answer, "PID")
    assert pid[3].split("~") == [
        f"E1^^^EAST&{OID_E}&ISO", f"HC-0001-7788^^^&{HEALTH_CARDS}&ISO", f"W9^^^WEST&{OID_W}&ISO"
    ]  # fmt: skip
    assert pid[5] == "ZHANG^SAN^^^^^L^A~张^三^^^^^L^I"
    assert (pid[7], pid[8], pid[11]) == ("19800102", "M", "中山路 1 号^^杭州^浙江^310000^CN")
    assert (pid[13], pid[18]) == ("13800001111", "ACC001^^^1.2.9")
    (smith,) = segments(region.pdq("WHIS", "@PID.5.1^SMITH"), "PID")
    assert smith[11] == "1 Main\\T\\High St^^Town^KS^1234^US"


def test_case_2_only_the_wanted_domains_and_patients_that_have_an_identifier_there(region: PixHouse) -> None:
    answer = region.pdq("WHIS", "@PID.5.1^张", wanted=f"^^^&{OID_W}&ISO")
    assert [pid[3] for pid in segments(answer, "PID")] == [f"W9^^^WEST&{OID_W}&ISO"] * 2
    assert status(region.pdq("WHIS", "@PID.5.1^SMITH", wanted="^^^WEST"))[:2] == ("AA", "NF")


def test_case_3_unknown_domains(region: PixHouse) -> None:
    answer = region.pdq("WHIS", "@PID.5.1^张", wanted="^^^EAST~^^^NOWHERE~^^^&1.9&ISO")
    assert status(answer) == ("AE", "AE", [("QPD^1^8^2", "204"), ("QPD^1^8^3", "204")])


def test_answers_come_in_increments_until_there_is_no_more(region: PixHouse) -> None:
    got, pointer = [], ""
    for _ in range(9):
        answer = region.pdq("WHIS", "@PID.8^M", count="2^RD", pointer=pointer)
        got.append(found(answer))
        rest = segments(answer, "DSC")
        if not rest:
            break
        assert rest[0][2] == "I"
        pointer = rest[0][1]
    assert got == [["E1", "E2"], ["E3", "W9"]]
    other = region.pdq("WHIS", "@PID.8^F", count="2^RD", pointer=pointer or "1-0")
    assert status(other) == ("AE", "AE", [("DSC^1^1", "204")])
    assert code(region.send("WHIS", "QCN^J01", "QID|T2|IHE PDQ Query")) == "AA"


def test_increments_hold_as_many_as_are_asked_for_of_those_with_an_identifier_in_the_wanted_domain(
    region: PixHouse,
) -> None:
    """ITI TF-2 3.21.4.2.2.8 case 2; E1 has one in WEST as the person of W9, and a health card."""
    for wanted, expected in (("^^^WEST", ["W9", "W9"]), (f"^^^&{HEALTH_CARDS}&ISO", ["HC-0001-7788"] * 2)):
        got, pointer = [], ""
        for _ in range(9):
            answer = region.pdq("WHIS", "@PID.8^M", wanted=wanted, count="1^RD", pointer=pointer)
            got.append((status(answer)[1], found(answer)))
            pointer = segments(answer, "DSC")[0][1] if segments(answer, "DSC") else ""
            if not pointer:
                break
        assert got == [("OK", [one]) for one in expected]


def test_more_than_one_answer_may_hold_is_refused_unless_asked_for_in_parts(region: PixHouse) -> None:
    for n in range(21):
        region.register("EHIS", f"M{n}^^^EAST", "Many^One", "19600101", "M")
    assert status(region.pdq("WHIS", "@PID.5.1^MANY")) == ("AE", "AE", [("RCP^1^2", "207")])
    answer = region.pdq("WHIS", "@PID.5.1^MANY", count="500^RD")
    assert len(found(answer)) == 20 and segments(answer, "DSC")
    rest = region.pdq("WHIS", "@PID.5.1^MANY", count="500^RD", pointer=segments(answer, "DSC")[0][1])
    assert len(found(rest)) == 1 and not segments(rest, "DSC")


@pytest.mark.parametrize(
    ("fields", "count", "where"),
    [
        ("", "", ("QPD^1^3", "101")),
        ("@PID.3.1^E1", "", ("QPD^1^3", "101")),
        ("@PID.3.4.1^EAST", "", ("QPD^1^3", "101")),
        ("SMITH", "", ("QPD^1^3^1", "103")),
        ("@PID.5.1^A~@PD1.4^1", "", ("QPD^1^3^2", "103")),
        ("@PID.22^x", "", ("QPD^1^3^1", "103")),
        ("@PID.7^yesterday", "", ("QPD^1^3", "102")),
        ("@PID.5.1^A", "0^RD", ("RCP^1^2", "102")),
        ("@PID.5.1^A", "5^LI", ("RCP^1^2", "102")),
        ("~".join(["@PID.5.1^A"] * 51), "", ("QPD^1^3^51", "104")),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_place(
    region: PixHouse, fields: str, count: str, where: tuple[str, str]
) -> None:
    assert status(region.pdq("WHIS", fields, count=count)) == ("AE", "AE", [where])


def test_a_sender_finds_nobody_that_its_organisation_may_not_see(region: PixHouse) -> None:
    assert found(region.pdq("EHIS", "@PID.5.1^张~@PID.5.2^三")) == ["E1"]
    assert found(region.pdq("EHIS", "@PID.3.1^W9~@PID.3.4.1^WEST")) == []
    (pid,) = segments(region.pdq("EHIS", "@PID.5.1^张三"), "PID")
    assert "W9" not in pid[3]


def test_answers_are_in_the_character_set_of_the_query(region: PixHouse) -> None:
    from tests.hl7.peer import Peer

    query = ("MSH|^~\\&|WHIS|F|P|P|1||QBP^Q22^QBP_Q21|gb1|P|2.5.1||||||GB 18030-2000\r"
             "QPD|IHE PDQ Query|T|@PID.5.1^张三\rRCP|I\r").encode("gb18030")  # fmt: skip
    with Peer(region.port) as peer:
        answer = peer.ask(query).decode("gb18030")
    assert "张^三" in answer and "|GB 18030-2000\r" in answer
