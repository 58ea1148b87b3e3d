"""Who gives way to whom."""

import pytest

from pacsd.dimse.occupancy import Alone, Occupancy
from pacsd.dimse.pace import Pace


class Clock:
    """A clock that only moves when told, or slept on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.mark.parametrize(
    ("short", "ago", "worked", "pause"),
    [(True, 0.01, 0.01, 0.19), (True, 0.01, 0.5, 0.3), (True, 0.2, 0.5, None), (False, 0.01, 0.5, None),
     (True, 0.01, 0.001, None)],
)  # fmt: skip
def test_work_pauses_only_while_objects_arrive_and_processors_are_short(
    short: bool, ago: float, worked: float, pause: float | None
) -> None:
    clock, place = Clock(), Alone()
    pace = Pace(place, short=lambda: short, clock=clock, sleep=clock.sleep)
    began = pace.now()
    clock.now += worked
    place.received(clock.now - ago)
    resumed = pace.give_way(began)
    assert clock.slept == ([] if pause is None else [pytest.approx(pause)])
    assert resumed == (began if worked < 0.005 else clock.now)


def test_processes_hear_of_each_other_through_shared_memory() -> None:
    occupancy, clock = Occupancy(2), Clock()
    receiver, asker = Pace(occupancy.place(0), clock=clock), occupancy.place(1)
    assert asker.last_received() == 0.0
    receiver.received()
    assert asker.last_received() == 100.0
    assert asker.tell(3) == 3
