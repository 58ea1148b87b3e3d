"""Calls in worker threads: bounded, in order, never left behind."""

import asyncio
import gc
import threading
import time
import weakref
from concurrent.futures import Future

import pytest

from pacsd.web.threads import After, Threads


def test_a_call_returns_and_raises_what_it_does() -> None:
    async def asked() -> None:
        threads = Threads()
        assert await threads.run(divmod, 7, 2) == (3, 1)
        assert await threads.commit(int, "11", base=2) == 3
        with pytest.raises(ZeroDivisionError):
            await threads.run(divmod, 7, 0)
        with pytest.raises(RuntimeError):    # a coroutine turns StopIteration into that
            await threads.run(next, iter(()))
    asyncio.run(asked())


def test_no_more_calls_run_at_once_than_there_are_threads() -> None:
    most, at_once, lock, enough = 3, [0, 0], threading.Lock(), threading.Barrier(3)

    def call() -> None:
        with lock:
            at_once[0] += 1
            at_once[1] = max(at_once)
        enough.wait(10)                      # passes only if three are there together
        with lock:
            at_once[0] -= 1

    async def asked() -> None:
        threads = Threads(reads=most)
        await asyncio.gather(*(threads.run(call) for _ in range(4 * most)))
    asyncio.run(asked())
    assert at_once == [0, most]


def test_reads_that_wait_leave_commits_alone() -> None:
    async def asked() -> None:
        threads, go_on = Threads(reads=1), threading.Event()
        waiting = asyncio.ensure_future(threads.run(go_on.wait, 10))
        behind = asyncio.ensure_future(threads.run(lambda: "behind"))
        assert await threads.commit(lambda: "beside") == "beside" and not behind.done()
        go_on.set()
        assert await waiting and await behind == "behind"
    asyncio.run(asked())


def test_a_result_that_counts_later_is_given_then_and_takes_no_thread_meanwhile() -> None:
    async def asked() -> None:
        threads, recorded = Threads(reads=1), Future[None]()
        waiting = asyncio.ensure_future(threads.run(lambda: After(recorded, "found")))
        assert await threads.run(lambda: "next") == "next" and not waiting.done()
        await threads.run(recorded.set_result, None)
        assert await waiting == "found"
        assert await threads.run(lambda: After(recorded, "at once")) == "at once"
        failed = Future[None]()
        failed.set_exception(OSError())
        assert await threads.run(lambda: After(failed, "whatever comes of it")) == "whatever comes of it"
    asyncio.run(asked())


def test_only_so_many_results_wait_without_a_thread() -> None:
    async def asked() -> None:
        threads, recorded = Threads(reads=1), Future[None]()
        waiting = [asyncio.ensure_future(threads.run(lambda n=n: After(recorded, n))) for n in range(5)]  # type: ignore[misc]
        another = asyncio.ensure_future(threads.run(divmod, 1, 1))
        while threads._reads._open > 1:                  # the fifth result's thread waits with it
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert not another.done() and not any(one.done() for one in waiting)
        recorded.set_result(None)
        assert await asyncio.gather(*waiting) == [0, 1, 2, 3, 4] and await another == (1, 0)
        assert await threads.run(lambda: After(recorded, "as before")) == "as before"
    asyncio.run(asked())


def test_what_a_result_had_to_come_after_keeps_nothing_of_it() -> None:
    class Found:
        pass

    async def asked() -> None:
        threads, recorded, kept = Threads(), Future[None](), list[weakref.ref[Found]]()

        def call() -> After[Found]:
            found = Found()
            kept.append(weakref.ref(found))
            return After(recorded, found)
        waiting = asyncio.ensure_future(threads.run(call))
        await threads.run(divmod, 1, 1)
        await threads.run(recorded.set_result, None)
        await waiting
        del waiting
        ends = time.monotonic() + 5                      # its thread may not have come to forget it yet
        while kept[0]() is not None and time.monotonic() < ends:
            gc.collect()
        assert kept[0]() is None and recorded.done()
    asyncio.run(asked())


def test_who_is_cancelled_waits_until_the_call_has_ended() -> None:
    async def asked() -> None:
        threads, begun, go_on, ended = Threads(), threading.Event(), threading.Event(), threading.Event()

        def call() -> None:
            begun.set()
            go_on.wait(10)
            ended.set()

        task = asyncio.ensure_future(threads.run(call))
        while not begun.is_set():
            await asyncio.sleep(0)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
            assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()
    asyncio.run(asked())


def test_threads_without_calls_end_and_others_come_after_them() -> None:
    async def asked() -> None:
        threads = Threads(idle_s=0.001)
        first = await threads.run(threading.current_thread)
        first.join(10)
        assert not first.is_alive()
        assert await threads.run(threading.current_thread) is not first
    asyncio.run(asked())


def test_one_set_of_threads_serves_one_loop_after_another() -> None:
    threads = Threads()
    assert [asyncio.run(threads.run(abs, -number)) for number in range(3)] == [0, 1, 2]
