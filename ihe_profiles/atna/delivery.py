"""A chore of the worker for each repository: records in their order, from where it has them, again and again.

Where it has them is kept in the index; records wait there and in their files for as long as it is away. A piece counts
once the next one has gone the same way, or the connection has outlived a turn: what was on its way when a connection
broke is sent again, so that a repository may see records twice and misses none.
"""

import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from config.settings import Settings
from ihe_profiles.atna.audit_xml import audit_xml
from ihe_profiles.atna.repository import Repository
from ihe_profiles.atna.syslog import frame, syslog_message
from pacsd.audit import record_json
from pacsd.audit.message import decoded
from pacsd.audit.services import source
from pacsd.faults import PacsdError
from pacsd.index.audit_events import AuditEvents, EventRow
from pacsd.index.connect import Pool

EVERY_S = 1.0
_AT_ONCE = 200


class Sender(Protocol):
    """repository.Repository"""

    def send(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class Delivery:
    """Sends what was recorded to one repository."""

    def __init__(
        self, name: str, events: AuditEvents, sender: Sender, *, source_id: str, site: str = "", host: str = "-"
    ) -> None:
        self._name = name
        self._events = events
        self._sender = sender
        self._source = source_id
        self._site = site
        self._host = host
        self._sent: int | None = None    # the last that went out, not yet sure
        self._sure = 0

    def run(self) -> bool:
        """Send a piece; whether there is more. Raises PacsdError UNAVAILABLE: from what is sure, the next time."""
        if self._sent is None:
            self._sent = self._sure = self._events.delivered(self._name)
        rows = self._events.following(self._sent, _AT_ONCE)
        try:
            self._sender.send(b"".join(map(self._framed, rows)))         # of nothing: whether it is still there
        except PacsdError:
            self._sent = None
            raise
        if self._sent != self._sure:
            self._events.deliver(self._name, self._sent)
            self._sure = self._sent
        if rows:
            self._sent = rows[-1].pk
        return len(rows) == _AT_ONCE

    def close(self) -> None:
        """Let go of the connection."""
        self._sender.close()

    def _framed(self, row: EventRow) -> bytes:
        message = decoded(record_json.read(row.body))
        body = audit_xml(message, source=self._source, site=self._site)
        return frame(syslog_message(body, at=message.at, host=self._host, application="pacsd", process=row.writer))


def chores(settings: Settings, pool: Pool) -> Sequence[tuple[str, float, Callable[[], bool]]]:
    """One for each repository of the settings; a new one gets what comes into the index from now on."""
    events = AuditEvents(pool)
    for each in settings.audit_repositories:
        events.delivered(each.name)
    return tuple(
        (
            f"audit records to {one.name}", EVERY_S,
            Delivery(one.name, events, Repository(one), source_id=source(settings), site=settings.audit.site,
                     host=socket.getfqdn()).run,
        )
        for one in settings.audit_repositories
    )  # fmt: skip
