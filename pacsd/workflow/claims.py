"""What the worklists can be searched for, from the tables they work by; the README is rendered from it."""

from collections.abc import Iterator, Mapping

from pydicom.datadict import dictionary_VR

from pacsd.index import scheduled_step_keys
from pacsd.index.claims import matching
from pacsd.index.workitem_keys import COLUMN_BY_PATH
from pacsd.workflow import modality_worklist
from pacsd.workflow.attributes import ROW_BY_PATH, ROWS, Row

_PARTS = frozenset((
    "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning", "LongCodeValue", "URNCodeValue",
))  # fmt: skip


def claims() -> Mapping[str, object]:
    """Required matching keys (R, U) with their matching, how many optional ones there are, and what is returned."""
    keys = [_claim(row) for row in _required(ROWS)]
    optional = sum(row.match == "O" and not row.items for row in ROW_BY_PATH.values())
    return {"keys": keys, "optional_keys": optional, "modality_keys": list(_modality_keys())}


def _modality_keys() -> Iterator[Mapping[str, object]]:
    """The attributes of the modality worklist, coded ones without their parts."""
    keywords = {row.path: row.keyword for row in modality_worklist.ROWS}
    for row in modality_worklist.ROWS:
        path = row.path.split(".")
        parts = [one.path for one in modality_worklist.ROWS if one.path.startswith(row.path + ".")]
        if row.keyword in _PARTS:
            continue
        below = any(one in scheduled_step_keys.COLUMN_BY_PATH for one in parts if one.count(".") == len(path))
        yield {
            "keyword": ".".join(keywords[".".join(path[: n + 1])] for n in range(len(path))),
            "required": row.match == "R",
            "matching": list(matching(row.vr)),
            "indexed": row.path in scheduled_step_keys.COLUMN_BY_PATH or (below and row.vr == "SQ" and len(parts) < 7),
        }


def _required(rows: tuple[Row, ...]) -> Iterator[Row]:
    for row in rows:
        if row.match in ("R", "U"):
            if not row.items:
                yield row
            yield from _required(row.items)


def _claim(row: Row) -> Mapping[str, object]:
    path = row.path.split(".")
    return {
        "keyword": ".".join(ROW_BY_PATH[".".join(path[: n + 1])].keyword for n in range(len(path))),
        "tag": row.path,
        "matching": list(matching(dictionary_VR(int(row.tag, 16)))),
        "indexed": row.path in COLUMN_BY_PATH,
    }
