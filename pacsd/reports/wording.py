"""A report's observations as lines that people read, where a format has no place for more."""

import re

from pacsd.reports.report import Code, Observation

TEXTS = frozenset(("TX", "FT", "ST"))
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


def clean(text: str) -> str:
    """Without control characters but tab and line feed."""
    return _NO_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def worded(one: Observation) -> str:
    """An observation in words: what it is about, its value, units, reference range and flags."""
    text = clean(one.text)
    if one.document is not None:
        text = one.document.title or one.document.media_type
    if one.kind in TEXTS:
        label = f"{one.label}:\n" if one.label and "\n" in text else f"{one.label}: " if one.label else ""
        return f"{label}{text}{_flags(one)}" if text.strip() else ""
    label = one.label or one.code.meaning
    parts = (f"{label}:" if label else "", text, _coded(one.value), _units(one.units), _range(one))
    return " ".join(filter(None, parts)) + _flags(one) if text or one.value else ""


def _coded(value: Code | None) -> str:
    return f"({', '.join(filter(None, (value.value, value.scheme)))})" if value and value.meaning else ""


def _units(units: Code | None) -> str:
    return units.value or units.meaning if units else ""


def _range(one: Observation) -> str:
    return f"[{one.reference_range}]" if one.reference_range else ""


def _flags(one: Observation) -> str:
    told = [flag for flag in one.flags if flag != "N"]
    return f" <{', '.join(told)}>" if told else ""
