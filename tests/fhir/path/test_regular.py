"""Regular expressions find what Python's find, and no pattern makes them slow."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir.path import regular
from pacsd.faults import Fault, PacsdError

PATTERNS = ["", "a", "^a", "a$", "^a*$", "a|b", "(ab)+", "(?:a|b){2}", "[^a]b?", "a{2,}", "a{0,2}b", r"\d+",
            r"[a\]]", ".",
            r"\.",
            "(a|)b", "^(a|b)*?c$", r"[\w-]{2}", "a{2}", "(?<n>a)b", "^$", "^a|b$", r"\u0061", "x*", "(a*)*b"]


@settings(max_examples=300, deadline=None)
@given(pattern=st.sampled_from(PATTERNS), text=st.text(alphabet="ab]c1-. \n中", max_size=8))
def test_they_find_what_others_find(pattern: str, text: str) -> None:
    expected = re.search(pattern.replace("(?<", "(?P<").replace("$", r"\Z"), text, re.DOTALL) is not None
    assert regular.found(pattern, text) is expected


@pytest.mark.parametrize("pattern", [
    "(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a?){50}a{50}", "(x+x+)+y", "(.*)*b",
])  # fmt: skip
def test_no_pattern_takes_long(pattern: str) -> None:
    start = time.process_time()
    regular.found(pattern, "a" * 5_000 + "!")
    assert time.process_time() - start < 2


@pytest.mark.parametrize("pattern", [
    "(", ")", "[a", "a**", "*a", "(?=a)", r"(a)\1", r"\bword", "a{2,1}", "{2}", "(?i)a", "[b-a]",
])  # fmt: skip
def test_what_is_not_supported_is_refused(pattern: str) -> None:
    with pytest.raises(PacsdError) as refused:
        regular.found(pattern, "a")
    assert refused.value.fault is Fault.MALFORMED


@pytest.mark.parametrize("pattern", ["a" * 2_001, "(a{100}){100}", "((((a{9}){9}){9}){9})", "(" * 60 + "a" + ")" * 60])
def test_patterns_are_bounded(pattern: str) -> None:
    with pytest.raises(PacsdError) as refused:
        regular.found(pattern, "a")
    assert refused.value.fault is Fault.TOO_MUCH


def test_long_texts_are_bounded_by_the_work_they_make() -> None:
    assert regular.found("needle$", "hay " * 50_000 + "needle")
    assert not regular.found("(a|b)*c{3}", "ab" * 100_000)


def test_matches_are_replaced() -> None:
    assert regular.replaced(r"(?<d>\d+)\.(\d+)", "${d},$2;", "1.5 2.5") == "1,5; 2,5;"
    assert regular.replaced("[^.]+", "", "a.b.c") == ".."
    with pytest.raises(PacsdError):
        regular.replaced("(a+)+b", "", "a" * 40)
    with pytest.raises(PacsdError):
        regular.replaced("a", "$7", "a")
    with pytest.raises(PacsdError):
        regular.replaced("a+", "", "a" * 10_001)


@pytest.mark.parametrize("pattern", ["(((){9999}){9999}){9999}", "(((x{0}){9999}){9999}){9999}"])
def test_repeating_what_makes_nothing_is_bounded_too(pattern: str) -> None:
    with pytest.raises(PacsdError) as refused:
        regular.found(pattern, "")
    assert refused.value.fault is Fault.TOO_MUCH


@pytest.mark.parametrize(("pattern", "text"), [
    ("a*a*b", "a" * 3_000), ("(ab|a[b])*c", "ab" * 30), ("a{0,99}" * 6 + "b", "a" * 99),
    ("(?:ab)?" * 26 + "(?:ab)" * 26 + "c", "ab" * 27),
])  # fmt: skip
def test_a_replacement_that_could_be_tried_in_many_ways_is_refused(pattern: str, text: str) -> None:
    with pytest.raises(PacsdError) as refused:
        regular.replaced(pattern, "x", text)
    assert refused.value.fault is Fault.TOO_MUCH
