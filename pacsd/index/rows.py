"""Rows of study and series as they follow from attributes: key columns, ready answers, and the originals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pacsd.codec.keys import KEYS, keys_of
from pacsd.index.keys import COLUMNS, Column, Kind, Table
from pacsd.index.names import GROUPS, name_columns
from pacsd.index.patterns import datetime_key
from pacsd.index.values import Attribute, Attributes, date_of, number_of, text_at, texts_at, time_of

# Members are joined by this; JSON text never holds a raw tab, so answers can be split and merged by tag,
# and no line break, so that a sidecar can keep one instance's answer as a line.
SEPARATOR = ",\t"

PATIENT_ID, ISSUER_OF_PATIENT_ID = "00100020", "00100021"

_LEVELS = {"study": ("patient", "study"), "series": ("series",)}
_DEFAULT = {
    table: frozenset(key.hex for key in KEYS if key.default and key.level in levels)
    for table, levels in _LEVELS.items()
}
_REQUIRED = {
    table: tuple(key for key in KEYS if key.required and key.default and key.level in levels)
    for table, levels in _LEVELS.items()
}
PATIENT_TAGS = frozenset(key.hex for key in keys_of("patient"))


def column_names(table: Table) -> tuple[str, ...]:
    """The key columns that follow from attributes, in the order of `column_values`."""
    return names_of(_of(table))


def column_values(table: Table, attributes: Attributes) -> list[Any]:
    """Their values; None where an attribute is absent or does not parse."""
    return values_of(_of(table), attributes)


def column_types(table: Table) -> tuple[str, ...]:
    """Their types in PostgreSQL."""
    return tuple(_TYPES.get(column.kind, "text") for column in _of(table) for _ in _names(column))


def names_of(columns: Iterable[Column]) -> tuple[str, ...]:
    """The names of these key columns, four for a person's name."""
    return tuple(name for column in columns for name in _names(column))


def values_of(columns: Iterable[Column], attributes: Attributes) -> list[Any]:
    """Their values, in the order of `names_of`."""
    return [value for column in columns for value in _values(column, attributes)]


def _of(table: Table) -> tuple[Column, ...]:
    return tuple(c for c in COLUMNS if c.table == table and c.path not in _BY_OTHERS)


_TYPES = {Kind.DATE: "date", Kind.TIME: "time", Kind.MANY: "text[]"}

# Keys of the rows themselves, and what follows from the series.
_BY_OTHERS = frozenset(("0020000D", "0020000E", "00100020", "00080061", "00080062"))


def _names(column: Column) -> tuple[str, ...]:
    if column.kind is Kind.NAME:
        return tuple(f"{column.name}_{group}" for group in GROUPS)
    return (column.name,)


def _values(column: Column, attributes: Attributes) -> tuple[Any, ...]:
    if column.kind is Kind.MANY:
        return (texts_at(attributes, column.path),)
    text = text_at(attributes, column.path)
    if column.kind is Kind.NAME:
        return name_columns(text)
    if column.kind is Kind.DATE:
        return (date_of(text),)
    if column.kind is Kind.TIME:
        return (time_of(text),)
    if column.kind is Kind.DATETIME:
        return (None if text is None else datetime_key(text),)
    if column.kind is Kind.NUMBER:
        return (number_of(text),)
    return (text,)


@dataclass(frozen=True, slots=True)
class Answer:
    """A level's QIDO-RS answer as JSON members text: by default, and what `includefield` may add."""

    attributes: str
    more: str


def answer(table: Table, attributes: Attributes) -> Answer:
    """Both texts, members in tag order; required attributes that the bytes lack stand there empty."""
    full: dict[str, Attribute] = {key.hex: {"vr": key.vr} for key in _REQUIRED[table]}
    full.update(attributes)
    default = _DEFAULT[table]
    return Answer(
        attributes=members(full, (tag for tag in full if tag in default)),
        more=members(full, (tag for tag in full if tag not in default)),
    )


def members(attributes: Attributes, tags: Iterable[str] | None = None) -> str:
    """JSON members text in tag order (PS3.18 F.2.2), without braces."""
    wanted = attributes if tags is None else tags
    return SEPARATOR.join(f'"{tag}":{dumps(attributes[tag])}' for tag in sorted(wanted))


def joined(texts: Iterable[tuple[str, bytes]]) -> str:
    """The same from ready JSON texts in tag order."""
    return SEPARATOR.join([f'"{tag}":{text.decode()}' for tag, text in texts])


def dumps(value: object) -> str:
    """JSON that PostgreSQL accepts: no NUL, no lone surrogates."""
    try:
        text = orjson.dumps(value)
    except TypeError:
        text = orjson.dumps(_clean(value))
    if b"\\u0000" in text:
        text = orjson.dumps(_clean(value))
    return text.decode()


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_clean(key): _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def overlaid(original: Attributes, *overlays: Attributes) -> dict[str, Attribute]:
    """What readers see: the attributes from the bytes, with corrections; None (or an empty object) takes one away."""
    effective = dict(original)
    for overlay in overlays:
        effective.update(overlay)
    return {tag: attribute for tag, attribute in effective.items() if attribute}


def filled(known: Attributes, later: Attributes) -> dict[str, Attribute]:
    """What a later object adds: only what was absent or empty so far."""
    added = {tag: value for tag, value in later.items() if value.get("Value") and not known.get(tag, {}).get("Value")}
    return {**known, **added}
