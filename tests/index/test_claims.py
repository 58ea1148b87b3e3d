"""What is claimed of matching is what matching does."""

import pytest

from pacsd.index.claims import FUZZY, LIST, MATCHING, RANGE, SEQUENCE, SINGLE, WILDCARD, claims
from pacsd.index.keys import COMPUTED, key_of
from pacsd.index.matching import Criterion, Options, compile_criteria

# By VR: a stored value, and what of each kind finds it and does not
SAMPLES = {
    "UI": ("1.2.3", {SINGLE: ("1.2.3", "1.2.4"), LIST: ("9.9\\1.2.3", "9.9\\8.8")}),
    "DA": ("20240115", {SINGLE: ("20240115", "20240116"), RANGE: ("20240101-20240131", "20240201-"),
                        LIST: ("19990101\\20240115", "19990101\\19990102")}),
    "TM": ("101530", {SINGLE: ("101530", "101531"), RANGE: ("10-11", "12-"), LIST: ("01\\101530", "01\\02")}),
    "DT": ("20240115101530", {SINGLE: ("20240115101530", "20240116"), RANGE: ("20240101-2025", "2025-"),
                              LIST: ("1999\\20240115101530", "1999\\1998")}),
    "number": ("7", {SINGLE: ("7", "8"), LIST: ("6\\7", "5\\6")}),
    "PN": ("Wang^XiaoDong", {SINGLE: ("wang^xiaodong", "wang"), WILDCARD: ("wang*", "li*"), FUZZY: ("xiao", "iao"),
                             LIST: ("li\\Wang^XiaoDong", "li\\zhang")}),
    "text": ("AB12", {SINGLE: ("AB12", "ab12"), WILDCARD: ("A?1*", "B*"), LIST: ("X\\AB12", "X\\Y")}),
}  # fmt: skip
NUMBERS = ("IS", "DS", "US")


def sample_of(vr: str) -> str:
    return "number" if vr in NUMBERS else vr if vr in SAMPLES else "text"


@pytest.mark.parametrize("claim", [one for one in claims() if one["vr"] != "SQ"], ids=lambda one: one["keyword"])
def test_each_kind_of_matching_that_is_claimed_finds_and_tells_apart(claim):
    stored, kinds = SAMPLES[sample_of(claim["vr"])]
    assert set(claim["matching"]) == set(kinds)
    value = {"Alphabetic": stored} if claim["vr"] == "PN" else stored
    attributes = {claim["tag"]: {"vr": claim["vr"], "Value": [value]}}
    for kind, (hit, miss) in kinds.items():
        options = Options(fuzzy=kind == FUZZY)
        for asked, expected in ((hit, True), (miss, False), ("", True), ("*", True)):
            conditions = compile_criteria([Criterion(claim["tag"], asked)], options)
            assert not conditions.unsupported
            assert conditions.matches(attributes, claim["level"]) is expected, (kind, asked)


def test_sequences_match_by_what_is_in_their_items():
    claim = next(one for one in claims() if one["keyword"] == "RequestAttributesSequence")
    assert claim["matching"] == [SEQUENCE] and claim["indexed"]
    attributes = {"00400275": {"vr": "SQ", "Value": [{"00401001": {"vr": "SH", "Value": ["RP7"]}}]}}
    for asked, expected in (("RP7", True), ("RP8", False)):
        conditions = compile_criteria([Criterion("00400275.00401001", asked)], Options())
        assert conditions.matches(attributes, "series") is expected


def test_every_key_that_is_matched_by_is_claimed_once():
    tags = [one["tag"] for one in claims()]
    assert len(tags) == len(set(tags))
    assert all(key_of(tag) is not None and tag not in COMPUTED for tag in tags)
    assert set(MATCHING) <= {one["vr"] for one in claims()}
