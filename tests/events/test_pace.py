"""Projecting gives way to messages that pour in, and to nothing else."""

from collections.abc import Callable

import pytest

from pacsd.events.pace import LONGEST_S, MOST_LATE_S, POURING, SHARE, UNHURRIED_S, Pace


class Feed:
    """A clock, and messages that come by it."""

    def __init__(self, *, rate: float) -> None:
        self.rate, self.now, self.asked = rate, 0.0, 0
        self.so_far, self.counted_at = 0.0, 0.0

    def came(self) -> int:
        self.asked += 1
        self.so_far += self.rate * (self.now - self.counted_at)
        self.counted_at = self.now
        return int(self.so_far)

    def ticks(self) -> float:
        return self.now

    def share(self, pace: Pace, *, seconds: float, late_s: Callable[[float], float] = lambda _: 0.0) -> float:
        """How much of the time batches of 50 ms took, looked for as a worker does."""
        worked, until = 0.0, self.now + seconds
        while self.now < until:
            if pace.rests():
                self.now += 0.2
                continue
            began = self.now
            self.now += 0.05
            worked += 0.05
            pace.worked(began, late_s=late_s(self.now))
        return worked / seconds


def test_while_messages_pour_in_little_is_projected() -> None:
    feed = Feed(rate=10 * POURING)
    assert feed.share(Pace(feed.came, ticks=feed.ticks), seconds=20) <= 1.2 * SHARE


@pytest.mark.parametrize("rate", [0.0, POURING / 2])
def test_a_few_messages_hold_up_nothing(rate: float) -> None:
    feed = Feed(rate=rate)
    assert feed.share(Pace(feed.came, ticks=feed.ticks), seconds=20) > 0.95


def test_what_was_left_follows_at_once_when_it_is_over() -> None:
    feed = Feed(rate=10 * POURING)
    pace = Pace(feed.came, ticks=feed.ticks)
    feed.share(pace, seconds=20)
    feed.now, feed.rate = feed.now + 0.2, 0.0
    assert feed.share(pace, seconds=20) > 0.95


def test_nobody_is_kept_waiting_for_longer_than_was_said() -> None:
    feed = Feed(rate=10 * POURING)
    pace = Pace(feed.came, ticks=feed.ticks)
    assert feed.share(pace, seconds=20, late_s=lambda _: MOST_LATE_S + 1) > 0.95
    assert feed.share(pace, seconds=20, late_s=lambda _: 1.0) <= 1.2 * SHARE


def test_messages_are_not_counted_while_there_is_no_need_to_rest() -> None:
    feed = Feed(rate=0.0)
    pace = Pace(feed.came, ticks=feed.ticks)
    assert not any(pace.rests() for _ in range(100))
    assert feed.asked == 0


def test_little_at_a_time_will_do_until_it_is_known_that_nothing_pours_in() -> None:
    feed = Feed(rate=10 * POURING)
    pace = Pace(feed.came, ticks=feed.ticks)
    assert pace.gives_way                                # nobody has looked yet
    feed.share(pace, seconds=5)
    assert pace.gives_way
    feed.rate = 0.0
    feed.share(pace, seconds=0.5)
    assert not pace.gives_way
    feed.now += 60.0
    assert pace.gives_way                                # that was a minute ago
    feed.share(pace, seconds=5, late_s=lambda _: MOST_LATE_S + 1)
    assert not pace.gives_way
    assert not Pace(feed.came, share=1.0, ticks=feed.ticks).gives_way


def test_a_pour_that_begins_after_a_long_silence_is_given_way_to_from_its_first_moment() -> None:
    feed = Feed(rate=0.0)
    pace = Pace(feed.came, ticks=feed.ticks)
    feed.share(pace, seconds=5)
    feed.now, feed.rate = feed.now + 3600.0, 10 * POURING
    began = feed.now
    feed.now += 0.05
    pace.worked(began)                                   # an hour's mean would be next to nothing
    assert pace.rests() and pace.gives_way
    feed.now += 0.2
    assert pace.rests() and pace.gives_way


@pytest.mark.parametrize("longest_s", [LONGEST_S, UNHURRIED_S])
def test_a_long_batch_is_followed_by_no_longer_rest_than_may_be(longest_s: float) -> None:
    feed = Feed(rate=10 * POURING)
    pace = Pace(feed.came, longest_s=longest_s, ticks=feed.ticks)
    began, feed.now = feed.now, feed.now + 10.0
    pace.worked(began)
    feed.now += 0.9 * longest_s
    assert pace.rests()
    feed.now += 0.2 * longest_s
    assert not pace.rests()
