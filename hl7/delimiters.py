"""The characters a message is divided by, as its own MSH-1 and MSH-2 say (HL7 v2.5.1 2.5.4, v2.7 2.5.5.2)."""

from dataclasses import dataclass

HEADERS = ("MSH", "FHS", "BHS")              # segments whose first field is the separator itself


@dataclass(frozen=True, slots=True)
class Delimiters:
    """One character each; empty for one the sender does not use."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""                     # from v2.7 on

    @property
    def encoding_characters(self) -> str:
        """The value of MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation

    @property
    def usable(self) -> bool:
        """Whether each can be told from the others, and from text."""
        return self == STANDARD or self._usable()

    def _usable(self) -> bool:
        used = self.field + self.encoding_characters
        distinct = len(set(used)) == len(used)
        return distinct and bool(self.component) and not any(one.isalnum() or one in ' "' or one < " " for one in used)


STANDARD = Delimiters()


def delimiters_of(header: str) -> Delimiters:
    """Those of a segment MSH, FHS or BHS. Raises ValueError for text that is no such segment."""
    if header[:3] not in HEADERS or len(header) < 4:
        raise ValueError("no header segment")
    field = header[3]
    said = header[4:].partition(field)[0]
    component, repetition, escape, subcomponent, truncation = (*said[:5], "", "", "", "", "")[:5]
    return Delimiters(field, component, repetition, escape, subcomponent, truncation)
