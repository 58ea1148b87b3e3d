"""A message in ER7, vertical-bar encoding (HL7 v2.5.1 2.6): text divided only as far as somebody asks.

Nothing is normalised: the bytes that came are kept, and the text of all segments with their ends is the text of the
message again, but for long encoded data (hl7.lifting).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from hl7.character_sets import CharacterSet, decode, encode
from hl7.conditions import Condition, Hl7Error, Location
from hl7.delimiters import HEADERS, Delimiters, delimiters_of
from hl7.escapes import EscapeError, unescape
from hl7.lifting import Lifted, lifted, pieces_of

NULL = '""'                              # a value that is to be deleted (2.5.3), unlike one that is not sent
DEFAULT_CHARACTER_SET = "UNICODE UTF-8"
MOST_SEGMENTS = 200_000                  # empty lines among them; each is held, whatever it says
MOST_FIELDS = 65_536                     # of a segment; behind that many separators the rest is one field
MOST_REPETITIONS = 200_000               # of a field

_PATH = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?-(\d+)(?:\[(\d+)\])?(?:\.(\d+)(?:\.(\d+))?)?")
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")


class Segment:
    """One segment: its text without the end, and the end it had."""

    __slots__ = ("_fields", "delimiters", "end", "is_header", "name", "text")

    def __init__(self, text: str, end: str, delimiters: Delimiters) -> None:
        self.text = text
        self.end = end
        self.delimiters = delimiters
        self.name = text[:3] if text[3:4] in ("", delimiters.field) else text.split(delimiters.field, 1)[0]
        self.is_header = self.name in HEADERS    # then the separator after its name is its first field
        self._fields: list[str] | None = None

    def fields(self) -> list[str]:
        """The text between separators, the name first: field n stands at n, in a header at n - 1."""
        if self._fields is None:
            self._fields = self.text.split(self.delimiters.field, MOST_FIELDS)
        return self._fields

    def field(self, number: int) -> str:
        """Field `number` as it was sent, all its repetitions; empty beyond the last."""
        if self.is_header:
            if number == 1:
                return self.text[3:4]
            number -= 1
        fields = self.fields()
        return fields[number] if 0 < number < len(fields) else ""

    def repetitions(self, number: int) -> list[str]:
        """The repetitions of a field that say something, as they were sent; MSH-1 and MSH-2 never repeat.

        Raises Hl7Error for more than MOST_REPETITIONS.
        """
        text, separator = self.field(number), self.delimiters.repetition
        if not text:
            return []
        if not separator or separator not in text or (number <= 2 and self.is_header):
            return [text]
        if text.count(separator) >= MOST_REPETITIONS:
            where, limit = Location(self.name, 0, number), f"more than {MOST_REPETITIONS} repetitions"
            raise Hl7Error(Condition.VALUE_TOO_LONG, where, limit)
        return text.split(separator)

    def first(self, number: int) -> str:
        """The first repetition of a field, however many there are; empty where it says nothing."""
        text, separator = self.field(number), self.delimiters.repetition
        return text if not separator or (number <= 2 and self.is_header) else text.split(separator, 1)[0]

    def component(self, text: str, number: int, subcomponent: int = 0) -> str:
        """A component of a repetition, or a subcomponent of it, as it was sent; empty beyond the last."""
        part = _part(text, self.delimiters.component, number)
        return _part(part, self.delimiters.subcomponent, subcomponent) if subcomponent else part

    def parts(self, text: str, *numbers: int) -> list[str]:
        """Components of a repetition, of each its first subcomponent, as they were sent; empty beyond the last."""
        component, subcomponent = self.delimiters.component, self.delimiters.subcomponent
        found = text.split(component, max(numbers)) if component else [text]
        known = len(found)
        parts = [found[n - 1] if n <= known else "" for n in numbers]
        if subcomponent and subcomponent in text:
            return [part.split(subcomponent, 1)[0] for part in parts]
        return parts


@dataclass(frozen=True, slots=True)
class Path:
    """Where a value stands: PID-5.1, ZPI[2]-3[1].4.2. Numbers count from one; zero: not said."""

    segment: str
    sequence: int
    field: int
    repetition: int
    component: int
    subcomponent: int
    location: Location                   # the same as ERR-2 has it


@lru_cache(maxsize=1024)
def path(text: str) -> Path:
    """The path that a text names. Raises ValueError."""
    found = _PATH.fullmatch(text)
    if found is None or int(found[3]) == 0:
        raise ValueError(f"{text!r} names no place such as PID-5.1")
    segment, sequence, field, repetition, component, subcomponent = found.groups()
    where = Location(segment, int(sequence or 1), int(field), int(repetition or 0), int(component or 0),
                     int(subcomponent or 0))  # fmt: skip
    return Path(segment, where.sequence, where.field, where.repetition, where.component, where.subcomponent, where)


class Message:
    """A message as it came."""

    __slots__ = ("_segments", "character_set", "declared_character_set", "delimiters", "lifted", "raw", "text")

    def __init__(
        self, raw: bytes, text: str, delimiters: Delimiters, character_set: CharacterSet, declared: str, *,
        lenient_ends: bool = True, lifted: Lifted | None = None,
    ) -> None:  # fmt: skip
        self.raw = raw
        self.lifted = lifted or Lifted(raw)
        self.text = text
        self.delimiters = delimiters
        self.character_set = character_set
        self.declared_character_set = declared
        self._segments = tuple(islice(_segments(text, delimiters, lenient=lenient_ends), MOST_SEGMENTS + 1))
        if len(self._segments) > MOST_SEGMENTS:
            raise Hl7Error(Condition.VALUE_TOO_LONG, None, f"more than {MOST_SEGMENTS} segments")

    def __bytes__(self) -> bytes:
        return self.raw

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments, empty lines among them."""
        return self._segments

    @property
    def header(self) -> Segment:
        """MSH."""
        return self._segments[0]

    def part(self, segments: Iterable[Segment]) -> "Message":
        """The same message as if it had only these of its segments, the header first."""
        other = object.__new__(Message)
        other.raw, other.text, other.delimiters, other.lifted = self.raw, self.text, self.delimiters, self.lifted
        other.character_set, other.declared_character_set = self.character_set, self.declared_character_set
        other._segments = tuple(segments)
        return other

    def all(self, name: str) -> list[Segment]:
        """The segments of a name, in order."""
        return [one for one in self._segments if one.name == name]

    def segment(self, name: str, sequence: int = 1) -> Segment | None:
        """The n-th segment of a name."""
        for one in self._segments:
            if one.name == name:
                sequence -= 1
                if not sequence:
                    return one
        return None

    def sent(self, place: str) -> str:
        """The text at a path, as it was sent; empty where nothing is."""
        at = path(place)
        segment = self.segment(at.segment, at.sequence)
        if segment is None:
            return ""
        if not at.repetition and not at.component:
            return segment.field(at.field)
        repetitions = segment.repetitions(at.field)
        number = max(at.repetition, 1)
        text = repetitions[number - 1] if number <= len(repetitions) else ""
        return segment.component(text, at.component, at.subcomponent) if at.component else text

    def value(self, place: str) -> str:
        """The one value at a path: of what is divided further, the first part. Without surrounding blanks.

        HL7's null comes as `NULL`. Raises Hl7Error for an escape sequence that nobody here follows.
        """
        at = path(place)
        segment = self.segment(at.segment, at.sequence)
        repetitions = segment.repetitions(at.field) if segment is not None else ()
        if segment is None or len(repetitions) < (number := at.repetition or 1):
            return ""
        text = repetitions[number - 1]
        if not (segment.is_header and at.field <= 2):
            text = segment.component(text, at.component or 1, at.subcomponent or 1)
        return self.meaning(text, at.location)

    def encoded(self, text: str) -> Iterator[bytes | memoryview]:
        """The ASCII of a value that may be long encoded data, in pieces. Raises UnicodeEncodeError for other text."""
        return pieces_of(text, self.lifted.runs)

    def meaning(self, text: str, location: Location) -> str:
        """Sent text without its escape sequences and surrounding blanks. Raises Hl7Error, for that location."""
        return self.unescaped(text, location).strip() if text else ""

    def meanings(self, segment: Segment, text: str, location: Location, *numbers: int) -> list[str]:
        """The same of components of a repetition, of each its first subcomponent."""
        return [self.meaning(part, location) for part in segment.parts(text, *numbers)]

    def unescaped(self, text: str, location: Location) -> str:
        """Sent text without its escape sequences. Raises Hl7Error, for that location."""
        if self.delimiters.escape not in text and not self.lifted.runs:
            return text
        try:
            return unescape(self.lifted.whole(text), self.delimiters, codec=self.character_set.codec or "ascii")
        except EscapeError as error:
            raise Hl7Error(Condition.DATA_TYPE, location, str(error)) from None


def parse(
    raw: bytes, *, default: str = DEFAULT_CHARACTER_SET, overrides: bool = False, lenient_ends: bool = True
) -> Message:
    """The message of these bytes, without framing.

    Its character set is that of MSH-18; `default` where that is empty or, with `overrides`, in any case. Segments end
    with CR; with `lenient_ends` also with CR LF and LF. Raises Hl7Error for what has no header, for separators that
    are not distinct, for text that is none of its character set, and for more than MOST_SEGMENTS segments.
    """
    short = lifted(raw)
    decoded = decode(short.body, default=default, overrides=overrides)
    delimiters = _delimiters(decoded.text)
    return Message(
        raw, decoded.text, delimiters, decoded.character_set, decoded.declared, lenient_ends=lenient_ends, lifted=short
    )


def _delimiters(text: str) -> Delimiters:
    if text[:3] != "MSH":
        raise Hl7Error(Condition.SEGMENT_SEQUENCE, Location("MSH"), "a message begins with MSH")
    if len(text) < 4:
        raise Hl7Error(Condition.REQUIRED_FIELD, Location("MSH", 1, 1), "MSH without separators")
    delimiters = delimiters_of(text)
    if not delimiters.component:
        raise Hl7Error(Condition.REQUIRED_FIELD, Location("MSH", 1, 2), "MSH-2 is empty")
    if not delimiters.usable:
        raise Hl7Error(Condition.DATA_TYPE, Location("MSH", 1, 2), "separators that are not distinct")
    return delimiters


def with_carriage_returns(message: Message) -> bytes:
    """The message with the segment ends of the standard, as it may be sent (HL7 v2.5.1 2.5.2)."""
    text = "".join(f"{one.text}\r" for one in message.segments if one.text.strip())
    return message.lifted.restored(encode(text, message.character_set))


def _part(text: str, separator: str, number: int) -> str:
    if not separator or separator not in text:
        return text if number == 1 else ""
    parts = text.split(separator, number)
    return parts[number - 1] if number <= len(parts) else ""


def _segments(text: str, delimiters: Delimiters, *, lenient: bool) -> Iterator[Segment]:
    if not lenient or "\n" not in text:
        *whole, last = text.split("\r", MOST_SEGMENTS + 1)
        yield from (Segment(one, "\r", delimiters) for one in whole)
        if last:
            yield Segment(last, "", delimiters)
        return
    at = 0
    for found in _ends(delimiters.field).finditer(text):
        yield Segment(text[at : found.start()], found[0], delimiters)
        at = found.end()
    if at < len(text):
        yield Segment(text[at:], "", delimiters)


@lru_cache(maxsize=32)
def _ends(field: str) -> re.Pattern[str]:
    """CR, CR LF; and LF where a segment, another line end or nothing follows: one inside a text is part of it."""
    after = rf"(?={_NAME.pattern}(?:{re.escape(field)}|[\r\n]|\Z)|[\r\n]|\Z)"
    return re.compile(rf"\r\n|\r|\n{after}")
