"""What a row of the benchmark is, and the arithmetic on what it gives."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pacsd.supervise.cluster import Cluster
from tests.bench.corpora import Corpora
from tests.bench.peers import Server, installed, running

Samples = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `targets` are (side, least factor by which ours must be better) or (None, greatest value), the least
    where higher is better.
    """

    name: str
    title: str
    unit: str
    measure: Callable[[Bench], Samples]
    higher_is_better: bool = False
    sides: tuple[str, ...] = ("pacsd", "orthanc")
    targets: tuple[tuple[str | None, float], ...] = ()


@dataclass(slots=True)
class Bench:
    """What every row needs: where to work, how often, how much."""

    folder: Path
    corpora: Corpora
    rounds: int
    quick: bool
    sides: tuple[str, ...]
    stack: ExitStack
    loaded: dict[str, Server] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def available(self, sides: Sequence[str]) -> list[str]:
        """Those sides that are wanted and installed."""
        return [side for side in sides if side in self.sides and installed(side)]

    @contextmanager
    def fresh(self, side: str) -> Iterator[Server]:
        """A server on an empty folder that is removed afterwards."""
        folder = Path(tempfile.mkdtemp(prefix=f"{side}-", dir=self.folder))
        try:
            with running(side, folder) as server:
                yield server
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def note(self, text: str) -> None:
        """Something a reader of the table must know."""
        if text not in self.notes:
            self.notes.append(text)


def alternate(
    bench: Bench, sides: Sequence[str], once: Callable[[str], float], *, only_once: Sequence[str] = (), least: int = 1
) -> Samples:
    """Measure the sides in turn, at `least` so often, the order turned about so that neither is always second."""
    samples: Samples = {side: [] for side in sides}
    for turn in range(max(bench.rounds, least)):
        for side in sides if turn % 2 == 0 else list(reversed(sides)):
            if not (turn and side in only_once):
                samples[side].append(once(side))
    return samples


def medians(samples: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each side that was measured."""
    return {side: statistics.median(values) for side, values in samples.items() if values}


def factors(row: Row, middle: Mapping[str, float]) -> dict[str, float]:
    """How many times better ours is than each other side; below one it is worse."""
    if not (ours := middle.get("pacsd")):
        return {}
    others = {side: value for side, value in middle.items() if side != "pacsd" and value}
    return {side: ours / value if row.higher_is_better else value / ours for side, value in others.items()}


def misses(row: Row, middle: Mapping[str, float]) -> list[str]:
    """The targets of the row that were measured and not reached, in words."""
    better, found = factors(row, middle), []
    for side, bound in row.targets:
        ours = middle.get("pacsd") if side is None else None
        if ours is not None and (ours < bound if row.higher_is_better else ours > bound):
            found.append(f"{ours:.3g} {row.unit} {'<' if row.higher_is_better else '>'} {bound:g}")
        if side is not None and side in better and better[side] < bound:
            found.append(f"{better[side]:.2f}x of {side} < {bound:g}x")
    return found
