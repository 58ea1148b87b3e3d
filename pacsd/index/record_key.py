"""Record keys (PS3.4 C.6.4): an order of studies and of series in which a search can be continued later.

A key is made of UIDs, so it outlives restarts and rebuilds and tells nothing that its answer does not. It needs no
organisation: of several copies of a study a reader is shown one (predicate.visible).
"""

from pacsd.codec.keys import Level
from pacsd.index.predicate import Params

COLUMNS: dict[Level, tuple[str, ...]] = {        # of the aliases that searches give to studies and series
    "study": ("s.study_instance_uid",),
    "series": ("r.series_instance_uid", "s.study_instance_uid"),
}
_BETWEEN = "\0"


def record_key(*uids: str) -> bytes:
    """The value of Record Key (0008,041B); the UIDs are those of COLUMNS."""
    return _BETWEEN.join(uids).encode()


def uids_of(level: Level, key: bytes) -> tuple[str, ...] | None:
    """What a key was made of; None if it is none of this level."""
    try:
        uids = tuple(key.decode("ascii").split(_BETWEEN))
    except UnicodeDecodeError:
        return None
    return uids if len(uids) == len(COLUMNS.get(level, ())) and all(uids) else None


def following(level: Level, uids: tuple[str, ...], params: Params) -> list[str]:
    """The condition of what stands after a key."""
    if not uids:
        return []
    row = ", ".join(params.add(uid) for uid in uids)
    return [f"({', '.join(COLUMNS[level])}) > ({row})"]
