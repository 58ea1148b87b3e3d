"""Queues: in order, never dropped, one process at a time, with pauses for a destination that is away."""

import threading

import pytest

from pacsd.faults import Fault, PacsdError
from pacsd.index import messages as message_rows
from pacsd.index.connect import Pool
from pacsd.messages.outbox import LEASE_S, LONGEST_PAUSE_S, Outbox, Queue
from tests.messages.conftest import EAST, WEST, Clock


def put(outbox: Outbox, body: bytes, destination: str = "ris") -> int:
    return outbox.put(destination, 1, control_id=body.decode(), message_type="ADT^A08", body=body)


def drain(queue: Queue) -> list[bytes]:
    """Deliver everything that is due."""
    done = []
    while (one := queue.next()) is not None:
        done.append(one[1])
        queue.delivered(one[0], b"AA")
    return done


def test_messages_go_out_in_the_order_in_which_they_were_queued(index: Pool, clock: Clock) -> None:
    outbox = Outbox(index, ["ris", "emr"], clock=clock)
    for n in range(5):
        put(outbox, b"%d" % n)
    put(outbox, b"other", "emr")
    assert drain(outbox.queue("ris", holder="a")) == [b"0", b"1", b"2", b"3", b"4"]
    assert drain(outbox.queue("emr", holder="a")) == [b"other"]
    assert [one.state for one in outbox.list(EAST)] == ["delivered"] * 6
    assert outbox.list(WEST) == []


def test_a_destination_that_is_dead_for_an_hour_gets_everything_in_order_afterwards(index: Pool, clock: Clock) -> None:
    outbox = Outbox(index, ["ris"], clock=clock)
    queue, attempts, pauses = outbox.queue("ris", holder="a"), 0, []
    put(outbox, b"0")
    began, n = clock.now, 0
    while (clock.now - began).total_seconds() < 3600:
        if (one := queue.next()) is not None:
            assert one[1] == b"0" and one[2] == attempts, "nothing overtakes"
            pauses.append(queue.failed(one[0], "nobody listens"))
            attempts += 1
            assert queue.next() is None, "it pauses"
        clock.passes(1)
        if (clock.now - began).total_seconds() % 60 == 0:
            n += 1
            put(outbox, b"%d" % n)
    assert pauses[:4] == [1, 2, 4, 8] and max(pauses) == LONGEST_PAUSE_S and attempts < 30
    clock.passes(LONGEST_PAUSE_S)
    assert drain(queue) == [b"%d" % one for one in range(61)]
    put(outbox, b"next")
    one = queue.next()
    assert one is not None and queue.failed(one[0], "again") == 1.0, "a success ends the pauses"


def test_what_is_refused_for_good_is_set_aside_and_can_be_sent_again(index: Pool, clock: Clock) -> None:
    outbox = Outbox(index, ["ris"], clock=clock)
    queue = outbox.queue("ris", holder="a")
    first = put(outbox, b"bad")
    put(outbox, b"good")
    one = queue.next()
    assert one is not None
    queue.refused(one[0], b"AE", "101 PID^1^3")
    assert drain(queue) == [b"good"]
    (found,) = outbox.list(EAST, state="refused")
    assert (found.pk, found.problem, found.answer, found.attempts) == (first, "101 PID^1^3", b"AE", 1)
    again = outbox.again(EAST, first)
    assert drain(queue) == [b"bad"] and outbox.message(EAST, again).state == "delivered"
    with pytest.raises(PacsdError) as caught:
        outbox.again(EAST, put(outbox, b"waits"))
    assert caught.value.fault is Fault.CONFLICT


def test_only_one_process_at_a_time_delivers(index: Pool, clock: Clock) -> None:
    outbox = Outbox(index, ["ris"], clock=clock)
    put(outbox, b"0")
    one, other = outbox.queue("ris", holder="a"), outbox.queue("ris", holder="b")
    assert one.next() is not None and one.next() is not None and other.next() is None
    clock.passes(LEASE_S + 1)
    assert other.next() is not None and one.next() is None
    other.release()
    assert one.next() is not None


def test_a_message_is_queued_with_what_it_tells_of_or_not_at_all(index: Pool, clock: Clock) -> None:
    outbox = Outbox(index, ["ris"], clock=clock)
    with pytest.raises(ZeroDivisionError), message_rows.keeping(index) as connection:
        outbox.add(connection, "ris", 1, control_id="1", message_type="ADT^A08", body=b"x")
        raise ZeroDivisionError
    assert outbox.list(EAST) == []


def test_a_destination_nobody_configured_is_not_there(index: Pool, clock: Clock) -> None:
    with pytest.raises(PacsdError) as caught:
        put(Outbox(index, ["ris"], clock=clock), b"0", "nowhere")
    assert caught.value.fault is Fault.NOT_FOUND


def test_many_who_queue_at_once_are_delivered_in_the_order_of_their_commits(index: Pool, clock: Clock) -> None:
    outbox = Outbox(index, ["ris"], clock=clock)
    queue, delivered, stop = outbox.queue("ris", holder="a"), [], threading.Event()

    def deliver() -> None:
        while not stop.is_set() or queue.next() is not None:
            delivered.extend(drain(queue))

    def send(name: int) -> None:
        for n in range(15):
            put(outbox, b"%d-%02d" % (name, n))

    courier = threading.Thread(target=deliver)
    courier.start()
    senders = [threading.Thread(target=send, args=(name,)) for name in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    stop.set()
    courier.join(30)
    keys = [one.control_id.encode() for one in reversed(outbox.list(EAST, limit=100))]
    assert delivered == keys and len(keys) == 60
    for name in range(4):
        mine = [one for one in delivered if one.startswith(b"%d-" % name)]
        assert mine == [b"%d-%02d" % (name, n) for n in range(15)]


def test_settled_messages_are_forgotten_and_waiting_ones_are_not(index: Pool, clock: Clock) -> None:
    outbox = Outbox(index, ["ris"], clock=clock)
    put(outbox, b"done")
    assert drain(outbox.queue("ris", holder="a")) == [b"done"]
    put(outbox, b"waits")
    clock.passes(1000)
    outbox.forget(keep_s=100)
    assert [one.body for one in outbox.list(EAST)] == [b"waits"]


def test_a_message_that_was_queued_once_is_not_queued_again_by_many_at_once(index: Pool, clock: Clock) -> None:
    outbox = Outbox(index, ["ris", "emr"], clock=clock)
    made: list[bool] = []

    def queue() -> None:
        made.append(outbox.put_once("ris", 1, control_id="r1", message_type="ORU^R01", body=b"one"))

    threads = [threading.Thread(target=queue) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 5 + [True]
    assert outbox.put_once("emr", 1, control_id="r1", message_type="ORU^R01", body=b"one", problem="103 unsayable")
    assert drain(outbox.queue("ris", holder="a")) == [b"one"]
    assert drain(outbox.queue("emr", holder="a")) == []
    (aside,) = outbox.list(EAST, state="refused")
    assert (aside.destination, aside.problem) == ("emr", "103 unsayable")
