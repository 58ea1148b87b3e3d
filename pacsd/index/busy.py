"""How much is written to the index just now, by anybody."""

from pacsd.index.connect import Pool, lent

_NEXT = "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_NEWEST = "select coalesce(max(pk), 0) from hl7_message"


def writes(pool: Pool) -> int:
    """A number that grows by one with each transaction that wrote: arriving objects and messages make most of them."""
    with lent(pool) as connection:
        row = connection.execute(_NEXT).fetchone()
    return 0 if row is None else int(row[0])


def arrivals(pool: Pool) -> int:
    """The same, of which messages that were written together count one by one."""
    with lent(pool) as connection:
        row = connection.execute(f"select ({_NEXT}) + ({_NEWEST})").fetchone()
    return 0 if row is None else int(row[0])
