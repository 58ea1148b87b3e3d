"""What OBX segments say, without a database."""

from config.hl7_mapping import MessageMapping
from hl7.message import parse
from hl7.reading import Reading
from ihe_profiles.rd.fields import Group, placed
from ihe_profiles.rd.observations import MOST_FLAGS, MOST_OBSERVATIONS, Observed, observed
from tests.hl7.results import oru, text


def read(*lines: str) -> Observed:
    reading = Reading(parse(oru("1", *lines).encode()), MessageMapping())
    found = [one for one in placed(reading) if one.segment.name == "OBX"]
    return observed(Group(reading, found, {}), found)


def test_the_flags_of_ever_so_many_lines_are_bounded_and_none_that_is_critical_is_lost() -> None:
    flags = ["~".join(f"F{line}x{number}" for number in range(30)) for line in range(MOST_OBSERVATIONS)]
    flags[-1] += "~HH"
    found = read(*(text(f"line {number}", flags=each) for number, each in enumerate(flags)))
    (one,) = found.observations
    assert len(one.text.split("\n")) == MOST_OBSERVATIONS
    assert len(one.flags) == MOST_FLAGS + 1 and one.flags[:2] == ("F0x0", "F0x1") and found.critical
