"""The files both sides are given, made once and kept for the next run."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.synthetic import (
    Study,
    ct_series,
    ct_slice,
    lean_slice,
    small_object,
    study,
    write_folder,
    write_multiframe,
)

CT_SEED, SMALL_SEED, SERIES_SEED, QUERY_SEED, LARGE_SEED, RICH_SEED = 11, 12, 13, 14, 15, 17
STUDIES_PER_DATE = 50
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Corpora:
    """Folders of synthetic objects; `quick` makes them a tenth of the size."""

    folder: Path
    quick: bool

    def scaled(self, count: int) -> int:
        """A count as this run uses it."""
        return max(1, count // 10) if self.quick else count

    def ct(self, part: int = 0) -> Path:
        """500 CT slices (262 MB) of one series; another series, patient and study for each `part`."""
        return self._made(
            f"ct-{part}", lambda: ct_series(study(CT_SEED, part, modality="CT"), count=self.scaled(500))
        )

    def warm(self) -> Path:
        """Three slices of a patient that no row looks at, for the first touch of a fresh server."""
        return self._made("warm", lambda: ct_series(study(CT_SEED, 999), count=3))

    def small(self) -> Path:
        """4,000 objects of 2.6 KB, a study of 20 to each patient."""
        count = self.scaled(4000)
        return self._made(
            "small",
            lambda: (
                small_object(study(SMALL_SEED, number // 20), instance=number % 20 + 1)
                for number in range(count)
            ),
        )

    def series_studies(self) -> list[Study]:
        """The studies of `series`, one series of 500 in each."""
        return [study(SERIES_SEED, number, modality="CT") for number in range(4)]

    def series(self, number: int) -> Path:
        """500 CT slices (262 MB) with short headers, of the study of that number."""
        of, count = self.series_studies()[number], self.scaled(500)
        return self._made(
            f"series-{number}", lambda: (lean_slice(of, instance=one) for one in range(1, count + 1))
        )

    def rich_studies(self) -> list[Study]:
        """The studies of `rich`, one series of 500 in each."""
        return [study(RICH_SEED, number, modality="CT") for number in range(4)]

    def rich(self, number: int) -> Path:
        """500 small images with the whole header of a scanner, private elements included."""
        of, count = self.rich_studies()[number], self.scaled(500)
        return self._made(f"rich-{number}", lambda: ct_series(of, count=count, rows=64, columns=64))

    def query_studies(self) -> list[Study]:
        """4,000 studies of as many patients, 50 on each date."""
        dates = [f"2024{month:02d}{day:02d}" for month, day in itertools.product(range(1, 13), range(1, 29))]
        return [
            study(QUERY_SEED, number, study_date=dates[number // STUDIES_PER_DATE], modality="CT")
            for number in range(self.scaled(4000))
        ]

    def queries(self) -> Path:
        """One small object of each of `query_studies`."""
        return self._made("queries", lambda: (small_object(one) for one in self.query_studies()))

    def large(self) -> tuple[Path, Study, int]:
        """One multi-frame object of 3 GB: its path, study and number of 2 MiB frames."""
        frames, of = (1536 if not self.quick else 150), study(LARGE_SEED)
        path = self.folder / f"large-{frames}" / "000001.dcm"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_multiframe(path.with_suffix(".part"), of, frames=frames)
            path.with_suffix(".part").rename(path)
        return path, of, frames

    def slices(self, seed: int, part: int, count: int) -> Path:
        """A further series for rows that need their own."""
        return self._made(f"slices-{seed}-{part}-{count}", lambda: ct_series(study(seed, part), count=count))

    def one(self) -> bytes:
        """A single slice in memory."""
        return ct_slice(study(CT_SEED, 998))

    def _made(self, name: str, objects: Callable[[], Iterable[bytes]]) -> Path:
        """The folder, its files on the disk and in memory: else who sends them first would wait for them."""
        path = self.folder / (f"quick-{name}" if self.quick else name)
        if not path.is_dir():
            part = path.with_name(f".{path.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            write_folder(part, objects())
            part.rename(path)
            os.sync()
        for file in path.rglob("*.dcm"):
            with open(file, "rb", buffering=0) as opened:
                while opened.read(_PIECE_BYTES):
                    pass
        return path
