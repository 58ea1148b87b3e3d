"""A message of orders divided into its groups: an ORC with its OBR, and in OMI each IPC (HL7 v2.5.1 4.4, 4.22).

What stands before the first ORC (PID, PV1, AL1) belongs to all of them, and so does a single ZDS, which IHE puts at the
end of a message (RAD TF-2 4.4.4.1.2.4).
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from hl7.conditions import Condition, Hl7Error, Location
from hl7.message import Segment
from hl7.reading import Reading

_BEGINS, _STEP, _STUDY = "ORC", "IPC", "ZDS"
MOST_ORDERS = 500                        # of one message: all of them take effect together


@dataclass(frozen=True, slots=True)
class Group:
    """One order, or one step of it, as if it were the whole message."""

    reading: Reading
    segments: tuple[tuple[Segment, int], ...]            # each with its number among those of its name

    @contextmanager
    def located(self) -> Generator[None]:
        """What is wrong inside is told with the places of the whole message (ERR-2)."""
        try:
            yield
        except Hl7Error as error:
            where = error.location and self._in_message(error.location)
            raise Hl7Error(error.condition, where, error.text, rejected=error.rejected) from error

    def where(self, name: str) -> Location:
        """Where an order's value stands, or would stand, in the whole message."""
        return self._in_message(self.reading.where(name))

    def _in_message(self, location: Location) -> Location:
        numbers = [number for segment, number in self.segments if segment.name == location.segment]
        at = location.sequence - 1
        return replace(location, sequence=numbers[at]) if at < len(numbers) else location


def groups(reading: Reading) -> list[Group]:
    """The orders of a message. Raises Hl7Error where there is none."""
    numbered = list(_numbered(reading.message.segments))
    starts = [at for at, (segment, _) in enumerate(numbered) if segment.name == _BEGINS]
    if not starts:
        raise Hl7Error(Condition.SEGMENT_SEQUENCE, Location(_BEGINS), f"without the segment {_BEGINS}")
    studies = [one for one in numbered if one[0].name == _STUDY]
    common = [*numbered[: starts[0]], *(studies if len(studies) == 1 else [])]
    if len(starts) > MOST_ORDERS:
        where = Location(_BEGINS, MOST_ORDERS + 1)
        raise Hl7Error(Condition.VALUE_TOO_LONG, where, f"more than {MOST_ORDERS} orders in one message")
    found: list[Group] = []
    for begin, end in zip(starts, [*starts[1:], len(numbered)], strict=True):
        own = [one for one in numbered[begin:end] if len(studies) != 1 or one[0].name != _STUDY]
        found += [_group(reading, [*common, *part]) for part in _steps(own)]
        if len(found) > MOST_ORDERS:
            where = Location(_BEGINS, len(found))
            raise Hl7Error(Condition.VALUE_TOO_LONG, where, f"more than {MOST_ORDERS} orders in one message")
    return found


def _numbered(segments: Sequence[Segment]) -> Iterator[tuple[Segment, int]]:
    counts: dict[str, int] = {}
    for segment in segments:
        counts[segment.name] = counts.get(segment.name, 0) + 1
        yield segment, counts[segment.name]


def _steps(own: list[tuple[Segment, int]]) -> list[list[tuple[Segment, int]]]:
    steps = [one for one in own if one[0].name == _STEP]
    if len(steps) < 2:
        return [own]
    rest = [one for one in own if one[0].name != _STEP]
    return [[*rest, step] for step in steps]


def _group(reading: Reading, segments: list[tuple[Segment, int]]) -> Group:
    message = reading.message.part(segment for segment, _ in segments)
    return Group(Reading(message, reading.mapping), tuple(segments))
