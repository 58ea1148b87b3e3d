"""What is taken over HL7, from the tables the receiver works by; statements and the README are rendered from it."""

from collections.abc import Mapping

from hl7.acknowledgement import VERSIONS
from hl7.character_sets import CHARACTER_SETS
from ihe_profiles.pir.patient_identity import MERGE_TYPES, PATIENT_TYPES


def claims() -> Mapping[str, object]:
    """Message types with their transactions, versions, and character sets of HL7 table 0211."""
    return {
        "messages": [
            {"type": f"ADT^{event}", "structure": structure, "transactions": list(transactions), "effect": effect}
            for effect, types in (("states", PATIENT_TYPES), ("merges", MERGE_TYPES))
            for event, structure, transactions in types
        ],
        "versions": list(VERSIONS),
        "character_sets": [one.name for one in CHARACTER_SETS if one.codec],
    }
