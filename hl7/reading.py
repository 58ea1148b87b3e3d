"""What a message says, by name and in the platform's terms, wherever its sender puts it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from config.hl7_mapping import MessageMapping
from hl7.conditions import Condition, Hl7Error, Location
from hl7.message import NULL, Message, Segment, path

_DATE = re.compile(r"(\d{4})(\d{2})?(\d{2})?\d*(?:\.\d+)?(?:[+-]\d{4})?")


_Cx = tuple[str, str, str, str, Location]
"""Value, namespace, type and universal id of an identifier, and where it stands."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier (data type CX): the assigning authority's name here, empty where none is said."""

    value: str
    assigning_authority: str
    location: Location


class Reading:
    """A message through the mapping of its sender."""

    def __init__(self, message: Message, mapping: MessageMapping) -> None:
        self.message = message
        self.mapping = mapping
        self._listed: dict[tuple[str, int], list[_Cx]] = {}

    def value(self, name: str) -> str:
        """A value of the mapping's table, `NULL` where it is to be deleted. Raises Hl7Error."""
        place = self.mapping.path(name)
        return self.message.value(place) if place else ""

    def code(self, name: str) -> str:
        """A coded value in the code of HL7's table."""
        return self.mapping.code(name, self.value(name))

    def location(self, name: str) -> Location:
        """Where the value stands."""
        return path(self.mapping.path(name)).location

    def place(self, name: str) -> str:
        """Where a value of the mapping's orders stands in this message: the first place with something in it."""
        places = self.mapping.places(name)
        return next((one for one in places if self.message.value(one) not in ("", NULL)), places[-1])

    def said(self, name: str) -> str:
        """A value of an order, empty where there is none or where it is to be deleted; a coded one in our code.

        Raises Hl7Error.
        """
        value = self.message.value(self.place(name))
        return "" if value == NULL else self.mapping.code(name, value)

    def parts(self, name: str) -> list[str]:
        """The components of an order's value (first repetition, first subcomponents), without those that say nothing
        at the end. A mapping that names a component leaves that one. Raises Hl7Error."""
        at = path(self.place(name))
        segment = self.message.segment(at.segment, at.sequence)
        if at.component or segment is None:
            value = self.said(name)
            return [value] if value else []
        repetitions = segment.repetitions(at.field)
        number = max(at.repetition, 1)
        text = repetitions[number - 1] if number <= len(repetitions) else ""
        count = text.count(self.message.delimiters.component) + 1
        found = self.message.meanings(segment, text, at.location, *range(1, count + 1))
        found = ["" if one == NULL else one for one in found]
        while found and not found[-1]:
            found.pop()
        return found

    def where(self, name: str) -> Location:
        """Where an order's value stands, or would stand."""
        return path(self.place(name)).location

    def repetitions(self, name: str, *, sequence: int = 0) -> list[tuple[Segment, str, Location]]:
        """The repetitions of a field as they were sent, each with its segment and its place.

        `sequence`: of which segment of the name, where not of the one that the mapping says.
        """
        at = path(self.mapping.path(name))
        nth = sequence or at.sequence
        segment = self.message.segment(at.segment, nth)
        found = segment.repetitions(at.field) if segment is not None else ()
        return [
            (segment, text, Location(at.segment, nth, at.field, number))
            for number, text in enumerate(found, 1)
            if segment is not None and (not at.repetition or number == at.repetition)
        ]

    def identifiers(self, name: str, *, sequence: int = 0) -> Iterator[Identifier]:
        """The patient ids of a field: neither null, nor cards, nor of another type. Raises Hl7Error.

        A mapping that names a component means a plain value, and no CX. `sequence`: of which segment of the name.
        """
        at = path(self.mapping.path(name))
        if at.component:
            plain = self.message.value(self.mapping.path(name))
            if plain and plain != NULL:
                yield Identifier(plain, "", at.location)
            return
        for value, namespace, kind, universal, place in self._cxs(name, sequence):
            is_card = bool(self.mapping.card(kind, namespace, universal))
            if value and value != NULL and not is_card and kind in self.mapping.identifier_types:
                yield Identifier(value, self.authority(namespace, universal), place)

    def cards(self, name: str) -> Iterator[tuple[str, str]]:
        """The cards of a field of identifiers: kind and number. Raises Hl7Error."""
        if path(self.mapping.path(name)).component:
            return
        for value, namespace, kind, universal, _ in self._cxs(name, 0):
            card = self.mapping.card(kind, namespace, universal)
            if card and value:
                yield card, value

    def authority(self, namespace: str, universal: str) -> str:
        """The name here of an assigning authority (HD): what the mapping says of it, else as it was sent."""
        said = self.mapping.authority(namespace, universal)
        return said if said is not None else namespace or universal

    def components(self, name: str, *numbers: int) -> list[str] | None:
        """Components of a field's first repetition, of each its first subcomponent; None where it is not sent.

        All empty where it is to be deleted. Raises Hl7Error.
        """
        at = self.mapping.path(name)
        found = self.repetitions(name) if at else []
        if not found:
            return None
        segment, text, place = found[0]
        if path(at).component:
            return [self.message.value(at), *[""] * (len(numbers) - 1)]
        parts = self.message.meanings(segment, text, place, *numbers)
        return ["" if part == NULL else part for part in parts]

    def date(self, name: str) -> str:
        """A date as YYYYMMDD; empty where the message has none or not a whole one, `NULL` where it is to be deleted.

        Raises Hl7Error for what is no date (HL7 v2.5.1 2.A.79).
        """
        text = self.value(name)
        if not text or text == NULL:
            return text
        found = _DATE.fullmatch(text)
        if found is None or not _is_date(found):
            raise Hl7Error(Condition.DATA_TYPE, self.location(name), "not a date")
        return "".join(found.groups()) if all(found.groups()) else ""

    def _cxs(self, name: str, sequence: int) -> list[_Cx]:
        """The identifiers of a field, each taken apart once."""
        found = self._listed.get((name, sequence))
        if found is None:
            found = [self._cx(*one) for one in self.repetitions(name, sequence=sequence)]
            self._listed[name, sequence] = found
        return found

    def _cx(self, segment: Segment, text: str, place: Location) -> _Cx:
        value, namespace, kind = self.message.meanings(segment, text, place, 1, 4, 5)
        return value, namespace, kind, self.message.meaning(segment.component(text, 4, 2), place), place


def _is_date(found: "re.Match[str]") -> bool:
    year, month, day = found.groups()
    if int(year) == 0 or (month and not 1 <= int(month) <= 12):
        return False
    if not day:
        return True
    leap = int(year) % 4 == 0 and (int(year) % 100 != 0 or int(year) % 400 == 0)
    days = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= int(day) <= days[int(month) - 1]
