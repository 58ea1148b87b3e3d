"""The tables of PS3.15 Annex E, against a second source, and what they decide for a set of options."""

from pathlib import Path

import pytest

from pacsd.deidentify.options import BASIC_PROFILE, CODES, Option
from pacsd.deidentify.profile import Action, Profile, safe_private, table

SECOND = Path(__file__).with_name("e_1_1_second.tsv")


def test_every_row_says_what_a_second_source_says() -> None:
    lines = (line.split("\t") for line in SECOND.read_text("utf-8").splitlines())
    second = {int(tag, 16): code for code, tag in lines}
    assert {tag: row.code for tag, row in table().items()} == second
    assert len(second) == 652


@pytest.mark.parametrize(
    ("tag", "vr", "options", "action"),
    [
        (0x00100010, "PN", (), Action.EMPTY),
        (0x00100020, "LO", (), Action.DUMMY),                                    # Z/D
        (0x00080018, "UI", (), Action.UID),
        (0x00080018, "UI", (Option.UIDS,), Action.KEEP),
        (0x00080020, "DA", (), Action.EMPTY),
        (0x00080020, "DA", (Option.FULL_DATES,), Action.KEEP),
        (0x00080020, "DA", (Option.MODIFIED_DATES,), Action.CLEAN),
        (0x00100030, "DA", (Option.FULL_DATES,), Action.EMPTY),                  # a birth date is no study date
        (0x00101010, "AS", (), Action.REMOVE),
        (0x00101010, "AS", (Option.CHARACTERISTICS,), Action.KEEP),
        (0x00081030, "LO", (), Action.REMOVE),
        (0x00081030, "LO", (Option.DESCRIPTORS,), Action.CLEAN),
        (0x00080080, "LO", (Option.INSTITUTION,), Action.KEEP),
        (0x00081010, "SH", (Option.DEVICE,), Action.KEEP),
        (0x300C0127, "DT", (Option.DEVICE,), Action.DUMMY),                      # dates ask the options for dates only
        (0x0040A730, "SQ", (), Action.DUMMY),
        (0x0040A730, "SQ", (Option.STRUCTURED,), Action.CLEAN),
        (0x60003000, "OW", (Option.GRAPHICS,), Action.REMOVE),
        (0x60020010, "US", (), Action.REMOVE),
        (0x50000010, "US", (), Action.REMOVE),
        (0x00080000, "UL", (), Action.REMOVE),
        (0x00080016, "UI", (), Action.KEEP),
        (0x0008010C, "UI", (), Action.KEEP),
        (0x00080070, "LO", (), Action.CLEAN),
        (0x00280010, "US", (), Action.KEEP),
        (0x01000001, "UN", (), Action.REMOVE),                                   # nobody knows it
    ],
)  # fmt: skip
def test_an_attribute_gets_the_action_of_its_row(
    tag: int, vr: str, options: tuple[Option, ...], action: Action
) -> None:
    assert Profile(frozenset(options)).action(tag, vr) is action


def test_private_elements_stay_only_with_the_option_and_if_they_are_listed() -> None:
    key = ("GEMS_PARM_01", 0x0043, 0x39)
    assert safe_private()[key] == "IS"
    assert Profile().private_vr("GEMS_PARM_01", 0x00431039) is None
    kept = Profile(frozenset((Option.SAFE_PRIVATE,)), private={("MINE", 0x0019, 0x0C): "DS"})
    assert kept.private_vr("GEMS_PARM_01", 0x00431039) == "IS"
    assert kept.private_vr("GEMS_PARM_01", 0x00431038) is None
    assert kept.private_vr("MINE", 0x0019110C) == "DS"


def test_an_override_comes_first_and_is_known_to_weaken() -> None:
    assert Profile(overrides={0x00081030: Action.REMOVE}).weakened() == []
    weak = Profile(overrides={0x00080080: Action.KEEP})
    assert weak.action(0x00080080, "LO") is Action.KEEP
    assert weak.weakened() == [0x00080080]


def test_every_option_has_its_code() -> None:
    values = [BASIC_PROFILE.value, *(CODES[option].value for option in Option)]
    assert sorted(values) == [str(number) for number in range(113100, 113113)]
