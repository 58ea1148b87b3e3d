"""What is made of the directory, and made again when it has changed."""

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Followed(Mapping[K, V], Generic[K, V]):
    """A mapping that is as new as what it is made of. `moment` gives another object once that has changed."""

    def __init__(self, moment: Callable[[], object], make: Callable[[], Mapping[K, V]]) -> None:
        self._moment = moment
        self._make = make
        self._made: tuple[object, Mapping[K, V]] | None = None

    def now(self) -> Mapping[K, V]:
        """As it is at this moment, and stays."""
        moment, made = self._moment(), self._made
        if made is None or made[0] is not moment:
            made = self._made = (moment, self._make())
        return made[1]

    def __getitem__(self, key: K) -> V:
        return self.now()[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self.now())

    def __len__(self) -> int:
        return len(self.now())
