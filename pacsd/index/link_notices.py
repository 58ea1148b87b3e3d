"""Rows of messages that tell of links, until they are sent."""

from dataclasses import dataclass
from datetime import datetime

from pacsd.index.connect import Pool, lent
from pacsd.links.notices import Notice

_PUT = """
insert into link_notice (link, channel, recipient, subject, text, due_at, give_up_at)
values (%s, %s, %s, %s, %s, %s, %s)
"""
_TAKE = """
update link_notice set attempts = attempts + 1, due_at = %(until)s where pk = (
    select pk from link_notice where due_at <= %(at)s order by due_at, pk limit 1 for update skip locked
) returning link, channel, recipient, subject, text, due_at, give_up_at, pk, attempts - 1
"""


@dataclass(frozen=True, slots=True)
class IndexNotices:
    """As pacsd.links.notices.NoticeRows has it."""

    pool: Pool

    def put(self, notice: Notice) -> None:
        """Keep one."""
        values = (notice.link, notice.channel, notice.recipient, notice.subject, notice.text, notice.due_at,
                  notice.give_up_at)  # fmt: skip
        with lent(self.pool) as connection:
            connection.execute(_PUT, values)

    def take(self, *, at: datetime, until: datetime) -> Notice | None:
        """One that is due, for the taker alone until then."""
        with lent(self.pool) as connection:
            row = connection.execute(_TAKE, {"at": at, "until": until}).fetchone()
        return None if row is None else Notice(*row)

    def drop(self, pk: int) -> None:
        """Forget one, and the link in it."""
        with lent(self.pool) as connection:
            connection.execute("delete from link_notice where pk = %s", (pk,))

    def later(self, pk: int, *, at: datetime) -> None:
        """Try again then."""
        with lent(self.pool) as connection:
            connection.execute("update link_notice set due_at = %s where pk = %s", (at, pk))
