"""Processes that share a port share their connections out evenly."""

import http.client
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from pacsd.web.neighbours import Neighbours
from pacsd.web.server import ServerLimits, listening_socket, run
from tests.web.fakes import Web
from tests.web.test_server import read_all


@contextmanager
def two(neighbours: Neighbours) -> Iterator[tuple[int, list[Web]]]:
    """Two servers on one port, each with a desk; the port, and their archives."""
    webs, stop, port = [Web(), Web()], threading.Event(), 0
    threads = []
    for number, web in enumerate(webs):
        listening = listening_socket("127.0.0.1", port)
        port = listening.getsockname()[1]
        named = {"stop": stop, "limits": ServerLimits(grace_s=2.0), "desk": neighbours.desk(number)}
        threads.append(threading.Thread(target=run, args=(web.app, listening), kwargs=named))
        threads[-1].start()
    try:
        while not all(neighbours.seen_at):
            time.sleep(0.01)
        yield port, webs
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)


def counts(neighbours: Neighbours, total: int) -> list[int]:
    """Connections at work, once there are so many and none is on its way."""

    def settled() -> bool:
        arrived = all(neighbours.given_to(one) == neighbours.taken[one] for one in range(len(neighbours.busy)))
        return arrived and sum(neighbours.busy) == total

    deadline = time.monotonic() + 10
    while not settled() and time.monotonic() < deadline:
        time.sleep(0.01)
    return list(neighbours.busy)


def test_connections_at_work_are_shared_out_and_all_are_answered() -> None:
    with closing(Neighbours(2)) as neighbours, two(neighbours) as (port, webs):
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(12)]
        for number, connection in enumerate(connections, 1):
            connection.connect()
            counts(neighbours, number)
        assert counts(neighbours, 12) == [6, 6]
        for number, connection in enumerate(connections):
            connection.request("POST", "/dicom-web/studies", b"%d" % number, {"Content-Type": "application/dicom"})
        assert [connection.getresponse().status for connection in connections] == [200] * 12
        assert sorted(len(web.archive.kept) for web in webs) == [6, 6]
        assert counts(neighbours, 0) == [0, 0]
        for connection in connections:
            connection.close()


def test_idle_connections_do_not_count_and_those_that_are_used_again_do() -> None:
    with closing(Neighbours(2)) as neighbours, two(neighbours) as (port, _):
        idle = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(6)]
        for connection in idle:
            connection.request("GET", "/health/live")
            assert connection.getresponse().read()
        assert counts(neighbours, 0) == [0, 0]
        idle[0].putrequest("POST", "/dicom-web/studies")
        idle[0].putheader("Content-Type", "application/dicom")
        idle[0].putheader("Content-Length", "10")
        idle[0].endheaders()
        assert sorted(counts(neighbours, 1)) == [0, 1]
        for connection in idle:
            connection.close()
        assert counts(neighbours, 0) == [0, 0]


def test_nothing_is_handed_on_to_a_process_that_is_gone() -> None:
    now = [100.0]
    with (
        closing(Neighbours(3, clock=lambda: now[0])) as neighbours,
        closing(listening_socket("127.0.0.1", 0)) as connection,
    ):
        here, there, gone = (neighbours.desk(number) for number in range(3))
        for desk in (here, there, gone):
            desk.alive()
        gone.leave()
        here.work(2)
        assert here.hand_on(connection.fileno())
        assert here.hand_on(connection.fileno())
        assert not here.hand_on(connection.fileno())             # two are on their way there
        taken = there.take()
        assert len(taken) == 2 and gone.take() == []
        for _, one in taken:
            there.arrived()
            one.close()
        assert here.hand_on(connection.fileno())                 # they are not at work yet, or done
        now[0] += 5
        assert not here.hand_on(connection.fileno())
        successor = neighbours.desk(1)
        assert [one.close() for _, one in successor.take()] == [None]


def test_a_closed_connection_is_closed_for_the_client_wherever_it_went() -> None:
    with closing(Neighbours(2)) as neighbours, two(neighbours) as (port, _):
        first, second = (http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(2))
        for number, connection in enumerate((first, second), 1):
            connection.connect()
            counts(neighbours, number)
        assert counts(neighbours, 2) == [1, 1]
        for connection in (first, second):
            connection.sock.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert read_all(connection.sock).startswith(b"HTTP/1.1 200 ")
            connection.close()
        assert counts(neighbours, 0) == [0, 0]


def test_what_comes_while_there_are_no_descriptors_left_is_not_on_its_way_for_ever() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(Neighbours(2)) as neighbours, closing(listening_socket("127.0.0.1", 0)) as connection:
        here, there = neighbours.desk(0), neighbours.desk(1)
        for desk in (here, there):
            desk.alive()
        here.work(1)
        assert here.hand_on(connection.fileno()) and not here.hand_on(connection.fileno())
        with open("/dev/null") as lowest:
            free = lowest.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            assert there.take() == []
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        there.alive()
        assert here.hand_on(connection.fileno())                 # that one is no load any more
        for _, one in there.take():
            one.close()


def test_one_that_arrives_before_its_giver_goes_on_is_counted(monkeypatch) -> None:
    """The giver is put aside between sending and whatever it does next; nothing is on its way for ever."""
    send = socket.send_fds
    with closing(Neighbours(2)) as neighbours:
        giver, taker = neighbours.desk(0), neighbours.desk(1)
        taker.alive()
        giver.work(1)

        def sent_and_taken(*arguments):
            sent = send(*arguments)
            for _, connection in taker.take():
                connection.close()
                taker.arrived()
            return sent

        monkeypatch.setattr(socket, "send_fds", sent_and_taken)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert giver.hand_on(ours.fileno())
        assert neighbours.given_to(1) == neighbours.taken[1] == 1
