from dataclasses import dataclass

from pacsd.archive.claimed import ClaimedSeries
from pacsd.faults import Fault, PacsdError


@dataclass
class _Content:
    series: int
    series_instance_uid: str = "1.2"


class _Work:
    def __init__(self) -> None:
        self.tried: list[int] = []
        self.released: list[int] = []
        self.claimed = ClaimedSeries(self._do, self.released.append, failed="not done")  # type: ignore[arg-type]

    def _do(self, content: _Content) -> bool:
        self.tried.append(content.series)
        if content.series == 1:
            raise PacsdError(Fault.FULL, "no room")
        if content.series == 2:
            raise ZeroDivisionError
        return content.series != 3


def test_what_fails_or_is_damaged_rests_and_holds_up_none_of_the_others() -> None:
    work = _Work()
    everything = [_Content(one) for one in (1, 2, 3, 4)]
    assert work.claimed.run(everything)  # type: ignore[arg-type]
    assert work.tried == [1, 2, 3, 4]
    assert work.released == [4]
    assert work.claimed.run(everything)  # type: ignore[arg-type]
    assert work.tried == [1, 2, 3, 4, 4]
    assert not work.claimed.run([])
