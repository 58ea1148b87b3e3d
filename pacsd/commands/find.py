"""`pacsd find`: C-FIND (PS3.4 C.4.1)."""

import argparse
import unicodedata
from collections.abc import Sequence

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pynetdicom.presentation import build_context

from config.settings import Settings
from pacsd.commands.identifier import PATIENT_ROOT_FIND, STUDY_ROOT_FIND, column_names, identifier
from pacsd.commands.peers import association, describe, is_success
from pacsd.commands.wiring import Wiring
from pacsd.faults import Fault, PacsdError

PENDING = (0xFF00, 0xFF01)


def find(options: argparse.Namespace, settings: Settings, _wiring: Wiring) -> int:
    """Print every match as a row; 0 when the peer answered, matches or not."""
    sop_class = PATIENT_ROOT_FIND if options.level == "PATIENT" else STUDY_ROOT_FIND
    query = identifier(options.level, options.keys)
    columns = column_names(options.level, options.keys)
    rows: list[list[str]] = []
    with association(options, settings, [build_context(sop_class)]) as peer:
        try:
            for status, match in peer.send_c_find(query, sop_class):
                if status.get("Status") in PENDING and match is not None:
                    rows.append([_text(match, column) for column in columns])
        except ValueError as error:
            raise PacsdError(Fault.UNSUPPORTED, f"{options.peer} does not answer queries of this kind") from error
    for line in _aligned([columns, *rows]):
        print(line)
    print(f"{len(rows)} matches; {describe(status)}")
    return 0 if is_success(status) else 1


def _text(match: Dataset, column: str) -> str:
    element = match.get(column if tag_for_keyword(column) else int(column, 16))
    value = element.value if isinstance(element, DataElement) else element
    if value is None:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\\".join(str(member) for member in value)
    return str(value)


def _aligned(rows: list[list[str]]) -> list[str]:
    """Columns as wide as their widest cell on a terminal, where Chinese characters take two places."""
    widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows]  # fmt: skip


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
