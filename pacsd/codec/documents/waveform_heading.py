"""What stands above a waveform: who, when and where, and what the recorder made of it."""

from collections.abc import Iterator, Sequence

from pacsd.codec.documents.drawing import GREY, Part, Text
from pacsd.codec.documents.fonts import cut, width
from pacsd.codec.documents.json_model import Attributes, date, date_time, item, items, string, time
from pacsd.codec.documents.report_words import unit_symbol
from pacsd.codec.documents.structured_report import code
from pacsd.codec.documents.words import word
from pacsd.codec.text import has_han

_COLUMNS_MM = ((11.0, 88.0), (102.0, 88.0), (193.0, 93.0))        # left edge, width
_TOP_MM, _LEADING_MM, _SIZE_MM, _LINES = 11.0, 4.1, 3.0, 7
_ANNOTATIONS = "0040B020"
_AGE_UNITS = {"Y": "years", "M": "months", "W": "weeks", "D": "days"}


def language(attributes: Attributes) -> str:
    """Chinese where the recording comes with Chinese text."""
    texts = [string(attributes, tag) for tag in ("00080080", "00081030")] + statements(attributes)
    return "zh" if any(map(has_han, texts)) else ""


def heading(attributes: Attributes, kind: str) -> Iterator[Part]:
    """Three columns of lines: the patient, the recording, its interpretation; the patient's name comes first."""
    lang = language(attributes)
    name, number = string(attributes, "00100010"), string(attributes, "00100020")
    yield Text(_COLUMNS_MM[0][0], _TOP_MM, cut(name or number, 4.6, _COLUMNS_MM[0][1], bold=True), 4.6, bold=True)
    columns = (_patient(attributes, lang), _recording(attributes, kind, lang), statements(attributes))
    for place, ((x, room), lines) in enumerate(zip(_COLUMNS_MM, columns, strict=True)):
        first = 1 if place == 0 else 0
        for line, text in enumerate(_fitting(lines, _LINES - first), first):
            colour = GREY if text.startswith("…") else (0.0, 0.0, 0.0)
            yield Text(x, _TOP_MM + line * _LEADING_MM, cut(text, _SIZE_MM, room), _SIZE_MM, colour=colour)


def _patient(attributes: Attributes, lang: str) -> list[str]:
    sex = string(attributes, "00100040")
    pairs = (
        ("patient_id", string(attributes, "00100020")),
        ("birth_date", date(string(attributes, "00100030"))),
        ("age", age(string(attributes, "00101010"), lang)),
        ("sex", word(sex, lang)),
        ("accession_number", string(attributes, "00080050")),
    )
    return [f"{word(key, lang)}: {text}" for key, text in pairs if text]


def age(text: str, lang: str) -> str:
    """An AS value as people say it: 042Y is 42 y."""
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdigit() and unit in _AGE_UNITS):
        return text
    return f"{int(number)} {word(_AGE_UNITS[unit], lang)}"


def _recording(attributes: Attributes, kind: str, lang: str) -> list[str]:
    acquired = date_time(string(attributes, "0008002A"))
    studied = f"{date(string(attributes, '00080020'))} {time(string(attributes, '00080030'))}".strip()
    device = " ".join(filter(None, (string(attributes, "00080070"), string(attributes, "00081090"))))
    pairs = (
        ("recorded", acquired or studied),
        ("study", string(attributes, "00081030") or kind),
        ("institution", string(attributes, "00080080")),
        ("referring_physician", string(attributes, "00080090")),
        ("device", device),
    )
    return [f"{word(key, lang)}: {text}" for key, text in pairs if text]


def statements(attributes: Attributes) -> list[str]:
    """Annotations of the whole recording: statements and measurements (PS3.3 C.10.10).

    Those that belong to points in time stay with the data; drawn, they would hide the trace.
    """
    found = []
    for one in items(attributes, _ANNOTATIONS):
        if string(one, "0040A130"):
            continue
        text = string(one, "00700006").replace("\n", " ")
        concept, value = code(item(one, "0040A043")), code(item(one, "0040A168"))
        number = string(one, "0040A30A")
        if number:
            text = f"{number} {unit_symbol(code(item(one, '004008EA')))}".strip()
        line = ": ".join(filter(None, (str(concept or ""), text or str(value or ""))))
        if line:
            found.append(line)
    return list(dict.fromkeys(found))


def _fitting(lines: Sequence[str], count: int) -> list[str]:
    """The lines, two beside each other where they are short and many; what does not fit is counted."""
    if len(lines) > count:
        lines = _paired(lines, count)
    return [*lines[: count - 1], f"… {len(lines) - count + 1} more"] if len(lines) > count else list(lines)


def _paired(lines: Sequence[str], count: int) -> list[str]:
    found: list[str] = []
    excess = len(lines) - count
    for line in lines:
        room = _COLUMNS_MM[-1][1] - width(f"   {line}", _SIZE_MM)
        if excess > 0 and found and "   " not in found[-1] and width(found[-1], _SIZE_MM) < room:
            found[-1] += "   " + line
            excess -= 1
        else:
            found.append(line)
    return found
