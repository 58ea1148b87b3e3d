"""Waiting for what is about to come."""

from itertools import count

from pacsd.soon import soon


def test_what_comes_at_a_later_look_is_not_missed() -> None:
    looks = count(1)
    assert soon(lambda: next(looks) == 5, within_s=60.0)
    assert next(looks) == 6                          # nobody looks on when it is there


def test_what_does_not_come_is_not_waited_for() -> None:
    looks = count()
    assert not soon(lambda: next(looks) < 0, within_s=0.05)
    assert next(looks) > 1


def test_without_time_there_is_one_look() -> None:
    assert soon(lambda: True, within_s=0.0)
    assert not soon(lambda: False, within_s=0.0)
