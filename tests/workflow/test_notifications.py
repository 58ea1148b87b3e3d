"""What AEs are still to be told: claimed by one at a time, tried again with pauses, given up in the end."""

from datetime import UTC, datetime, timedelta

from pacsd.index import notifications as rows
from pacsd.index.notifications import NewNotification
from pacsd.workflow.notifications import LEASE_S, Notifications
from tests.workflow.conftest import Office

START = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Clock:
    """Goes when told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def go(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def queue(office: Office, clock: Clock, *, give_up_s: float = 3600.0) -> Notifications:
    return Notifications(office.index, give_up_s=give_up_s, clock=clock)


def add(office: Office, clock: Clock, ae_title: str = "CT1", *, after_s: float = 0.0, event: int | None = None):
    due_at = clock() + timedelta(seconds=after_s)
    new = NewNotification("availability", ae_title, "PACSD", f"1.2.{ae_title}", due_at)
    with office.index.connection() as connection:
        return rows.add(connection, new, organisation=1, at=clock(), event=event)


def states(office: Office) -> list[tuple[object, ...]]:
    return office.rows("select ae_title, state, attempts from notification order by pk")


def test_what_is_due_is_claimed_for_one_ae_at_a_time(office) -> None:
    clock = Clock()
    waiting = queue(office, clock)
    keys = [add(office, clock, "CT1"), add(office, clock, "MR1"), add(office, clock, "CT1")]
    assert [one.pk for one in waiting.due(holder="a")] == [keys[0], keys[2]]
    assert [one.pk for one in waiting.due(holder="b")] == [keys[1]]
    assert waiting.due(holder="c") == []
    clock.go(LEASE_S + 1)
    assert len(waiting.due(holder="c")) == 2, "whoever held them is gone"


def test_one_may_be_told_at_once_by_who_queued_it(office) -> None:
    clock = Clock()
    waiting = queue(office, clock)
    key = add(office, clock, after_s=5.0)
    assert waiting.due(holder="worker") == []
    one = waiting.claim(key, holder="here")
    assert one is not None
    assert waiting.claim(key, holder="there") is None
    waiting.let_go([key])
    assert [one.pk for one in waiting.due(holder="worker")] == [key]
    waiting.delivered(one)
    clock.go(LEASE_S + 1)
    assert waiting.claim(key, holder="here") is None
    assert states(office) == [("CT1", "delivered", 1)]


def test_an_ae_that_is_away_pauses_longer_and_longer_and_others_do_not(office) -> None:
    clock = Clock()
    waiting = queue(office, clock)
    add(office, clock, "CT1")
    pauses = []
    for _ in range(12):
        those = waiting.due(holder="a")
        assert {one.ae_title for one in those} == {"CT1"}
        pauses.append(waiting.unreachable(those, "no connection"))
        add(office, clock, "CT1")
        assert waiting.due(holder="a") == [], "what is new waits as well"
        clock.go(pauses[-1])
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    key = add(office, clock, "MR1")
    waiting.unreachable(waiting.due(holder="a"), "no connection")
    assert [one.pk for one in waiting.due(holder="a")] == [key]
    clock.go(300)
    those = waiting.due(holder="a")
    assert len(those) == 13
    waiting.reached(those[0])
    add(office, clock, "CT1")
    assert len(waiting.due(holder="b")) == 1, "no pause any more"


def test_what_an_ae_cannot_take_now_holds_up_nothing_else(office) -> None:
    clock = Clock()
    waiting = queue(office, clock)
    add(office, clock)
    [one] = waiting.due(holder="a")
    waiting.failed(one, "0213")
    key = add(office, clock)
    assert [one.pk for one in waiting.due(holder="a")] == [key]
    clock.go(1)
    assert [(one.pk, one.attempts) for one in waiting.due(holder="a")] == [(one.pk, 1)]


def test_what_cannot_be_told_for_long_is_given_up(office) -> None:
    clock = Clock()
    waiting = queue(office, clock, give_up_s=60.0)
    add(office, clock)
    add(office, clock, "MR1")
    waiting.refused(waiting.due(holder="a")[0], "0122")
    for _ in range(20):
        if those := waiting.due(holder="a"):
            waiting.unreachable(those, "no connection")
        clock.go(30)
    assert [row[:2] for row in states(office)] == [("CT1", "refused"), ("MR1", "abandoned")]
    waiting.forget(keep_s=10_000.0)
    assert len(states(office)) == 2
    clock.go(10_000)
    waiting.forget(keep_s=10_000.0)
    assert states(office) == []


def test_an_event_that_is_handled_twice_is_queued_once(office) -> None:
    clock = Clock()
    assert add(office, clock, event=7) is not None
    assert add(office, clock, event=7) is None
    assert add(office, clock, event=8) is not None
