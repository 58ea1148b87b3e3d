"""The twelve standard leads, by their codes or by what they are called (PS3.16 CID 3001)."""

import re

from pacsd.codec.documents.waveform import Channel

# PS3.16 CID 3001 and SCP-ECG 5.6.3 number the leads alike
_NUMBERS = {"1": "I", "2": "II", "61": "III", "62": "aVR", "63": "aVL", "64": "aVF"}
_NUMBERS |= {str(number): f"V{number - 2}" for number in range(3, 9)}
_PREFIXES = {"MDC": "2:", "SCPECG": "5.6.3-9-"}
_NAME = re.compile(r"(?<![\w+-])(aV[RLF]|V[1-6]|I{1,3})(?![\w+-])", re.IGNORECASE)

# How they stand on paper: columns of three, then a rhythm strip of lead II
ROWS: tuple[tuple[str, ...], ...] = (
    ("I", "aVR", "V1", "V4"),
    ("II", "aVL", "V2", "V5"),
    ("III", "aVF", "V3", "V6"),
)
RHYTHM = "II"
TWELVE = frozenset(lead for row in ROWS for lead in row)
_SPELLING = {lead.upper(): lead for lead in TWELVE}


def lead(channel: Channel) -> str:
    """Which of the twelve leads a channel is, or ""."""
    if channel.source is not None:
        prefix = _PREFIXES.get(channel.source.scheme, "\0")
        if channel.source.value.startswith(prefix):
            return _NUMBERS.get(channel.source.value.removeprefix(prefix), "")
    names = set(map(str.upper, _NAME.findall(f"{channel.source.meaning if channel.source else ''} {channel.label}")))
    return _SPELLING[names.pop()] if len(names) == 1 else ""


def twelve_leads(channels: tuple[Channel, ...]) -> dict[str, int]:
    """Where the twelve leads are among the channels; empty unless all are there, each once."""
    found: dict[str, int] = {}
    for place, channel in enumerate(channels):
        name = lead(channel)
        if name in found:
            return {}
        if name:
            found[name] = place
    return found if found.keys() == TWELVE else {}
