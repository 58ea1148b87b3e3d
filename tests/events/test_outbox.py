"""Every event reaches every consumer, in order per subject, whatever commits late or fails."""

import pytest

from pacsd.access.scope import Scope
from pacsd.events.outbox import Consumer
from pacsd.index import outbox
from pacsd.index.completion import complete_studies
from pacsd.index.connect import Connection, Pool
from pacsd.index.ingest import Ingest
from pacsd.index.outbox import Event
from tests.index.arrivals import arrival


def say(connection: Connection, subject: str, number: int, organisation: int = 1) -> None:
    outbox.append(connection, organisation=organisation, topic="test.said", subject=subject, body={"n": number})


def test_a_late_commit_is_never_skipped(index: Pool) -> None:
    seen: list[tuple[str, int]] = []
    consumer = Consumer(index, "late", lambda event: seen.append((event.subject, event.body["n"])))
    with index.connection() as slow, index.connection() as quick:
        with slow.transaction():
            say(slow, "slow", 1)
            say(quick, "quick", 2)                           # a later number, committed first
            assert consumer.run() == 0
        assert consumer.run() == 2
        assert seen == [("slow", 1), ("quick", 2)]
        say(quick, "quick", 3)
    assert consumer.run() == 1 and consumer.run() == 0
    assert seen[-1] == ("quick", 3)


def test_a_subject_stays_in_order_though_its_transactions_began_otherwise(index: Pool) -> None:
    seen: list[int] = []
    consumer = Consumer(index, "order", lambda event: seen.append(event.body["n"]))
    with index.connection() as first, index.connection() as second, first.transaction():
        first.execute("select pg_current_xact_id()")         # the lower transaction number …
        say(second, "s", 1)
        say(first, "s", 2)                                   # … says the later thing
    assert consumer.run(limit=1) + consumer.run(limit=1) == 2
    assert seen == [1, 2]


def test_a_failure_holds_up_only_its_own_subject(index: Pool) -> None:
    seen: list[tuple[str, int]] = []
    broken = {"a"}

    def handle(event: Event) -> None:
        if event.subject in broken:
            raise RuntimeError("not now")
        seen.append((event.subject, event.body["n"]))

    consumer = Consumer(index, "failing", handle, first_pause_s=0.0)
    other: list[int] = []
    with index.connection() as connection:
        for number, subject in enumerate("abab"):
            say(connection, subject, number)
    consumer.run()
    assert seen == [("b", 1), ("b", 3)]
    Consumer(index, "other", lambda event: other.append(event.body["n"])).run()
    assert other == [0, 1, 2, 3]
    consumer.run()
    assert len(seen) == 2
    broken.clear()
    while consumer.run():
        pass
    assert seen[2:] == [("a", 0), ("a", 2)]


def test_an_event_comes_again_after_a_crash(index: Pool) -> None:
    seen: list[int] = []

    def die(event: Event) -> None:
        raise KeyboardInterrupt

    with index.connection() as connection:
        say(connection, "s", 1)
    first = Consumer(index, "one", die, lease_s=3600)
    with pytest.raises(KeyboardInterrupt):
        first.run()
    heir = Consumer(index, "one", lambda event: seen.append(event.body["n"]))
    assert heir.run() == 0                                   # the lease is still held
    first.close()
    assert heir.run() == 1
    assert seen == [1]


def test_a_consumer_reads_only_what_it_may(index: Pool) -> None:
    seen: list[int] = []
    consumer = Consumer(
        index, "scoped", lambda event: seen.append(event.body["n"]), scope=Scope((2,), 2), topics=["test.said"]
    )
    with index.connection() as connection:
        for organisation in (1, 2, 3):
            say(connection, "s", organisation, organisation)
        outbox.append(connection, organisation=2, topic="test.other", subject="s", body={"n": 9})
    consumer.run()
    assert seen == [2]


def test_a_study_is_received_once_and_completed_when_quiet(index: Pool, ingest: Ingest) -> None:
    seen: list[str] = []
    consumer = Consumer(index, "studies", lambda event: seen.append(event.topic))
    for n in range(5):
        ingest.store(arrival(f"1.{n}"))
    assert complete_studies(index, quiet_s=3600) == 0
    assert complete_studies(index, quiet_s=-1) == 1
    assert complete_studies(index, quiet_s=-1) == 0
    ingest.store(arrival("1.9"))
    assert complete_studies(index, quiet_s=-1) == 1
    while consumer.run():
        pass
    assert seen == ["study.received", "study.completed", "study.completed"]
    assert outbox.prune(index, older_than_s=-1) <= 3


def test_a_consumer_may_begin_with_what_happens_from_its_registration_on(index: Pool) -> None:
    seen: list[int] = []
    with index.connection() as slow, index.connection() as connection:
        say(connection, "s", 1)
        with slow.transaction():
            say(slow, "late", 2)                             # began before, and commits afterwards
            consumer = Consumer(index, "new", lambda event: seen.append(event.body["n"]), begin_now=True)
            consumer.register()
            say(connection, "s", 3)
        while consumer.run():
            continue
        say(connection, "s", 4)
    consumer.close()
    consumer = Consumer(index, "new", lambda event: seen.append(event.body["n"]), begin_now=True)
    consumer.register()                                      # known: it goes on
    while consumer.run():
        continue
    assert seen[-2:] == [3, 4] and 1 not in seen and 2 in seen


def test_a_consumer_that_is_no_longer_there_holds_no_event_for_ever(index: Pool) -> None:
    here, gone = (Consumer(index, name, lambda event: None) for name in ("here", "gone"))
    with index.connection() as connection:
        connection.execute("delete from consumer")
        gone.run()
        for n in range(5):
            say(connection, "s", n)
        while here.run():
            pass
        say(connection, "s", 5)                                  # moves the window on, past the others
        while here.run():
            pass
        connection.execute("update event set created_at = created_at - interval '8 days'")
        assert outbox.prune(index, older_than_s=7 * 86_400) == 0, "somebody may still want them"
        connection.execute("update consumer set leased_until = leased_until - interval '8 days' where name = 'gone'")
        assert outbox.prune(index, older_than_s=7 * 86_400, limit=2) == 2
        while outbox.prune(index, older_than_s=7 * 86_400, limit=2):
            pass
        assert connection.execute("select body ->> 'n' from event order by pk").fetchall() == [("5",)]
    while gone.run():                                            # comes back after all: what is kept
        pass
