"""Makers of waveform instances in the DICOM JSON Model, with known signals."""

from base64 import b64encode
from typing import Any

import numpy

from tests.codec.documents.reports import Attributes, coded, value

LEADS = {"I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8,
         "III": 61, "aVR": 62, "aVL": 63, "aVF": 64}  # fmt: skip
MILLIVOLT, MICROVOLT = coded("millivolt", "mV", "UCUM"), coded("microvolt", "uV", "UCUM")
TWELVE_LEAD, GENERAL_ECG, HEMODYNAMIC, VOICE = (
    f"1.2.840.10008.5.1.4.1.1.9.{one}" for one in ("1.1", "1.2", "2.1", "4.1")
)


def channel(name: str, unit: Attributes | None = MILLIVOLT, *, sensitivity: float = 0.001, **more: Any) -> Attributes:
    """A channel; `more` are attributes as t003A0213=…"""
    source = coded(f"Lead {name}", f"2:{LEADS[name]}", "MDC") if name in LEADS else coded(name)
    found = {"003A0208": value("SQ", source), "003A0210": value("DS", sensitivity)}
    if unit is not None:
        found["003A0211"] = value("SQ", unit)
    return found | {key[1:]: one for key, one in more.items()}


def group(
    samples: Any, channels: list[Attributes], *, frequency_hz: float, interpretation: str = "SS", inline: bool = False,
    **more: Any,
) -> Attributes:
    """A multiplex group of samples [sample, channel]."""
    raw = numpy.ascontiguousarray(samples).tobytes()
    data = {"vr": "OW", "InlineBinary": b64encode(raw).decode()} if inline else {"vr": "OW", "BulkDataURI": "http://x"}
    return {
        "003A0005": value("US", len(channels)),
        "003A0010": value("UL", len(samples)),
        "003A001A": value("DS", frequency_hz),
        "003A0200": value("SQ", *channels),
        "54001006": value("CS", interpretation),
        "54001010": data,
    } | {key[1:]: one for key, one in more.items()}


def instance(*groups: Attributes, **more: Any) -> Attributes:
    found = {"54000100": value("SQ", *groups), "00100010": value("PN", {"Alphabetic": "Doe^Jane"})}
    return found | {key[1:]: one for key, one in more.items()}


class Bulk:
    """What `read` of the renderers is given: whole values by path, and how much was asked for."""

    def __init__(self, *values: Any) -> None:
        self.values = {
            f"54000100/{place}/54001010": numpy.ascontiguousarray(one).tobytes() for place, one in enumerate(values, 1)
        }
        self.most_bytes = 0

    def __call__(self, path: str, offset_bytes: int, length_bytes: int) -> bytes:
        self.most_bytes = max(self.most_bytes, length_bytes)
        return self.values[path][offset_bytes : offset_bytes + length_bytes]


def square(frequency_hz: int, *, seconds: int = 10, height: int = 1000, channels: int = 1) -> Any:
    """From the second to the third second as high as `height`, zero elsewhere, on every channel."""
    samples = numpy.zeros((frequency_hz * seconds, channels), "<i2")
    samples[frequency_hz : 2 * frequency_hz] = height
    return samples
