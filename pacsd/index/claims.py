"""What can be searched for, from the tables that searches work by; statements and the README are rendered from it.

The kinds of matching are those of PS3.4 C.2.2.2. Besides what is said of a key, universal matching goes for all of
them, and DICOMweb's Empty Value Matching.
"""

from collections.abc import Mapping

from pacsd.codec.keys import KEYS, Key
from pacsd.index.keys import (
    COLUMN_BY_PATH,
    COLUMNS,
    MODALITIES_IN_STUDY,
    SOP_CLASSES_IN_STUDY,
    key_of,
)

SINGLE, WILDCARD, RANGE, LIST, SEQUENCE, FUZZY = "single", "wildcard", "range", "list", "sequence", "fuzzy"

MATCHING: Mapping[str, tuple[str, ...]] = {
    "UI": (SINGLE, LIST),
    "DA": (SINGLE, RANGE, LIST),
    "TM": (SINGLE, RANGE, LIST),
    "DT": (SINGLE, RANGE, LIST),
    "IS": (SINGLE, LIST),
    "DS": (SINGLE, LIST),
    "US": (SINGLE, LIST),
    "PN": (SINGLE, WILDCARD, FUZZY, LIST),
    "SQ": (SEQUENCE,),
}
OF_TEXT = (SINGLE, WILDCARD, LIST)
LEVELS = ("patient", "study", "series", "instance")


def claims() -> list[Mapping[str, object]]:
    """Every matching key, upper levels first; `indexed`: matched by the database, not by reading answers."""
    keys = [*KEYS, *(key for path in (MODALITIES_IN_STUDY, SOP_CLASSES_IN_STUDY) if (key := key_of(path)))]
    ordered = sorted(keys, key=lambda key: (LEVELS.index(key.level), key.tag))
    return [_claim(key) for key in ordered]


def matching(vr: str) -> tuple[str, ...]:
    """The kinds of matching for a VR."""
    return MATCHING.get(vr, OF_TEXT)


def _claim(key: Key) -> Mapping[str, object]:
    below = any(column.path.startswith(key.hex + ".") for column in COLUMNS)
    return {
        "level": key.level,
        "tag": key.hex,
        "keyword": key.keyword,
        "vr": key.vr,
        "matching": list(matching(key.vr)),
        "required": key.required,
        "default": key.default,
        "indexed": key.hex in COLUMN_BY_PATH or below,
    }
