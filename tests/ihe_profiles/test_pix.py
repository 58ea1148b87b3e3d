"""PIX Query and Update Notification (ITI-8, ITI-9, ITI-10) through a socket, case by case of ITI TF-2 3.9.4.2.2.6."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ihe_profiles.pix_house import HEALTH_CARDS, OID_E, OID_W, PixHouse, pix_house, segments, status

CARD = f"~HC-0001-7788^^^&{HEALTH_CARDS}&ISO^HC"
E1, W9 = f"E1^^^EAST&{OID_E}&ISO", f"W9^^^WEST&{OID_W}&ISO"


@pytest.fixture
def region(database: str, tmp_path: Path) -> Iterator[PixHouse]:
    with pix_house(database, tmp_path / "blobs") as made:
        made.register("EHIS", f"E1^^^EAST^PI{CARD}", "张^三", "19800102", "M")
        made.register("WHIS", f"W9^^^&{OID_W}&ISO^PI{CARD}", "张^三", "19800102", "M")
        made.register("WHIS", "W10^^^WEST^PI", "李^四", "19750303", "F")
        yield made


def ids(answer: bytes) -> list[str]:
    (pid,) = segments(answer, "PID")
    assert pid[5] == "~^^^^^^S" and len(pid) == 6
    return pid[3].split("~")


def test_case_1_the_identifiers_of_the_wanted_domains_are_returned(region: PixHouse) -> None:
    answer = region.pix("WHIS", "W9^^^WEST", "^^^EAST", tag="Q-77")
    assert status(answer) == ("AA", "OK", []) and ids(answer) == [E1]
    assert segments(answer, "MSH")[0][8] == "RSP^K23^RSP_K23" and segments(answer, "MSH")[0][2] == "PIXM"
    assert segments(answer, "QAK")[0][1] == "Q-77"
    assert segments(answer, "QPD")[0] == ["QPD", "IHE PIX Query", "Q-77", "W9^^^WEST", "^^^EAST"]


@pytest.mark.parametrize("person", ["W9^^^WEST", f"W9^^^&{OID_W}&ISO", f"W9^^^WEST&{OID_W}&ISO", "W9"])
def test_an_authority_may_be_named_in_every_way_and_no_wish_means_all_domains(region: PixHouse, person: str) -> None:
    answer = region.pix("WHIS", person)
    card = f"^^^&{HEALTH_CARDS}&ISO"
    assert status(answer) == ("AA", "OK", []) and ids(answer) == [f"HC-0001-7788{card}", E1]


def test_a_card_leads_to_its_person(region: PixHouse) -> None:
    answer = region.pix("WHIS", f"HC-0001-7788^^^&{HEALTH_CARDS}&ISO", "^^^EAST~^^^WEST")
    assert status(answer) == ("AA", "OK", []) and ids(answer) == [E1, W9]


def test_case_2_no_identifier_in_the_wanted_domains(region: PixHouse) -> None:
    answer = region.pix("WHIS", "W10^^^WEST", "^^^EAST")
    assert status(answer) == ("AA", "NF", []) and segments(answer, "PID") == []
    assert status(region.pix("WHIS", "W10^^^WEST"))[:2] == ("AA", "NF")


def test_case_3_an_unknown_patient(region: PixHouse) -> None:
    answer = region.pix("WHIS", "W11^^^WEST", "^^^EAST")
    assert status(answer) == ("AE", "AE", [("QPD^1^3^1^1", "204")]) and segments(answer, "PID") == []


def test_case_4_an_unknown_domain_of_the_patient(region: PixHouse) -> None:
    assert status(region.pix("WHIS", "W9^^^NOWHERE"))[2] == [("QPD^1^3^1^4", "204")]


def test_case_5_unknown_domains_are_told_each_with_its_repetition(region: PixHouse) -> None:
    answer = region.pix("WHIS", "W9^^^WEST", "^^^EAST~^^^&1.2.3.9&ISO~^^^NOWHERE")
    assert status(answer) == ("AE", "AE", [("QPD^1^4^2", "204"), ("QPD^1^4^3", "204")])


def test_case_6_all_identifiers_of_a_domain_stand_together(region: PixHouse) -> None:
    region.register("EHIS", f"E0^^^EAST^PI{CARD}", "张^三", "19800102", "M")
    answer = region.pix("WHIS", "W9^^^WEST")
    assert [one.partition("^^^")[0] for one in ids(answer)] == ["HC-0001-7788", "E0", "E1"]


@pytest.mark.parametrize(
    ("query", "where"),
    [("QPD|IHE PIX Query|T|", ("QPD^1^3^1^1", "101")), ("QPD|IHE PIX Query|T|^^^WEST", ("QPD^1^3^1^1", "101")),
     ("ZZZ|1", ("QPD^1", "100")), ("QPD|IHE PIX Query|T|W9^^^WEST\\Cxxyy\\", ("QPD^1^3^1^4", "204"))],
)  # fmt: skip
def test_what_is_no_query_is_answered_as_one_that_failed(
    region: PixHouse, query: str, where: tuple[str, str]
) -> None:
    answer = region.send("WHIS", "QBP^Q23", query, "RCP|I", structure="QBP_Q21")
    msa, (_, *found) = segments(answer, "MSA")[0][1], status(answer)
    assert msa == "AE" and found == ["AE", [where]]


def test_a_sender_hears_of_nobody_that_its_organisation_may_not_see(region: PixHouse) -> None:
    answer = region.pix("EHIS", "E1^^^EAST")
    assert [one.partition("^")[0] for one in ids(answer)] == ["HC-0001-7788"]
    assert status(region.pix("EHIS", "E1^^^EAST", "^^^WEST"))[:2] == ("AA", "NF")
    assert status(region.pix("EHIS", "W10^^^WEST"))[2] == [("QPD^1^3^1^1", "204")]


def test_merged_patients_are_known_by_the_surviving_id_alone(region: PixHouse) -> None:
    assert b"|AA|" in region.send("EHIS", "ADT^A40", "EVN||1", "PID|||E2^^^EAST||张^三", "MRG|E1^^^EAST")
    assert status(region.pix("EHIS", "E1^^^EAST"))[2] == [("QPD^1^3^1^1", "204")]
    region.register("EHIS", f"E2^^^EAST^PI{CARD}", "张^三", "19800102", "M")
    assert f"E2^^^EAST&{OID_E}&ISO" in ids(region.pix("WHIS", "W9^^^WEST"))


def test_queries_leave_a_trace_and_nothing_of_their_answers(region: PixHouse) -> None:
    region.pix("WHIS", "W9^^^WEST")
    newest = region.exchange.list("west", state=None, limit=1)[0]
    kept = region.exchange.message("west", newest.pk)
    assert (kept.state, kept.message_type, kept.answers) == ("asked", "QBP^Q23", ())


def test_links_and_unlinks_of_a_feed_that_speaks_for_both(database: str, tmp_path: Path) -> None:
    with pix_house(database, tmp_path / "blobs", organisations=pix_house_one(), hl7_senders=()) as region:
        region.register("EMPI", "1^^^A^PI", "张^三", "19800102", "M")
        region.register("EMPI", "2^^^B^PI", "李^四", "19750303", "F")
        two = ("EVN||1", "PID|||1^^^A", "PD1|", "PID|||2^^^B")
        assert b"|AA|" in region.send("EMPI", "ADT^A24", *two)
        assert ids(region.pix("EMPI", "1^^^A")) == ["2^^^B"]
        assert b"|AA|" in region.send("EMPI", "ADT^A37", *two)
        assert status(region.pix("EMPI", "1^^^A"))[1] == "NF"
        assert b"|AE|" in region.send("EMPI", "ADT^A24", "EVN||1", "PID|||1^^^A")
        assert b"|AE|" in region.send("EMPI", "ADT^A24", "EVN||1", "PID|||1^^^A", "PID|||1^^^A")
        region.register("EMPI", "3^^^C^PI~4^^^D^PI", "王^五", "19900101", "M")
        assert ids(region.pix("EMPI", "3^^^C")) == ["4^^^D"]


def test_a_link_to_a_patient_nobody_stated_makes_none_and_holds_when_it_comes(database: str, tmp_path: Path) -> None:
    """ITI TF-2 3.30.6.6.4."""
    with pix_house(database, tmp_path / "blobs", organisations=pix_house_one(), hl7_senders=()) as region:
        region.register("EMPI", "1^^^A^PI", "张^三", "19800102", "M")
        assert b"|AA|" in region.send("EMPI", "ADT^A24", "EVN||1", "PID|||1^^^A", "PID|||2^^^B")
        by_id = "@PID.3.1^1~@PID.3.4.1^A"
        assert [pid[5] for pid in segments(region.pdq("EMPI", by_id), "PID")] == ["张^三^^^^^L"]
        assert ids(region.pix("EMPI", "1^^^A")) == ["2^^^B"]
        region.register("EMPI", "2^^^B^PI", "", "", "F")
        assert len(segments(region.pdq("EMPI", by_id), "PID")) == 2


def pix_house_one() -> tuple[object, ...]:
    from tests.ihe_profiles.pix_house import ORGANISATIONS

    return ORGANISATIONS[:1]


def test_who_wants_to_hear_of_links_is_sent_every_change(region: PixHouse) -> None:
    chores = {name: run for name, _, run in region.exchange.chores()}

    def told() -> list[str]:
        for _ in range(3):
            chores["match patients"]()
        while chores["pix update notification"]():
            pass
        waiting = region.exchange.list_outgoing("west", state="waiting", limit=99)
        waiting = sorted((*waiting, *region.exchange.list_outgoing("east", state="waiting", limit=99)),
                         key=lambda one: one.pk)  # fmt: skip
        bodies = {one.pk: region.exchange.outgoing("west", one.pk).body for one in waiting}
        return [segments(body, "PID")[0][3] for body in bodies.values()]

    first = told()
    assert f"{E1}~{W9}" in first and f"W10^^^WEST&{OID_W}&ISO" in first
    region.register("WHIS", "W9^^^WEST^PI", "王^五", "19550505", "F")
    after = told()[len(first) :]
    assert sorted(after) == [E1, W9]
    body = region.exchange.outgoing("west", region.exchange.list_outgoing("west", state="waiting", limit=1)[0].pk).body
    assert segments(body, "MSH")[0][8] == "ADT^A31^ADT_A05" and segments(body, "PID")[0][5] == " "
    assert segments(body, "PV1")[0][2] == "N"
