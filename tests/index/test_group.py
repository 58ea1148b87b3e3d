"""Group commit: nobody is forgotten, alone nobody waits, and who came together comes together again."""

import threading
import time
from collections.abc import Sequence

from pacsd.index.group import Group, Ticket


class Work:
    """Keeps the sizes of batches; each takes until `go` is set."""

    def __init__(self, *, patience_s: float = 0.0) -> None:
        self.sizes: list[int] = []
        self.go = threading.Event()
        self.go.set()
        self.group: Group[Ticket] = Group(self, limit=100, patience_s=patience_s)

    def __call__(self, batch: Sequence[Ticket]) -> None:
        self.sizes.append(len(batch))
        self.go.wait(10)

    def run(self, *, threads: int) -> list[threading.Thread]:
        started = [threading.Thread(target=self.group.run, args=(Ticket(),)) for _ in range(threads)]
        for one in started:
            one.start()
        return started

    def together(self, count: int) -> None:
        """One leads, and the others are the next batch."""
        self.go.clear()
        threads = self.run(threads=count + 1)
        while len(self.group._queue) < count:
            threading.Event().wait(0.001)
        self.go.set()
        for one in threads:
            one.join(10)


def test_who_waits_for_company_has_it_when_as_many_are_there_as_the_last_time() -> None:
    work = Work(patience_s=60.0)
    work.together(4)
    assert work.sizes == [1, 4]
    for one in work.run(threads=4):
        one.join(10)
    assert work.sizes == [1, 4, 4]


def test_who_waits_in_vain_goes_on_and_the_next_does_not_wait() -> None:
    work = Work(patience_s=0.05)
    work.together(4)
    began = time.monotonic()
    work.group.run(Ticket())
    waited = time.monotonic() - began
    work.group._patience_s = 60.0
    work.group.run(Ticket())
    assert work.sizes == [1, 4, 1, 1] and waited >= 0.05


def test_without_patience_nobody_waits() -> None:
    work = Work()
    work.together(4)
    work.group.run(Ticket())
    assert work.sizes == [1, 4, 1]


def test_many_threads_that_come_again_and_again_are_all_served() -> None:
    work, served = Work(patience_s=0.001), list[int]()

    def come() -> None:
        for _ in range(200):
            work.group.run(Ticket())
            served.append(1)

    threads = [threading.Thread(target=come) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert len(served) == 1600 == sum(work.sizes)
