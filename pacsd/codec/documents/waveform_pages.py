"""Waveforms on millimetre paper, as cardiologists read them: 25 mm/s and 10 mm/mV, twelve leads in 3 × 4 with rhythm.

Everything else is stacked: one strip a channel, as many rows as the recording needs. Other quantities than voltage
(pressures, respiration) and voltages of other than ECG classes get a scale of their own, which is written beside them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10

from pacsd.codec.documents.drawing import BLACK, GREY, Clip, Drawing, Grid, Page, Part, Point, Polyline, Text
from pacsd.codec.documents.json_model import Attributes
from pacsd.codec.documents.leads import RHYTHM, ROWS, lead, twelve_leads
from pacsd.codec.documents.recording import Drawn, Row, drawn, is_electrical
from pacsd.codec.documents.sop_classes import ECG, WAVEFORMS
from pacsd.codec.documents.waveform import Group, ReadBytes, groups
from pacsd.codec.documents.waveform_heading import heading, language

MAX_PAGES = 12
PAGE_MM = (297.0, 210.0)
GRID_X, GRID_Y, GRID_WIDTH, GRID_HEIGHT = 11.0, 40.0, 275.0, 155.0       # whole centimetre halves: 55 × 31 squares
TRACE_X, TRACE_WIDTH = GRID_X + 20.0, 250.0
ROW_PITCH = 37.5
STRIPS, STRIP_MM = 6, 25.0
GAINS_MM_PER_MV = (10.0, 5.0, 2.5, 1.25)
_SPEEDS_MM_PER_S = {"Routine Scalp EEG": 30.0, "Sleep EEG": 15.0, "Respiratory": 5.0, "Multi-channel Respiratory": 5.0,
                    "Body Position": 1.0}  # fmt: skip
_LINE_MM = 0.28


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page before its heading is put on: what is on the paper, and what stands below it."""

    parts: Sequence[Part]
    legend: str


def pages(attributes: Attributes, read: ReadBytes, *, sop_class_uid: str) -> Drawing:
    """The instance as at most MAX_PAGES landscape A4 pages; a note tells what is left out.

    `read` gives bytes of a bulk value, words in little endian. Raises PacsdError MALFORMED
    when counts and data contradict each other, TOO_MUCH.
    """
    paper = Paper(sop_class_uid in ECG, _SPEEDS_MM_PER_S.get(WAVEFORMS.get(sop_class_uid, ""), 25.0))
    sheets: list[Sheet] = []
    left_out = ""
    for group in groups(attributes):
        room = MAX_PAGES - len(sheets)
        if room <= 0:
            left_out = f"{MAX_PAGES} pages are shown; there is more in the instance"
            break
        made, missing = paper.sheets(group, read, max_sheets=room)
        sheets += made
        left_out = left_out or missing
    top = list(heading(attributes, WAVEFORMS.get(sop_class_uid, "")))
    title = next((part.text for part in top if isinstance(part, Text)), "")
    finished = [
        Page(*PAGE_MM, [*top, *sheet.parts, *_foot(sheet.legend, left_out, number, len(sheets))])
        for number, sheet in enumerate(sheets, 1)
    ]
    return Drawing(title, finished, language(attributes))


def _foot(legend: str, left_out: str, number: int, count: int) -> Iterator[Part]:
    y = GRID_Y + GRID_HEIGHT + 5.0
    yield Text(GRID_X, y, legend, 2.8, colour=GREY)
    yield Text(GRID_X + GRID_WIDTH, y, f"{number} / {count}", 2.8, colour=GREY, anchor="end")
    if left_out:
        yield Text(GRID_X, y + 4.2, left_out, 2.8, bold=True)


@dataclass(frozen=True, slots=True)
class Paper:
    """How a SOP class is drawn."""

    is_ecg: bool
    mm_per_s: float

    @property
    def row_s(self) -> float:
        """Seconds across the paper."""
        return TRACE_WIDTH / self.mm_per_s

    def sheets(
        self, group: Group, read: ReadBytes, *, max_sheets: int
    ) -> tuple[list[Sheet], str]:
        """The pages of one group, and what of it they do not show."""
        twelve = twelve_leads(group.channels) if self.is_ecg else {}
        per_sheet = 1.0 if twelve else STRIPS / len(group.channels)
        max_rows = max(1, int(max_sheets * per_sheet))
        channels = drawn(
            group, read, row_s=self.row_s, max_rows=max_rows, mm_per_s=self.mm_per_s
        )
        gain = _gain(channels) if self.is_ecg else None
        shown_s = max_rows * self.row_s
        left_out = f"shown: the first {shown_s:g} s of {group.duration_s:g} s" if shown_s < group.duration_s else ""
        legend = self._legend(group, channels, gain)
        if twelve and gain is not None:
            rows = range(len(channels[0].rows))
            leads = {name: channels[place] for name, place in twelve.items()}
            return [Sheet(self._twelve(group, leads, row, gain), legend) for row in rows], left_out
        shown = max_sheets * STRIPS
        if len(channels) > shown:
            left_out = f"shown: {shown} of {len(channels)} channels"
        return [Sheet(parts, legend) for parts in self._stacked(channels[:shown], gain)], left_out

    def _legend(self, group: Group, channels: Sequence[Drawn], gain: float | None) -> str:
        first = group.channels[0]
        band = (f"{one:g}" if one else "" for one in (first.filter_low_hz, first.filter_high_hz))
        filters = "–".join(band)
        electrical = any(map(is_electrical, group.channels))
        pieces = (
            f"{self.mm_per_s:g} mm/s",
            f"{gain:g} mm/mV" if gain and electrical else "",
            f"{filters} Hz" if filters != "–" else "",
            f"notch {first.notch_hz:g} Hz" if first.notch_hz else "",
            f"{group.frequency_hz:g} samples/s",
            f"from {group.time_offset_s:g} s" if group.time_offset_s else "",
            group.label,
        )
        return "  ·  ".join(filter(None, pieces))

    def _twelve(self, group: Group, leads: dict[str, Drawn], row: int, gain: float) -> list[Part]:
        """Three rows of four leads, and a rhythm strip; a recording too short for four columns shows its start in each.

        Columns follow each other in time, as on a recorder's paper, if there is enough of it.
        """
        parts: list[Part] = [Grid(GRID_X, GRID_Y, GRID_WIDTH, GRID_HEIGHT)]
        column_s = self.row_s / len(ROWS[0])
        in_turn = group.duration_s >= self.row_s
        for line, names in enumerate(ROWS):
            base = GRID_Y + 20.0 + line * ROW_PITCH
            parts.append(self._calibration(base, gain))
            for column, name in enumerate(names):
                x = TRACE_X + column * column_s * self.mm_per_s
                start = column * column_s if in_turn else 0.0
                parts += self._lead(leads[name], name, row, x, base, gain, start, column_s)
        if group.duration_s > column_s:
            base = GRID_Y + 20.0 + len(ROWS) * ROW_PITCH
            parts.append(self._calibration(base, gain))
            parts += self._lead(leads[RHYTHM], RHYTHM, row, TRACE_X, base, gain, 0.0, self.row_s)
        return parts

    def _lead(
        self, one: Drawn, name: str, row: int, x: float, base: float, gain: float, start_s: float, length_s: float
    ) -> list[Part]:
        """`length_s` seconds of a lead from `start_s` of a row, and its name."""
        lines = self._lines(one, one.rows[row], x, base, gain, start_s)
        clip = Clip(x, GRID_Y, length_s * self.mm_per_s, GRID_HEIGHT, lines)
        mark = Polyline([(x, base - 2.0), (x, base + 2.0)], 0.2, GREY)
        return [clip, mark, Text(x + 1.0, base - 12.5, name, 3.6, bold=True)]

    def _lines(
        self, one: Drawn, row: Row, x: float, base: float, mm_per_unit: float, start_s: float = 0.0
    ) -> list[Polyline]:
        middle = _middle(one, mm_per_unit) if self.is_ecg and one.unit == "mV" else _centre(one)
        shift = one.channel.shift_s - start_s
        return [
            Polyline(
                [
                    (_near(x + (second + shift) * self.mm_per_s), _near(base - (value - middle) * mm_per_unit))
                    for second, value in zip(piece.seconds.tolist(), piece.values.tolist(), strict=True)
                ],
                _LINE_MM,
            )
            for piece in row.pieces
        ]

    def _calibration(self, base: float, gain: float) -> Polyline:
        """The pulse of one millivolt and a fifth of a second."""
        left, foot = GRID_X + 7.5, 1.25
        right = left + foot + 0.2 * self.mm_per_s
        up, down = (left + foot, base - gain), (right, base)
        points: list[Point] = [(left, base), (left + foot, base), up, (right, base - gain), down, (right + foot, base)]
        return Polyline(points, _LINE_MM)

    def _stacked(self, channels: Sequence[Drawn], gain: float | None) -> list[list[Part]]:
        """Strips below each other, channel by channel and row by row."""
        strips = [(one, row) for row in range(len(channels[0].rows)) for one in channels]
        found = []
        for at in range(0, len(strips), STRIPS):
            parts: list[Part] = [Grid(GRID_X, GRID_Y, GRID_WIDTH, GRID_HEIGHT)]
            for place, (one, row) in enumerate(strips[at : at + STRIPS]):
                parts += self._strip(one, one.rows[row], GRID_Y + 2.5 + (place + 0.5) * STRIP_MM, gain)
            found.append(parts)
        return found

    def _strip(self, one: Drawn, row: Row, base: float, gain: float | None) -> Iterator[Part]:
        fixed = gain if gain is not None and one.unit == "mV" else None
        scale = fixed or _nice_scale(one)
        lines = self._lines(one, row, TRACE_X, base, scale)
        yield Clip(TRACE_X, GRID_Y, TRACE_WIDTH + 5.0, GRID_HEIGHT, lines)
        unit = f"({one.unit})" if one.unit and not fixed else ""
        name = " ".join(filter(None, (lead(one.channel) or one.channel.name, unit, f" {row.start_s:g} s")))
        yield Text(TRACE_X + 1.0, base - 10.0, name, 3.0, bold=True)
        if fixed:
            yield self._calibration(base, scale)
        else:
            yield from _axis(one, base, scale)


def _near(mm: float) -> float:
    """A coordinate not further off the page than lines need to leave it."""
    return max(-1000.0, min(mm, 2000.0))


def _axis(one: Drawn, base: float, mm_per_unit: float) -> Iterator[Part]:
    """The value at the middle of a strip and ten millimetres above and below it."""
    x = TRACE_X - 2.0
    yield Polyline([(x, base - 10.0), (x, base + 10.0)], 0.2, BLACK)
    for mm in (-10.0, 0.0, 10.0):
        value = _centre(one) + mm / mm_per_unit
        yield Polyline([(x - 1.0, base - mm), (x, base - mm)], 0.2, BLACK)
        yield Text(x - 1.5, base - mm + 0.9, f"{value:.4g}", 2.6, anchor="end")


def _gain(channels: Sequence[Drawn]) -> float:
    """10 mm/mV, or as much less as the largest deflection needs to keep off its neighbours."""
    span = max((high - low for low, high in (one.extent() for one in channels if one.unit == "mV")), default=0.0)
    return next((gain for gain in GAINS_MM_PER_MV if span * gain <= 2 * ROW_PITCH), GAINS_MM_PER_MV[-1])


def _middle(one: Drawn, gain: float) -> float:
    """Zero, unless the trace lies so far from it that it would leave its row: then its own middle."""
    middle = one.median()
    return middle if abs(middle) * gain > ROW_PITCH / 4 else 0.0


def _nice_scale(one: Drawn) -> float:
    """Millimetres a unit: 10 mm are 1, 2 or 5 times a power of ten, the smallest that fit the strip."""
    low, high = one.extent()
    wanted = min(max((high - low) / (STRIP_MM - 3.0), 1e-12), 1e30) * 10.0
    power = 10.0 ** floor(log10(wanted))
    return 10.0 / next(power * step for step in (1.0, 2.0, 5.0, 10.0, 100.0) if power * step >= wanted * (1 - 1e-9))


def _centre(one: Drawn) -> float:
    """The value in the middle of a strip: half-way between the extremes, to a round number of the scale."""
    low, high = one.extent()
    step = 1.0 / _nice_scale(one)
    middle = low / 2 + high / 2
    return round(middle / step) * step if abs(middle) < step * 1e15 else middle
