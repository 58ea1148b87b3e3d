"""The rows behind `pacsd.events`: events written with the change they tell of, cursors, and retries."""

from typing import Any

from psycopg.types.json import Jsonb

from pacsd.index.connect import Connection

_APPEND = "insert into event (organisation, topic, subject, body) values (%s, %s, %s, %s)"


def append(connection: Connection, *, organisation: int, topic: str, subject: str, body: dict[str, Any]) -> None:
    """Write an event in the caller's transaction; events of one subject are delivered in order."""
    connection.execute(_APPEND, (organisation, topic, subject, Jsonb(body)), prepare=True)
