"""What is taken over HL7, from the tables the receiver works by; statements and the README are rendered from it."""

from collections.abc import Mapping

from hl7.acknowledgement import VERSIONS
from hl7.character_sets import CHARACTER_SETS
from ihe_profiles.pir.patient_identity import MERGE_TYPES, PATIENT_TYPES
from ihe_profiles.swf.appointment import APPOINTMENT_TYPES
from ihe_profiles.swf.order_placement import ORDER_TYPES

_KINDS = (                               # effect, and its types as (code, event, structure, transactions)
    ("states", tuple(("ADT", *one) for one in PATIENT_TYPES)),
    ("merges", tuple(("ADT", *one) for one in MERGE_TYPES)),
    ("orders", ORDER_TYPES),
    ("books", tuple(("SIU", *one) for one in APPOINTMENT_TYPES)),
)  # fmt: skip


def claims() -> Mapping[str, object]:
    """Message types with their transactions, versions, and character sets of HL7 table 0211."""
    return {
        "messages": [
            {"type": f"{code}^{event}", "structure": structure, "transactions": list(transactions), "effect": effect}
            for effect, types in _KINDS
            for code, event, structure, transactions in types
        ],
        "versions": list(VERSIONS),
        "character_sets": [one.name for one in CHARACTER_SETS if one.codec],
    }
