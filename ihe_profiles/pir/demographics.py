"""From PID to the DICOM patient attributes (IHE RAD TF-2 Appendix B, table B-1)."""

from collections.abc import Mapping
from typing import Any

from hl7.conditions import Condition, Hl7Error, Location
from hl7.message import NULL, Segment
from hl7.reading import Reading

PATIENT_NAME, PATIENT_BIRTH_DATE, PATIENT_SEX = "00100010", "00100030", "00100040"
Attributes = dict[str, Mapping[str, Any] | None]

# HL7 table 0001 -> Patient's Sex (PS3.3 C.7.1.1); what is unknown states nothing
SEXES = {"M": "M", "F": "F", "O": "O", "A": "O", "N": "O"}
UNKNOWN_SEX = ("", "U")
# HL7 table 0465 -> component group of a person's name (PS3.5 6.2.1)
GROUPS = {"": "Alphabetic", "A": "Alphabetic", "I": "Ideographic", "P": "Phonetic"}
MOST_GROUP_CHARACTERS = 64
_FORBIDDEN = str.maketrans("^=\\", "   ")


def demographics(reading: Reading) -> Attributes:
    """The attributes that a message states, None for one it deletes; what it does not say is not there.

    Raises Hl7Error, for the field that cannot be used.
    """
    stated: Attributes = {}
    name, birth_date, sex = _name(reading), reading.date("birth_date"), reading.code("sex")
    if name:
        stated[PATIENT_NAME] = None if name == NULL else {"vr": "PN", "Value": [name]}
    if birth_date:
        stated[PATIENT_BIRTH_DATE] = None if birth_date == NULL else {"vr": "DA", "Value": [birth_date]}
    if sex == NULL:
        stated[PATIENT_SEX] = None
    elif sex not in UNKNOWN_SEX:
        stated[PATIENT_SEX] = {"vr": "CS", "Value": [_sex(reading, sex)]}
    return stated


def _sex(reading: Reading, sent: str) -> str:
    if sent not in SEXES:
        where = reading.location("sex")
        raise Hl7Error(Condition.TABLE_VALUE, where, "a sex that is neither of table 0001 nor of the sender's mapping")
    return SEXES[sent]


def _name(reading: Reading) -> dict[str, str] | str:
    """The first name, which is the legal one (HL7 v2.5.1 3.4.2.5), with its other representations."""
    groups: dict[str, str] = {}
    first_type = None
    for segment, text, place in reading.repetitions("patient_name"):
        if text.strip() == NULL and first_type is None:
            return NULL
        parts = _parts(reading, segment, text, place)
        kind, representation = parts[6], parts[7].upper()
        group = GROUPS.get(representation)
        if (first_type is not None and kind != first_type) or group is None or group in groups:
            continue
        written = _person_name(parts)
        if len(written) > MOST_GROUP_CHARACTERS:
            raise Hl7Error(Condition.VALUE_TOO_LONG, place, f"a name of more than {MOST_GROUP_CHARACTERS} characters")
        if written:
            groups[group] = written
            first_type = kind
    return groups


def _parts(reading: Reading, segment: Segment, text: str, place: Location) -> list[str]:
    parts = reading.message.meanings(segment, text, place, 1, 2, 3, 4, 5, 6, 7, 8)
    return [part and ("" if part == NULL else part.translate(_FORBIDDEN).strip()) for part in parts]


def _person_name(parts: list[str]) -> str:
    """Family, given, middle, prefix, suffix: HL7 has suffix and prefix the other way round, and degrees apart."""
    family, given, middle, suffix, prefix, degree = parts[:6]
    return "^".join((family, given, middle, prefix, f"{suffix} {degree}".strip())).rstrip("^")
