"""Counters of all processes in the Prometheus text format (exposition format 0.0.4).

Each process counts in a mapped file of its own; whoever is asked adds the files up. A line that says what a
metric is stands in the file like a sample, so that reader and writer share no table.
"""

import contextlib
import mmap
import os
import struct
import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

FILE_BYTES = 1 << 20
ALIGNMENT_BYTES = 8
VALUE = struct.Struct("<d")
LENGTH = struct.Struct("<I")
DURATION_BUCKETS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)
KEPT = "ended"  # the file into which counters of ended processes are added


class Sample:
    """One number in the process's file."""

    def __init__(self, view: mmap.mmap, offset: int) -> None:
        self._view = view
        self._offset = offset
        self._lock = threading.Lock()

    def add(self, amount: float = 1.0) -> None:
        """Count."""
        with self._lock:
            (value,) = VALUE.unpack_from(self._view, self._offset)
            VALUE.pack_into(self._view, self._offset, value + amount)

    def set(self, value: float) -> None:
        """Replace, for gauges."""
        VALUE.pack_into(self._view, self._offset, value)


class Histogram:
    """Observations sorted into buckets; each bucket counts what is at most its bound."""

    def __init__(self, buckets: Sequence[tuple[float, Sample]], total: Sample, count: Sample) -> None:
        self._buckets = buckets
        self._total = total
        self._count = count

    def observe(self, value: float) -> None:
        """Count one observation, such as a duration in seconds."""
        self.observe_all((value,))

    def observe_all(self, values: Sequence[float]) -> None:
        """Count several at the cost of little more than one."""
        ordered = sorted(values)
        for bound, bucket in self._buckets:
            if below := bisect_right(ordered, bound):
                bucket.add(below)
        self._total.add(sum(values))
        self._count.add(len(values))


class Metrics:
    """This process's samples. The same name and labels give the same sample."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.ftruncate(descriptor, FILE_BYTES)  # sparse: only what is used takes memory
        self._view = mmap.mmap(descriptor, FILE_BYTES)
        os.close(descriptor)
        self._samples: dict[str, Sample] = {}
        self._end = 0
        self._lock = threading.Lock()

    def counter(self, name: str, help_text: str, **labels: str) -> Sample:
        """A number that only grows; its name ends in _total."""
        self._declare(name, "counter", help_text)
        return self._sample(name + _labels(labels))

    def gauge(self, name: str, help_text: str, **labels: str) -> Sample:
        """A number that comes and goes; processes add up, ended ones no longer count."""
        self._declare(name, "gauge", help_text)
        return self._sample(name + _labels(labels))

    def histogram(
        self, name: str, help_text: str, *, buckets: Sequence[float] = DURATION_BUCKETS_S, **labels: str
    ) -> Histogram:
        """A distribution; its name ends in its unit, such as _seconds."""
        self._declare(name, "histogram", help_text)
        bounds = [(bound, f"{bound:g}") for bound in buckets] + [(float("inf"), "+Inf")]
        cells = [(bound, self._sample(f"{name}_bucket{_labels(labels | {'le': le})}")) for bound, le in bounds]
        total, count = (self._sample(f"{name}_{part}{_labels(labels)}") for part in ("sum", "count"))
        return Histogram(cells, total, count)

    def _declare(self, name: str, kind: str, help_text: str) -> None:
        self._sample(f"# HELP {name} {help_text}\n# TYPE {name} {kind}")

    def _sample(self, key: str) -> Sample:
        with self._lock:
            if key not in self._samples:
                self._samples[key] = Sample(self._view, self._append(key))
            return self._samples[key]

    def _append(self, key: str) -> int:
        """Length, value, key: a reader sees the entry once its length is there. The value's place."""
        encoded = key.encode()
        at, size = self._end, ALIGNMENT_BYTES + VALUE.size + len(encoded)
        size += -size % ALIGNMENT_BYTES
        if at + size + LENGTH.size > FILE_BYTES:
            raise ValueError(f"too many metrics: no room for {key}")
        start = at + ALIGNMENT_BYTES + VALUE.size
        self._view[start : start + len(encoded)] = encoded
        LENGTH.pack_into(self._view, at, len(encoded))
        self._end = at + size
        return at + ALIGNMENT_BYTES


def render(folder: Path) -> str:
    """Everything the processes with files in `folder` have counted, as text for `GET /metrics`."""
    values: dict[str, float] = defaultdict(float)
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        for key, value in _read(file):
            values[key] += value
    declared = {key.split(" ", 3)[2]: key for key in values if key.startswith("#")}
    lines: list[str] = []
    for name, declaration in sorted(declared.items()):
        lines.append(declaration)
        members = [key for key in values if not key.startswith("#") and _metric(key, declared) == name]
        lines += [f"{key} {values[key]:.17g}" for key in members]
    return "\n".join(lines) + "\n"


def forget(file: Path) -> None:
    """An ended process: its counters are added to those of the ended, its gauges are gone."""
    kept = file.parent / KEPT
    old = dict(_read(kept)) if kept.exists() else {}
    entries = dict(_read(file))
    declared = {key.split(" ", 3)[2]: key for key in entries if key.startswith("#")}
    for key, value in entries.items():
        kind = declared.get(_metric(key, declared) or "", "# TYPE  gauge")
        if key.startswith("#") or not kind.endswith(" gauge"):
            old[key] = old.get(key, 0.0) + value
    _replace(kept, old)
    file.unlink(missing_ok=True)


def _replace(file: Path, entries: Mapping[str, float]) -> None:
    draft = file.with_name(f".{file.name}")
    metrics = Metrics(draft)
    for key, value in entries.items():
        metrics._sample(key).set(value)
    draft.replace(file)


def _read(file: Path) -> Iterator[tuple[str, float]]:
    data = b""
    with contextlib.suppress(FileNotFoundError):  # ended while we looked
        data = file.read_bytes() if not file.name.startswith(".") else b""
    at = 0
    while at + LENGTH.size <= len(data) and (length := LENGTH.unpack_from(data, at)[0]):
        start = at + ALIGNMENT_BYTES + VALUE.size
        yield data[start : start + length].decode(), VALUE.unpack_from(data, at + ALIGNMENT_BYTES)[0]
        at = start + length
        at += -at % ALIGNMENT_BYTES


def _metric(key: str, declared: Mapping[str, str]) -> str | None:
    """The declared name that a sample belongs to."""
    name = key.partition("{")[0]
    if name in declared:
        return name
    stem = name.rpartition("_")[0]  # _bucket, _sum, _count
    return stem if stem in declared else None


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
