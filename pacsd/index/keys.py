"""Which matching key stands in which column: one table for writing rows and for matching them.

What has no column here but is declared in `pacsd.codec.keys` still matches: rows are then filtered in Python
from the attributes kept with them (`matching.py`).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from pacsd.codec.keys import KEY_BY_TAG, Key

Table = Literal["study", "series", "workitem", "non_patient_instance", "scheduled_step"]


class Kind(Enum):
    """How values of a column are written and compared."""

    UID = "uid"
    TEXT = "text"                # as sent without padding: case counts (PS3.4 C.2.2.2.1)
    NUMBER = "number"            # IS: compared as a number, kept as its shortest text
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"        # DT: its digits (patterns.datetime_key)
    NAME = "name"                # four columns: alphabetic, ideographic, phonetic, pinyin
    MANY = "many"                # text[]: any value matches


@dataclass(frozen=True, slots=True)
class Column:
    """A matching key and its column. `path`: upper-case hex tags, dotted where they stand in a sequence."""

    path: str
    table: Table
    name: str
    kind: Kind


COLUMNS: tuple[Column, ...] = (
    Column("00100010", "study", "patient", Kind.NAME),
    Column("00100020", "study", "patient_id", Kind.TEXT),
    Column("00100030", "study", "patient_birth_date", Kind.DATE),
    Column("00100032", "study", "patient_birth_time", Kind.TIME),
    Column("00100040", "study", "patient_sex", Kind.TEXT),
    Column("0020000D", "study", "study_instance_uid", Kind.UID),
    Column("00080020", "study", "study_date", Kind.DATE),
    Column("00080030", "study", "study_time", Kind.TIME),
    Column("00080050", "study", "accession_number", Kind.TEXT),
    Column("00080090", "study", "referring", Kind.NAME),
    Column("00200010", "study", "study_id", Kind.TEXT),
    Column("00081030", "study", "study_description", Kind.TEXT),
    Column("00080061", "study", "modalities", Kind.MANY),
    Column("00080062", "study", "sop_classes", Kind.MANY),
    Column("0020000E", "series", "series_instance_uid", Kind.UID),
    Column("00080060", "series", "modality", Kind.TEXT),
    Column("00200011", "series", "series_number", Kind.NUMBER),
    Column("0008103E", "series", "series_description", Kind.TEXT),
    Column("00180015", "series", "body_part", Kind.TEXT),
    Column("00400244", "series", "performed_date", Kind.DATE),
    Column("00400245", "series", "performed_time", Kind.TIME),
    Column("00400275.00400009", "series", "scheduled_step_ids", Kind.MANY),
    Column("00400275.00401001", "series", "requested_procedure_ids", Kind.MANY),
)
COLUMN_BY_PATH: dict[str, Column] = {column.path: column for column in COLUMNS}

# Combined date and time matching (PS3.4 C.2.2.2.5.4)
TIME_OF_DATE: dict[str, str] = {
    "00080020": "00080030",
    "00080021": "00080031",
    "00080022": "00080032",
    "00080023": "00080033",
    "00400244": "00400245",
    "00700082": "00700083",
}

MODALITIES_IN_STUDY = "00080061"
SOP_CLASSES_IN_STUDY = "00080062"
STUDY_INSTANCE_UID = "0020000D"
SERIES_INSTANCE_UID = "0020000E"
SOP_INSTANCE_UID = "00080018"

# What the index computes and returns, and does not match by.
COMPUTED: dict[str, str] = {
    "00080005": "CS",            # Specific Character Set
    "00080052": "CS",            # Query/Retrieve Level
    "00080054": "AE",            # Retrieve AE Title
    "00080056": "CS",            # Instance Availability
    "00081190": "UR",            # Retrieve URL
    "00201200": "IS",            # Number of Patient Related Studies
    "00201202": "IS",            # … Series
    "00201204": "IS",            # … Instances
    "00201206": "IS",            # Number of Study Related Series
    "00201208": "IS",            # … Instances
    "00201209": "IS",            # Number of Series Related Instances
}

_COMPUTED_KEYS = {
    MODALITIES_IN_STUDY: Key(0x00080061, "ModalitiesInStudy", "CS", "study", required=True, default=True),
    SOP_CLASSES_IN_STUDY: Key(0x00080062, "SOPClassesInStudy", "UI", "study"),
}


def key_of(path: str) -> Key | None:
    """The declared key a path begins with, or None for an attribute the index does not keep."""
    first = path.partition(".")[0]
    return _COMPUTED_KEYS.get(first) or KEY_BY_TAG.get(int(first, 16))
