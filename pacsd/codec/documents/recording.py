"""A stretch of a recording made ready for paper: channels in the units they are drawn in, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from pacsd.codec.documents.report_words import unit_symbol
from pacsd.codec.documents.trace import Stretch, stretches
from pacsd.codec.documents.waveform import Channel, Group, ReadBytes

_TO_MILLIVOLT = {"nV": 1e-6, "uV": 1e-3, "mV": 1.0, "V": 1e3}


@dataclass(frozen=True, slots=True)
class Row:
    """Some seconds of one channel."""

    start_s: float
    pieces: Sequence[Stretch]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One channel as it is drawn; electrical ones in millivolt."""

    channel: Channel
    unit: str
    rows: Sequence[Row]

    def extent(self) -> tuple[float, float]:
        """The lowest and highest value drawn; zeros where nothing is."""
        lows = [piece.values.min() for row in self.rows for piece in row.pieces]
        highs = [piece.values.max() for row in self.rows for piece in row.pieces]
        return (float(min(lows)), float(max(highs))) if lows else (0.0, 0.0)

    def median(self) -> float:
        """The middle one of the values drawn."""
        values = [piece.values for row in self.rows for piece in row.pieces]
        if not values:
            return 0.0
        together = numpy.concatenate(values)
        return float(numpy.partition(together, len(together) // 2)[len(together) // 2])


def is_electrical(channel: Channel) -> bool:
    """Whether its unit is a voltage."""
    return channel.unit is not None and channel.unit.value in _TO_MILLIVOLT


def drawn(
    group: Group, read: ReadBytes, *, row_s: float, max_rows: int, mm_per_s: float
) -> list[Drawn]:
    """Every channel of a group, as many rows as there are and `max_rows` allows; memory holds one row of samples.

    Raises PacsdError as `Group.read` does.
    """
    per_row = max(1, round(row_s * group.frequency_hz))
    count = min(max_rows, -(-group.sample_count // per_row))
    rows: list[list[Row]] = [[] for _ in group.channels]
    for number in range(count):
        samples = group.read(number * per_row, per_row + 1, read)
        missing = group.is_padding(samples)
        for place, channel in enumerate(group.channels):
            with numpy.errstate(over="ignore", invalid="ignore"):
                values = channel.values(samples[:, place]) * _factor(channel)
            pieces = stretches(values, missing[:, place], frequency_hz=group.frequency_hz, mm_per_s=mm_per_s)
            rows[place].append(Row(number * per_row / group.frequency_hz, pieces))
    return [
        Drawn(channel, "mV" if is_electrical(channel) else unit_symbol(channel.unit), one)
        for channel, one in zip(group.channels, rows, strict=True)
    ]


def _factor(channel: Channel) -> float:
    return _TO_MILLIVOLT[channel.unit.value] if channel.unit and is_electrical(channel) else 1.0
