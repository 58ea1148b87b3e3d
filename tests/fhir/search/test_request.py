"""Parameters of searches are read as search.html says."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from fhir.definitions.search_parameters import parameters
from fhir.search import cursor
from fhir.search.escapes import alternatives, plain, split
from fhir.search.keys import key, number
from fhir.search.numbers import number as number_asked
from fhir.search.numbers import quantity
from fhir.search.query import TokenIs
from fhir.search.times import time
from fhir.search.tokens import identifier_of_type, token
from fhir.search.words import asked, kept
from pacsd.faults import Fault, PacsdError

NOW = datetime(2020, 1, 11, tzinfo=UTC)
DAY = 86_400_000_000


def test_no_two_names_of_parameters_have_the_same_number() -> None:
    suffixes = ("", ":text", ":identifier", ":of-type", *(f"#{at}" for at in range(1, 5)))
    names = [f"{kind}.{code}{suffix}" for kind, told in parameters().items() for code in told for suffix in suffixes]
    assert len(names) > 20_000 and len({number(one) for one in names}) == len(names)


def test_keys_stay_what_they_are() -> None:
    assert key("Patient/1") == 3141987442251605659 and -(2**63) <= key("\ud800") < 2**63


def test_escaped_marks_are_no_marks() -> None:
    assert split(r"a\,b,c\\,d", ",") == [r"a\,b", r"c\\", "d"]
    assert [plain(one) for one in alternatives(r"a\,b,,c\|d\$e\\f\g")] == ["a,b", r"c|d$e\f\g"]


def test_tokens() -> None:
    assert token("a") == TokenIs(None, "a") and token("|a") == TokenIs("", "a")
    assert token("http://s|a") == TokenIs("http://s", "a") and token("http://s|") == TokenIs("http://s", None)
    assert token(r"a\|b") == TokenIs(None, "a|b") and identifier_of_type("s|MR|1") == TokenIs("s", "MR|1")
    for wrong in ("|", "a|b|c"):
        with pytest.raises(PacsdError):
            token(wrong)


def test_a_date_is_all_instants_it_may_mean() -> None:
    told = time("ge2020-01", zone=UTC, now=NOW)
    assert told.prefix == "ge" and told.range.high - told.range.low == 31 * DAY
    east, form = (time(f"2020-01-01T08:00:00{zone}", zone=UTC, now=NOW) for zone in ("+08:00", " 08:00"))
    assert east == form and east.range.low == time("2020-01-01", zone=UTC, now=NOW).range.low
    about = time("ap2020-01-01", zone=UTC, now=NOW)
    assert (about.range.low, about.range.high) == (east.range.low - DAY, east.range.low + 2 * DAY)
    for wrong in ("99999", "2020-13", "2020-02-30", "20200101", "gt", "2020-01-01T25:00", "xx2020"):
        with pytest.raises(PacsdError) as refused:
            time(wrong, zone=UTC, now=NOW)
        assert refused.value.fault is Fault.MISMATCH


def test_a_number_stands_for_the_range_of_its_digits() -> None:
    def ends(text: str) -> tuple[Decimal, Decimal]:
        return number_asked(text)[2:4]

    assert ends("100") == (Decimal("99.5"), Decimal("100.5"))
    assert ends("100.00") == (Decimal("99.995"), Decimal("100.005"))
    assert ends("1e2") == (Decimal(95), Decimal(105)) and ends("ap100") == (Decimal(90), Decimal(110))
    told = quantity("gt5.4|http://unitsofmeasure.org|mg")
    assert (told.prefix, told.value) == ("gt", Decimal("5.4"))
    assert (told.system, told.code) == ("http://unitsofmeasure.org", "mg")
    for wrong in ("", "a", "1e99999", "1|2", "NaN", "1" * 100):
        with pytest.raises(PacsdError):
            quantity(wrong)


def test_words_of_scripts_without_spaces_are_pairs() -> None:
    assert kept("胸部CT 未见異常, Müller-2") == {
        "胸", "部", "胸部", "ct", "未", "见", "異", "常", "未见", "见異", "異常", "muller", "2"}
    assert asked("未见異常") == ("未见", "见異", "異常") and asked("胸") == ("胸",) and asked("!，") == ()


def test_a_cursor_says_what_it_was_given_and_is_believed_only_then() -> None:
    values = ("a", None, 5, Decimal("1.10"))
    told = cursor.written(values, 7, secret=b"s", search="x")
    assert cursor.read(told, secret=b"s", search="x") == (values, 7)
    for text, secret, search in ((told, b"t", "x"), (told, b"s", "y"), (told[:-1], b"s", "x"), ("ä", b"s", "x")):
        with pytest.raises(PacsdError):
            cursor.read(text, secret=secret, search=search)
