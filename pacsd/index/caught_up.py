"""Up to when everything that the journal says is known to be in effect in this index."""

from datetime import datetime

from pacsd.index.connect import Pool, lent

_REACH = """
insert into caught_up (reached) values (%s)
on conflict (one) do update set reached = greatest(caught_up.reached, excluded.reached)
"""


def reached(pool: Pool) -> datetime | None:
    """None in an index that nobody has compared with the journal yet."""
    with lent(pool) as connection:
        row = connection.execute("select reached from caught_up").fetchone()
    return None if row is None else row[0]


def reach(pool: Pool, at: datetime) -> None:
    """What was said before has been applied again."""
    with lent(pool) as connection:
        connection.execute(_REACH, (at,))
