from decimal import Decimal

import pytest

from pacsd.codec.documents import json_model
from pacsd.codec.documents.report_words import qualified_name, shown_value
from pacsd.codec.documents.structured_report import MAX_DEPTH, MAX_ITEMS, content
from pacsd.faults import Fault, PacsdError
from tests.codec.documents.reports import code_item, coded, evidence, image, measured, node, report, value, words

MM = coded("millimeter", "mm", "UCUM")


def only(child):
    return content(report(child)).children[0]


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (words("Finding", "nothing"), "nothing"),
        (words("Finding", "two\r\nlines \x00"), "two\nlines"),
        (code_item("Finding", coded("Mass")), "Mass"),
        (code_item("Finding", {"00080120": value("UR", "urn:x")}), "urn:x"),
        (measured("Length", Decimal("1.10"), MM), "1.10 mm"),
        (measured("Score", 3, coded("no units", "1", "UCUM")), "3"),
        (measured("Ratio", 3, coded("ratio", "{ratio}", "UCUM")), "3 ratio"),
        (measured("Area", 2, coded("square centimeter", "cm2", "UCUM")), "2 cm²"),
        (measured("Length", "?", MM, t0040A301=value("SQ", coded("Value out of range"))), "? mm (Value out of range)"),
        (node("NUM", "Length", t0040A301=value("SQ", coded("Measurement failure"))), "Measurement failure"),
        (node("NUM", "Length", t0040A300=value("SQ", {"0040A161": value("FD", 2.5)})), "2.5"),
        (node("PNAME", "Who", t0040A123=value("PN", {"Alphabetic": "Doe^Jane^^Dr"})), "Doe, Dr Jane"),
        (node("DATE", "When", t0040A121=value("DA", "20260102")), "2026-01-02"),
        (node("TIME", "When", t0040A122=value("TM", "101112.5")), "10:11:12"),
        (node("DATETIME", "When", t0040A120=value("DT", "20260102101112.5+0800")), "2026-01-02 10:11:12 +0800"),
        (node("DATETIME", "When", t0040A120=value("DT", "2026")), "2026"),
        (node("DATE", "When", t0040A121=value("DA", "tomorrow")), "tomorrow"),
        (node("UIDREF", "What", t0040A124=value("UI", "1.2.3")), "1.2.3"),
        (
            node("SCOORD", "Where", t00700023=value("CS", "POINT"), t00700022=value("FL", 1.5, 2.0)),
            "POINT (1.5, 2)",
        ),
        (
            node(
                "SCOORD3D", "Where",
                t00700023=value("CS", "POINT"), t00700022=value("FL", 1, 2, 3), t30060024=value("UI", "1.2"),
            ),
            "POINT (1, 2, 3)",
        ),
        (
            node("TCOORD", "When", t0040A130=value("CS", "SEGMENT"), t0040A138=value("DS", 1, 2.5)),
            "SEGMENT 1, 2.5 s",
        ),
        (node("TABLE", "Values", t0040A801=value("SQ", {"0040A802": value("UL", 2), "0040A803": value("UL", 3)})),
         "2 × 3"),
        (node("SOMETHING NEW", "Name"), ""),
    ],
)  # fmt: skip
def test_each_value_type_in_words(item, text):
    assert shown_value(only(item)) == text


def test_many_points_are_counted():
    spline = node("SCOORD", "", t00700023=value("CS", "POLYLINE"), t00700022=value("FL", *range(40)))
    assert shown_value(only(spline)).endswith("(14, 15) … 20 points")


def test_modifiers_stand_with_the_name_and_the_language_of_the_text_does_not():
    left = code_item("Laterality", coded("Left"), relationship="HAS CONCEPT MOD")
    spoken = code_item("Language", coded("English", "en", "RFC5646"), relationship="HAS CONCEPT MOD")
    assert qualified_name(only(words("Finding", "x", left, spoken))) == "Finding (Laterality: Left)"


def test_references_find_their_series_in_the_evidence():
    document = report(image("1.2.3", 2, 5), image("9.9"), t0040A375=evidence("1.1", "1.2", "1.2.3"))
    known, unknown = (child.references[0] for child in content(document).children)
    assert known.place == "studies/1.1/series/1.2/instances/1.2.3" and known.frames == (2, 5)
    assert unknown.place == ""


def test_evidence_that_is_no_uid_leads_nowhere():
    document = report(image("../../x"), t0040A375=evidence("1.1", "1.2", "../../x"))
    assert content(document).children[0].references[0].place == ""


def test_items_by_reference_are_told_and_never_followed():
    around = node("", "", relationship="INFERRED FROM", t0040DB73=value("UL", 1))
    item = only(words("Finding", "x", around))
    assert item.children[0].same_as == "1" and item.children[0].children == ()


def nested(depth):
    inner = words("Leaf", "x")
    for _ in range(depth):
        inner = node("CONTAINER", "", inner)
    return inner


def test_nesting_is_bounded():
    assert sum(1 for _ in content(report(nested(MAX_DEPTH - 1))).walk()) == MAX_DEPTH + 1
    with pytest.raises(PacsdError) as refused:
        content(report(nested(MAX_DEPTH)))
    assert refused.value.fault is Fault.TOO_MUCH


def test_the_number_of_items_is_bounded():
    child = node("SOMETHING NEW")
    with pytest.raises(PacsdError) as refused:
        content(report(*[child] * MAX_ITEMS))
    assert refused.value.fault is Fault.TOO_MUCH


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"[1]", b"[{]", b"\xff", b"[" * 100_000])
def test_what_is_no_metadata_is_malformed(text):
    with pytest.raises(PacsdError) as refused:
        json_model.parse(text)
    assert refused.value.fault is Fault.MALFORMED


@pytest.mark.parametrize("broken", [None, 7, "x", [], {"Value": 3}, {"Value": [None, 4, "x"]}])
def test_attributes_of_another_kind_are_empty(broken):
    document = report(words("a", "b")) | {"0040A043": broken, "0040A375": broken}
    assert content(document).concept is None
    assert content({"0040A730": broken}).children == ()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ({"Alphabetic": "Doe^John^Q"}, "Doe, John Q"),
        ({"Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东"}, "王小东 · Wang, XiaoDong"),
        ({"Alphabetic": "张三"}, "张三"),
        ({"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "x"}, "山田太郎 · Yamada, Tarou"),
        ({"Phonetic": "やまだ^たろう"}, "やまだ, たろう"),
        ({"Alphabetic": "^^^^"}, ""),
        ({"Alphabetic": None}, ""),
    ],
)
def test_person_names(name, shown):
    assert json_model.person_name(name) == shown
