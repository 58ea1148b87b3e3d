"""A progress bar on a terminal; without one, only the lines."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bar:
    """One bar, and lines above it."""

    def __init__(self, progress: Progress, word: str) -> None:
        self._progress = progress
        self._task = progress.add_task(word, total=None)
        self.done = 0

    def show(self, done: int, total: int | None) -> None:
        """So many are done."""
        self.done = done
        self._progress.update(self._task, completed=done, total=total)

    def line(self, text: str) -> None:
        """A line for the reader, kept whole."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(word: str) -> Iterator[Bar]:
    """A bar on standard error while the block runs; lines go there too."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        yield Bar(progress, word)
