"""What is taken over HL7, from the tables the receiver works by; statements and the README are rendered from it."""

from collections.abc import Mapping

from hl7.acknowledgement import VERSIONS
from hl7.character_sets import CHARACTER_SETS
from ihe_profiles.pir.patient_identity import MERGE_TYPES, PATIENT_TYPES
from ihe_profiles.rd.documents import DOCUMENT_TYPES
from ihe_profiles.rd.results import RESULT_TYPES

_TYPES = (("ADT", "states", PATIENT_TYPES), ("ADT", "merges", MERGE_TYPES), ("ORU", "reports", RESULT_TYPES))


def claims() -> Mapping[str, object]:
    """Message types with their transactions, versions, and character sets of HL7 table 0211."""
    messages: list[tuple[str, str, tuple[str, ...], str]] = [
        (f"{code}^{event}", structure, transactions, effect)
        for code, effect, types in _TYPES
        for event, structure, transactions in types
    ]
    messages += [(f"MDM^{one.event}", one.structure, (), one.effect) for one in DOCUMENT_TYPES]
    return {
        "messages": [
            {"type": kind, "structure": structure, "transactions": list(transactions), "effect": effect}
            for kind, structure, transactions, effect in messages
        ],
        "versions": list(VERSIONS),
        "character_sets": [one.name for one in CHARACTER_SETS if one.codec],
    }
