"""What the worklist can be searched for, from the table it works by; the README is rendered from it."""

from collections.abc import Iterator, Mapping

from pydicom.datadict import dictionary_VR

from pacsd.index.claims import matching
from pacsd.index.workitem_keys import COLUMN_BY_PATH
from pacsd.workflow.attributes import ROW_BY_PATH, ROWS, Row


def claims() -> Mapping[str, object]:
    """Required matching keys (R, U) with their matching, how many optional ones there are, and what is returned."""
    keys = [_claim(row) for row in _required(ROWS)]
    optional = sum(row.match == "O" and not row.items for row in ROW_BY_PATH.values())
    return {"keys": keys, "optional_keys": optional}


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
