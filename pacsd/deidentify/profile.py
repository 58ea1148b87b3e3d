"""What becomes of each attribute: Tables E.1-1 and E.3.10-1 of PS3.15, decided for one set of options.

The tables are data files, cut from the standard (edition 2024e, and the rows that 2026c adds). What no row names is
decided by its VR, as PS3.15 E.1.1 note 4 suggests.
"""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import NamedTuple

from pydicom.datadict import dictionary_has_tag

from pacsd.deidentify.options import TEMPORAL, Option


class Action(Enum):
    """What is done with an attribute (PS3.15 E.1.1, the codes of Table E.1-1)."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    UID = "U"
    KEEP = "K"
    CLEAN = "C"


class Row(NamedTuple):
    """One attribute of Table E.1-1: the code of the Basic Profile, and that of each option that speaks of it."""

    code: str
    options: Mapping[Option, Action]


# A combination leaves the choice to what the IOD requires (Type 3, 2 or 1): the last one is right for every type.
_CODES = {
    "X": Action.REMOVE, "Z": Action.EMPTY, "D": Action.DUMMY, "U": Action.UID, "X/Z": Action.EMPTY,
    "X/D": Action.DUMMY, "Z/D": Action.DUMMY, "X/Z/D": Action.DUMMY, "X/Z/U*": Action.UID,
}  # fmt: skip
TEMPORAL_VRS = frozenset(("DA", "DT", "TM"))
PROSE_VRS = frozenset(("LT", "ST", "UT"))
TEXT_VRS = frozenset(("LO", "LT", "SH", "ST", "UC", "UT"))
_BY_VR = {"PN": Action.DUMMY, "AE": Action.DUMMY, "UR": Action.DUMMY, "UI": Action.UID} | dict.fromkeys(
    TEXT_VRS, Action.CLEAN
)
# UIDs of definitions, which say nothing of a patient: SOP classes, also private ones, transfer syntaxes, coding
# schemes, context groups (PS3.3 8, C.12.1; PS3.6 A)
DEFINITIONS = frozenset((
    0x00080016, 0x0008001A, 0x0008001B, 0x00080062, 0x0008010C, 0x00080117, 0x00080118, 0x00081150, 0x0008115A,
    0x00083002, 0x00041510, 0x00041512, 0x0004151A, 0x04000010,
))  # fmt: skip
_GROUP_LENGTH, _OVERLAYS, _CURVES = 0x0000, 0x60, 0x50


@cache
def table() -> Mapping[int, Row]:
    """Table E.1-1 by tag, without the rows for whole groups."""
    rows = {}
    for line in _lines("e_1_1.tsv"):
        tag, code, options, _ = line.split("\t")
        if len(tag) == 8 and "x" not in tag:
            pairs = (pair.split("=") for pair in options.split(",") if pair)
            rows[int(tag, 16)] = Row(code, {Option(name): Action(action) for name, action in pairs})
    return rows


@cache
def safe_private() -> Mapping[tuple[str, int, int], str]:
    """Table E.3.10-1: private creator, group and last byte of the element -> VR."""
    rows = (line.split("\t") for line in _lines("safe_private.tsv"))
    return {(creator, int(group, 16), int(element, 16)): vr for group, element, vr, creator in rows}


def _lines(name: str) -> list[str]:
    data = pkgutil.get_data("pacsd.deidentify", name)
    if data is None:
        raise LookupError(name)
    return data.decode("utf-8").rstrip("\n").split("\n")


@dataclass(frozen=True)
class Profile:
    """The Basic Profile with options, and with what a policy decides otherwise.

    `overrides` come before the table. `private` names elements as `safe_private` does: they are safe, too. Without
    `prose`, free text of many lines is not cleaned but goes: nobody finds every neighbour's name in a story.
    """

    options: frozenset[Option] = frozenset()
    overrides: Mapping[int, Action] | None = None
    private: Mapping[tuple[str, int, int], str] | None = None
    prose: bool = False

    def action(self, tag: int, vr: str) -> Action:
        """What becomes of a standard attribute of any level."""
        if self.overrides and tag in self.overrides:
            return self.overrides[tag]
        if tag >> 24 in (_OVERLAYS, _CURVES):
            return Action.REMOVE
        row = table().get(tag)
        if row is not None:
            return self._of_row(row, vr)
        if tag & 0xFFFF == _GROUP_LENGTH or not dictionary_has_tag(tag):
            return Action.REMOVE
        return self._of_vr(tag, vr)

    def private_vr(self, creator: str, tag: int) -> str | None:
        """The VR of a private element that stays; None for one that goes (PS3.15 E.3.10)."""
        if Option.SAFE_PRIVATE not in self.options:
            return None
        key = creator, tag >> 16, tag & 0xFF
        return (self.private or {}).get(key) or safe_private().get(key)

    def of_private(self, vr: str) -> Action:
        """What becomes of a private element that stays."""
        return self._of_vr(0, vr)

    def weakened(self) -> list[int]:
        """The attributes that overrides let through although the table does not; then no conformance is claimed."""
        kept = (Action.KEEP, Action.CLEAN)
        return [
            tag for tag, action in (self.overrides or {}).items()
            if action in kept and (row := table().get(tag)) is not None and self._of_row(row, "") not in kept
        ]

    def _of_row(self, row: Row, vr: str) -> Action:
        temporal = vr in TEMPORAL_VRS
        said = {
            action for option, action in row.options.items()
            if option in self.options and (not temporal or option in TEMPORAL)
        }
        if Action.KEEP in said:
            return Action.KEEP
        return Action.CLEAN if said and (self.prose or vr not in PROSE_VRS) else _CODES[row.code]

    def _of_vr(self, tag: int, vr: str) -> Action:
        if vr in TEMPORAL_VRS:
            return self.of_dates()
        if vr == "UI" and (Option.UIDS in self.options or tag in DEFINITIONS):
            return Action.KEEP
        if vr in PROSE_VRS and not self.prose:
            return Action.DUMMY
        return _BY_VR.get(vr, Action.KEEP)

    def of_dates(self) -> Action:
        """What becomes of dates and times of which no row speaks."""
        if Option.FULL_DATES in self.options:
            return Action.KEEP
        return Action.CLEAN if Option.MODIFIED_DATES in self.options else Action.DUMMY
