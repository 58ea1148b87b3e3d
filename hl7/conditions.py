"""What can be wrong with a message: HL7 table 0357, where it is, and how either is written in ERR."""

from dataclasses import dataclass
from enum import Enum


class Condition(Enum):
    """HL7 table 0357, message error condition codes: code and meaning."""

    ACCEPTED = "0", "Message accepted"
    SEGMENT_SEQUENCE = "100", "Segment sequence error"
    REQUIRED_FIELD = "101", "Required field missing"
    DATA_TYPE = "102", "Data type error"
    TABLE_VALUE = "103", "Table value not found"
    VALUE_TOO_LONG = "104", "Value too long"
    MESSAGE_TYPE = "200", "Unsupported message type"
    EVENT_CODE = "201", "Unsupported event code"
    PROCESSING_ID = "202", "Unsupported processing id"
    VERSION_ID = "203", "Unsupported version id"
    UNKNOWN_KEY = "204", "Unknown key identifier"
    DUPLICATE_KEY = "205", "Duplicate key identifier"
    RECORD_LOCKED = "206", "Application record locked"
    APPLICATION = "207", "Application internal error"

    @property
    def code(self) -> str:
        """As it stands in ERR-3.1."""
        return self.value[0]

    @property
    def meaning(self) -> str:
        """As it stands in ERR-3.2."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a message: data type ERL (HL7 v2.5.1 2.A.28). Numbers count from one; zero says nothing."""

    segment: str
    sequence: int = 1                    # of this segment among those of its name
    field: int = 0
    repetition: int = 0
    component: int = 0
    subcomponent: int = 0

    def parts(self) -> list[str]:
        """The components of ERL, without those at the end that say nothing."""
        numbers = [self.sequence, self.field, self.repetition, self.component, self.subcomponent]
        while numbers and not numbers[-1]:
            numbers.pop()
        return [self.segment, *(str(number) if number else "" for number in numbers)]

    def __str__(self) -> str:
        return "^".join(self.parts())


class Hl7Error(Exception):
    """A message that cannot be taken. `text` goes to the sender: it names fields and limits, never patient data.

    `rejected`: nothing is wrong with the message itself, we do not take its kind or cannot take it now (AR, CR).
    """

    def __init__(
        self, condition: Condition, location: Location | None, text: str, *, rejected: bool = False
    ) -> None:
        super().__init__(text)
        self.condition = condition
        self.location = location
        self.text = text
        self.rejected = rejected
