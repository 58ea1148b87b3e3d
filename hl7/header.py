"""MSH of any message, also of one that cannot be read: what an answer is made of (HL7 v2.5.1 2.15.9)."""

from dataclasses import dataclass, field

from hl7.character_sets import BYTE_ORDER_MARK, CharacterSet, character_set, declared
from hl7.conditions import Hl7Error
from hl7.delimiters import STANDARD, Delimiters, delimiters_of
from hl7.escapes import EscapeError, unescape
from hl7.message import Message, Segment

_AS_SENT = character_set("8859/1")               # every byte is a character: what is echoed is what came
_MOST_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class Header:
    """A header segment, the character set it is read in, and what its MSH-18 said."""

    segment: Segment
    character_set: CharacterSet = _AS_SENT
    declared_character_set: str = ""
    _read: dict[tuple[int, int], str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def delimiters(self) -> Delimiters:
        """Those of the message, or the usual ones where its own cannot be used."""
        own = self.segment.delimiters
        return own if own.usable else Delimiters(field=own.field) if own.field else STANDARD

    def sent(self, number: int) -> str:
        """A field as it was sent, without surrounding blanks."""
        return self.segment.field(number).strip()

    def first(self, number: int, component: int = 1) -> str:
        """A component of a field's first repetition, without escape sequences."""
        known = self._read.get((number, component))
        if known is None:
            known = self._read[number, component] = self._first(number, component)
        return known

    def _first(self, number: int, component: int) -> str:
        text = self.segment.component(self.segment.first(number), component, 1)
        try:
            return unescape(text, self.segment.delimiters, codec=self.character_set.codec or "ascii").strip()
        except EscapeError:
            return text.strip()

    @property
    def message_type(self) -> str:
        """MSH-9 as code and event: ADT^A08."""
        return "^".join(filter(None, (self.first(9), self.first(9, 2))))


def header_of(raw: bytes) -> Header | None:
    """The header of bytes that nobody has read yet, None where there is none."""
    body = raw.removeprefix(BYTE_ORDER_MARK)[:_MOST_CHARACTERS]
    line = body.replace(b"\n", b"\r").split(b"\r", 1)[0]
    if line[:3] != b"MSH" or len(line) < 5:
        return None
    said = declared(line)
    try:
        chosen = character_set(said) if said else _AS_SENT
        text = line.decode(chosen.codec or "")
    except (Hl7Error, UnicodeDecodeError):
        chosen, text = _AS_SENT, line.decode("latin-1")
    return Header(Segment(text, "\r", delimiters_of(text)), chosen, said)


def header_in(message: Message) -> Header:
    """The header of a message that was read."""
    return Header(message.header, message.character_set, message.declared_character_set)
