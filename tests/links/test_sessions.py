"""Sessions of those who opened a link, at any moment."""

from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.links.link import Link
from pacsd.links.rows import Rows, SessionRow
from pacsd.links.sessions import Sessions

ENDS = datetime(2026, 3, 4, 5, 6, 7, 990_000, tzinfo=UTC)
LINK = Link(str(uuid4()), 1, ("1.2",), None, "somebody", ENDS - timedelta(days=1), ENDS, b"")


class One:
    """One link."""

    def session(self, name: str) -> SessionRow:
        assert name == LINK.name
        return SessionRow(name, "EAST", False, ENDS, False, b"key")


@pytest.mark.parametrize("before_s", [0.001, 0.5, 0.989, 0.991, 30.0])
def test_a_session_ends_with_its_link_and_no_sooner(before_s: float) -> None:
    at = [ENDS - timedelta(seconds=40)]
    sessions = Sessions(cast(Rows, One()), lasts_s=600.0, clock=lambda: at[0])
    session = sessions.begun(LINK)
    assert session is not None and session.lasts_s == 41
    at[0] = ENDS - timedelta(seconds=before_s)
    assert sessions.principal(session.cookie).link == LINK.name
    at[0] = ENDS
    with pytest.raises(PacsdError) as over:
        sessions.principal(session.cookie)
    assert over.value.fault is Fault.UNAUTHENTICATED


def test_a_session_that_is_shorter_than_its_link_ends_before_it() -> None:
    at = [ENDS - timedelta(days=1)]
    sessions = Sessions(cast(Rows, One()), lasts_s=600.0, clock=lambda: at[0])
    session = sessions.begun(LINK)
    assert session is not None
    at[0] += timedelta(seconds=599)
    assert sessions.principal(session.cookie).link == LINK.name
    at[0] += timedelta(seconds=3)
    with pytest.raises(PacsdError):
        sessions.principal(session.cookie)
