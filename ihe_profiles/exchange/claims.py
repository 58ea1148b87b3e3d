"""What is taken over HL7, from the tables the receiver works by; statements and the README are rendered from it."""

from collections.abc import Mapping

from hl7.acknowledgement import VERSIONS
from hl7.character_sets import CHARACTER_SETS
from ihe_profiles.pir.patient_identity import (
    CHANGE_TYPES,
    LINK_TYPES,
    MERGE_TYPES,
    NO_EFFECT_TYPES,
    PATIENT_TYPES,
    UNLINK_TYPES,
    VISIT_TYPES,
)
from ihe_profiles.rd.documents import DOCUMENT_TYPES
from ihe_profiles.rd.results import RESULT_TYPES
from ihe_profiles.swf.appointment import APPOINTMENT_TYPES
from ihe_profiles.swf.order_placement import ORDER_TYPES

_PATIENTS = (                            # effect, and its types as (event, structure, transactions)
    ("states", PATIENT_TYPES), ("merges", MERGE_TYPES), ("changes id", CHANGE_TYPES), ("links", LINK_TYPES),
    ("unlinks", UNLINK_TYPES), ("visits", VISIT_TYPES), ("no effect", NO_EFFECT_TYPES),
)  # fmt: skip
_KINDS = (                               # effect, and its types as (code, event, structure, transactions)
    *((effect, tuple(("ADT", *one) for one in types)) for effect, types in _PATIENTS),
    ("orders", ORDER_TYPES),
    ("books", tuple(("SIU", *one) for one in APPOINTMENT_TYPES)),
    ("reports", tuple(("ORU", *one) for one in RESULT_TYPES)),
    *((one.effect, (("MDM", one.event, one.structure, ()),)) for one in DOCUMENT_TYPES),
    ("pix", (("QBP", "Q23", "QBP_Q21", ("ITI-9",)),)),
    ("pdq", (("QBP", "Q22", "QBP_Q21", ("ITI-21",)),)),
    ("ends query", (("QCN", "J01", "QCN_J01", ("ITI-21",)),)),
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
