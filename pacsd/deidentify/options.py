"""The options of the Basic Profile, and how a data set says which of them were used (PS3.15 E.3, PS3.16 CID 7050)."""

from enum import Enum
from typing import NamedTuple


class Code(NamedTuple):
    """A code of the DICOM Controlled Terminology."""

    value: str
    meaning: str


BASIC_PROFILE = Code("113100", "Basic Application Confidentiality Profile")


class Option(Enum):
    """An option (PS3.15 E.3). The value is its word in policies, and in the columns of e_1_1.tsv."""

    PIXELS = "pixels"
    FEATURES = "features"
    GRAPHICS = "graphics"
    STRUCTURED = "structured"
    DESCRIPTORS = "descriptors"
    FULL_DATES = "full_dates"
    MODIFIED_DATES = "modified_dates"
    CHARACTERISTICS = "characteristics"
    DEVICE = "device"
    UIDS = "uids"
    SAFE_PRIVATE = "safe_private"
    INSTITUTION = "institution"


CODES: dict[Option, Code] = {             # PS3.16 CID 7050
    Option.PIXELS: Code("113101", "Clean Pixel Data Option"),
    Option.FEATURES: Code("113102", "Clean Recognizable Visual Features Option"),
    Option.GRAPHICS: Code("113103", "Clean Graphics Option"),
    Option.STRUCTURED: Code("113104", "Clean Structured Content Option"),
    Option.DESCRIPTORS: Code("113105", "Clean Descriptors Option"),
    Option.FULL_DATES: Code("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Option.MODIFIED_DATES: Code("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Option.CHARACTERISTICS: Code("113108", "Retain Patient Characteristics Option"),
    Option.DEVICE: Code("113109", "Retain Device Identity Option"),
    Option.UIDS: Code("113110", "Retain UIDs Option"),
    Option.SAFE_PRIVATE: Code("113111", "Retain Safe Private Option"),
    Option.INSTITUTION: Code("113112", "Retain Institution Identity Option"),
}
TEMPORAL = frozenset((Option.FULL_DATES, Option.MODIFIED_DATES))
