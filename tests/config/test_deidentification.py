"""Policies of de-identification, from files."""

from pathlib import Path

import pytest

from config.deidentification import OPTIONS, SHIPPED, load_policy
from config.reading import SettingsError
from pacsd.deidentify.options import Option


def test_the_policies_that_come_with_the_program_are_read_by_name() -> None:
    names = sorted(path.stem for path in SHIPPED.glob("*.toml"))
    assert names == ["basic", "research", "teaching"]
    assert load_policy("basic").options == ()
    assert "modified_dates" in load_policy("research").options
    assert all(load_policy(name).without_rule == "refuse" for name in names)


def test_a_policy_knows_the_options_of_the_profile() -> None:
    assert set(OPTIONS) == {option.value for option in Option}


def test_a_policy_of_a_site_is_read_by_path(tmp_path: Path) -> None:
    file = tmp_path / "lung.toml"
    file.write_text(
        'options = ["safe_private"]\n[[private]]\ncreator = "ACME"\nelement = "0019,xx0C"\nvr = "DS"\n'
        '[[override]]\ntag = "00081030"\naction = "K"\n'
        '[[burned_in]]\nmanufacturer = "ACME*"\nblack = [[0, 0, 100, 20], [-100, -20, 100, 20]]\n'
    )
    policy = load_policy(str(file))
    assert policy.private[0].key == ("ACME", 0x0019, 0x0C)
    assert policy.burned_in[0].black == ((0, 0, 100, 20), (-100, -20, 100, 20))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('options = ["everything"]', "no option everything"),
        ('options = ["full_dates", "modified_dates"]', "either in full or shifted"),
        ('without_rule = "guess"', "must be one of refuse, keep"),
        ('prose = "keep"', "must be one of remove, clean"),
        ('also_remove = ["("]', "no regular expression"),
        ('[[private]]\ncreator = "A"\nelement = "0018,xx0C"\nvr = "DS"', "as 0019,xx0C"),
        ('[[override]]\ntag = "81030"\naction = "X"', "8 hexadecimal digits"),
        ('[[override]]\ntag = "00081030"\naction = "Q"', "must be one of X"),
        ('[[burned_in]]\nmodality = "US"', "what to blacken"),
        ('[[burned_in]]\nblack = [[0, 0, 0, 5]]', "width, height"),
        ('[[burned_in]]\nblack = [[0, 0, 5]]', "width, height"),
        ("surprise = 1", "no such setting"),
        ("= 1", "is no TOML"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=problem):
        load_policy(str(file))


def test_a_name_that_is_none_of_ours_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is basic, research, teaching"):
        load_policy("unknown")
