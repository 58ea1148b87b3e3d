"""Group commit: of the threads that come at one moment, one works for all; alone, a thread works for itself."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar


class Ticket:
    """A place in the queue; subclasses carry the work and its answer."""

    __slots__ = ("_gate", "leads")

    def __init__(self) -> None:
        self.leads = False
        self._gate: threading.Lock | None = None

    def will_wait(self) -> None:
        """Close the gate; called before the ticket can be seen by others."""
        self._gate = threading.Lock()
        self._gate.acquire()

    def meanwhile(self) -> None:
        """What this ticket's own thread does while another leads."""

    def wait(self) -> None:
        """Return once `wake` was called: the work is done, or this thread is to lead."""
        if self._gate is not None:
            self._gate.acquire()

    def wake(self) -> None:
        """Open the gate."""
        if self._gate is not None:
            self._gate.release()


T = TypeVar("T", bound=Ticket)


class Group(Generic[T]):
    """Runs `work` on batches of tickets, one batch at a time, in the threads that bring them.

    A thread that finds nobody leading takes all that is queued, at most `limit`; then the first of those that
    came meanwhile leads. No thread of its own, and no hand-over where there is no contention. `work` must not
    raise: it leaves its answers on the tickets.

    Who is answered comes again, and the first of them would lead a batch of one. With `patience_s` it waits as long as
    that at most for as many as there were the last time: a batch of many costs little more than one.
    """

    def __init__(self, work: Callable[[Sequence[T]], None], *, limit: int, patience_s: float = 0.0) -> None:
        self._work = work
        self._limit = limit
        self._patience_s = patience_s
        self._usual = 1                          # how many there were in the last batch
        self._company: threading.Lock | None = None      # opened when as many are there for one who waits for them
        self._queue: deque[T] = deque()
        self._mutex = threading.Lock()
        self._led = False

    def run(self, ticket: T) -> None:
        """Have the ticket's work done, here or by another thread; on return it is."""
        with self._mutex:
            leads, self._led = not self._led, True
            alone = leads and not self._queue and not self._patience_s
            if not alone:
                self._queue.append(ticket)
            if not leads:
                ticket.will_wait()
                self._welcome()
        if alone:
            self._do([ticket], ticket)
            return
        if not leads:
            ticket.meanwhile()
            ticket.wait()
        if leads or ticket.leads:
            self._lead(ticket)

    def run_all(self, tickets: Sequence[T]) -> None:
        """The same for several tickets of one thread, which stay together as far as the limit allows."""
        with self._mutex:
            self._queue.extend(tickets)
            leads, self._led = not self._led, True
            for ticket in () if leads else tickets:
                ticket.will_wait()
            self._welcome()
        if leads:
            tickets[0].leads = True
        else:
            for ticket in tickets:
                ticket.meanwhile()
        for ticket in tickets:
            ticket.wait()
            if ticket.leads:
                self._lead(ticket)

    def _gather(self) -> None:
        """Return when the usual number is there, or it has taken too long."""
        with self._mutex:
            if len(self._queue) >= self._usual:
                return
            company = self._company = threading.Lock()
            company.acquire()
        company.acquire(timeout=self._patience_s)

    def _welcome(self) -> None:
        """Let who waits for company go on, where it is there now."""
        if self._company is not None and len(self._queue) >= self._usual:
            self._company.release()
            self._company = None

    def _lead(self, own: T) -> None:
        if self._patience_s:
            self._gather()
        with self._mutex:
            self._company = None
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._limit))]
            self._usual = len(batch)
        self._do(batch, own)

    def _do(self, batch: Sequence[T], own: T) -> None:
        try:
            self._work(batch)
        finally:
            self._pass_on()
            for ticket in batch:
                if ticket is not own:
                    ticket.wake()

    def _pass_on(self) -> None:
        with self._mutex:
            if not self._queue:
                self._led = False
                return
            following = self._queue[0]
            following.leads = True
        following.wake()
