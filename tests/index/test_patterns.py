"""Matching of single values where a peer chose the pattern (PS3.4 C.2.2.2)."""

import random
import re

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.index.matching import Criterion
from pacsd.index.patterns import FuzzyName, Pattern
from pacsd.workflow.search import WorklistQuery, compile_query


def test_a_pattern_of_many_stars_is_decided_at_once():
    assert not Pattern("*a" * 30 + "*b").matches("a" * 10_000)
    assert Pattern("*a" * 30 + "*b").matches("a" * 10_000 + "b")


def test_wildcards_match_as_trying_all_ways_would():
    random_ = random.Random(1)

    def text(letters: str) -> str:
        return "".join(random_.choice(letters) for _ in range(random_.randrange(7)))

    for _ in range(5_000):
        pattern, value = text("ab*?\\."), text("ab?.\\\n")
        parts = re.split(r"([*?])", pattern)
        naive = "".join({"*": ".*", "?": "."}.get(part) or re.escape(part) for part in parts)
        assert Pattern(pattern).matches(value) == bool(re.fullmatch(naive, value, re.DOTALL)), (pattern, value)


def test_a_fuzzy_name_of_thousands_of_words_is_refused():
    assert FuzzyName.of("wang^wang xiao").words == ("wang", "xiao")
    with pytest.raises(PacsdError) as refused:
        FuzzyName.of("^".join(map(str, range(3_000))))
    assert refused.value.fault is Fault.MALFORMED


def test_a_list_of_many_wildcards_is_refused():
    def query(value: str) -> WorklistQuery:
        return WorklistQuery((Criterion("00741204", value),))

    compile_query(query("\\".join(["exact"] * 10_000)))
    with pytest.raises(PacsdError) as refused:
        compile_query(query("\\".join(["*a"] * 101)))
    assert refused.value.fault is Fault.MALFORMED
