"""Waveforms: their multiplex groups and channels, and samples in physical units (PS3.3 C.10.9)."""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from pacsd.codec.documents.g711 import A_LAW, MU_LAW
from pacsd.codec.documents.json_model import Attributes, item, items, number, string
from pacsd.codec.documents.structured_report import Code, code
from pacsd.faults import Fault, PacsdError

MAX_CHANNELS = 1024                      # of one group
MAX_GROUPS = 256
MAX_VALUES = 32 << 20                    # read at once
WAVEFORM_SEQUENCE, WAVEFORM_DATA, PADDING = "54000100", "54001010", "5400100A"

Values = NDArray[numpy.float64]
ReadBytes = Callable[[str, int, int], bytes]         # path of a bulk value, offset, length

SAMPLES: dict[str, tuple[str, NDArray[numpy.int16] | None]] = {      # PS3.3 C.10.9.1.5: type and expansion
    "SB": ("i1", None),
    "UB": ("u1", None),
    "MB": ("u1", MU_LAW),
    "AB": ("u1", A_LAW),
    "SS": ("<i2", None),
    "US": ("<u2", None),
    "SL": ("<i4", None),
    "UL": ("<u4", None),
    "SV": ("<i8", None),
    "UV": ("<u8", None),
}


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: where it was taken, and how its samples become values in `unit` (PS3.3 C.10.9.1.4)."""

    source: Code | None
    label: str
    unit: Code | None
    sensitivity: float
    correction_factor: float
    baseline: float
    shift_s: float                       # of its first sample against the group's
    filter_low_hz: float | None
    filter_high_hz: float | None
    notch_hz: float | None

    @property
    def name(self) -> str:
        """What its source is called, else its label."""
        return str(self.source) if self.source else self.label

    def values(self, samples: NDArray[Any]) -> Values:
        """Physical values: sample × sensitivity × correction factor + baseline."""
        with numpy.errstate(over="ignore", invalid="ignore"):        # what a factor makes infinite is not drawn
            scaled: Values = samples.astype(numpy.float64) * (self.sensitivity * self.correction_factor) + self.baseline
        return scaled


@dataclass(frozen=True, slots=True)
class Group:
    """Channels that were sampled together."""

    path: str                            # of its data, as a Bulk Data URI names it
    label: str
    frequency_hz: float
    sample_count: int
    time_offset_s: float
    interpretation: str
    vr: str
    inline: bytes | None
    padding: int | None
    channels: tuple[Channel, ...]

    @property
    def duration_s(self) -> float:
        """From the first sample to the end of the last."""
        return self.sample_count / self.frequency_hz

    def read(self, first: int, count: int, read: ReadBytes) -> NDArray[Any]:
        """Samples of all channels as they are coded, expanded if companded: [sample, channel].

        `read` gives words in little endian. Raises PacsdError MALFORMED where there are fewer bytes
        than the counts promise, TOO_MUCH for more than MAX_VALUES.
        """
        kind, expansion = SAMPLES[self.interpretation]
        count = max(0, min(count, self.sample_count - first))
        if count * len(self.channels) > MAX_VALUES:
            raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_VALUES} samples in one stretch of the waveform")
        row = numpy.dtype(kind).itemsize * len(self.channels)
        start, length = first * row, count * row
        raw = self._bytes(start, length, read)
        if len(raw) < length:
            raise PacsdError(Fault.MALFORMED, "the waveform data is shorter than its counts say")
        samples = numpy.frombuffer(raw, kind, count * len(self.channels))
        if expansion is not None:
            samples = expansion[samples]
        return samples.reshape(count, len(self.channels))

    def _bytes(self, start: int, length: int, read: ReadBytes) -> bytes:
        if self.inline is not None:
            return self.inline[start : start + length]
        return read(self.path, start, length)

    def is_padding(self, samples: NDArray[Any]) -> NDArray[numpy.bool_]:
        """Where there is no sample (Waveform Padding Value)."""
        if self.padding is None:
            return numpy.zeros(samples.shape, numpy.bool_)
        return numpy.asarray(samples == self.padding, numpy.bool_)


def groups(attributes: Attributes) -> list[Group]:
    """The multiplex groups in their order.

    Raises PacsdError MALFORMED when a count, frequency or sample interpretation makes no sense, TOO_MUCH.
    """
    found = items(attributes, WAVEFORM_SEQUENCE)
    if not found:
        raise PacsdError(Fault.MALFORMED, "there is no waveform in the instance")
    if len(found) > MAX_GROUPS:
        raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_GROUPS} multiplex groups")
    return [_group(one, f"{WAVEFORM_SEQUENCE}/{place}/{WAVEFORM_DATA}") for place, one in enumerate(found, 1)]


def _group(attributes: Attributes, path: str) -> Group:
    channels = items(attributes, "003A0200")
    count, frequency = int(number(attributes, "003A0005")), number(attributes, "003A001A")
    interpretation = string(attributes, "54001006")
    _check(len(channels) == count, "the number of channels and their definitions differ")
    _check(count > 0, "a multiplex group without channels")
    if count > MAX_CHANNELS:
        raise PacsdError(Fault.TOO_MUCH, f"more than {MAX_CHANNELS} channels")
    sample_count = int(number(attributes, "003A0010"))
    _check(sample_count > 0, "a multiplex group without samples")
    _check(1e-6 <= frequency <= 1e9, "the sampling frequency is none")
    _check(interpretation in SAMPLES, f"the sample interpretation {interpretation[:16]!r} is not known")
    inline = _inline(attributes, WAVEFORM_DATA)
    return Group(
        path=path,
        label=string(attributes, "003A0020"),
        frequency_hz=frequency,
        sample_count=sample_count,
        time_offset_s=number(attributes, "00181068") / 1000,
        interpretation=interpretation,
        vr=str(attributes[WAVEFORM_DATA].get("vr", "OW")),
        inline=inline,
        padding=_padding(attributes, interpretation),
        channels=tuple(_channel(one, frequency) for one in channels),
    )


def _channel(attributes: Attributes, frequency_hz: float) -> Channel:
    """Without Channel Sensitivity the samples have no unit (PS3.3 Table C.10-9: required if they have one)."""
    skew = number(attributes, "003A0214") or number(attributes, "003A0215") / frequency_hz
    return Channel(
        source=code(item(attributes, "003A0208")),
        label=string(attributes, "003A0203"),
        unit=code(item(attributes, "003A0211")),
        sensitivity=number(attributes, "003A0210", 1.0),
        correction_factor=number(attributes, "003A0212", 1.0),
        baseline=number(attributes, "003A0213"),
        shift_s=skew + number(attributes, "003A0218"),
        filter_low_hz=_optional(attributes, "003A0220"),
        filter_high_hz=_optional(attributes, "003A0221"),
        notch_hz=_optional(attributes, "003A0222"),
    )


def _optional(attributes: Attributes, tag: str) -> float | None:
    value = number(attributes, tag, -1.0)
    return value if value > 0 else None


def _inline(attributes: Attributes, tag: str) -> bytes | None:
    """A short value that stands in the metadata itself, always little endian; None for one given by URI."""
    attribute = attributes.get(tag)
    if not isinstance(attribute, dict):
        raise PacsdError(Fault.MALFORMED, "a multiplex group without data")
    if "BulkDataURI" in attribute:
        return None
    try:
        return b64decode(str(attribute.get("InlineBinary") or ""), validate=True)
    except Base64Error as error:
        raise PacsdError(Fault.MALFORMED, "the waveform data cannot be read") from error


def _padding(attributes: Attributes, interpretation: str) -> int | None:
    if PADDING not in attributes:
        return None
    kind, expansion = SAMPLES[interpretation]
    raw = (_inline(attributes, PADDING) or b"")[: numpy.dtype(kind).itemsize]
    if len(raw) < numpy.dtype(kind).itemsize:
        return None
    value = int(numpy.frombuffer(raw, kind)[0])
    return value if expansion is None else int(expansion[value])


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise PacsdError(Fault.MALFORMED, message)
