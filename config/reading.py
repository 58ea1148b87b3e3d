"""From TOML tables to frozen dataclasses, with errors that name the key."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass
from pathlib import Path
from typing import Any, TypeVar

from config.checks import Check

T = TypeVar("T")
WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


class SettingsError(ValueError):
    """A setting that cannot be used: `key` says which, such as remote_aes[2].port."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}{problem}" if problem.startswith("[") else f"{key}: {problem}")
        self.key = key
        self.problem = problem


def setting(default: Any = MISSING, *, en: str, zh: str, unit: str = "", check: Check | None = None) -> Any:
    """A field of the settings tree: its default, unit, help in two languages and check in one place."""
    metadata = {"en": en, "zh": zh, "unit": unit, "check": check}
    if isinstance(default, type):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Checked:
    """A branch of the tree; making one, from a file or in code, checks its values."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check, value = field.metadata.get("check"), getattr(self, field.name)
            problem = check(value) if check is not None and value is not None else None
            if problem is not None:
                raise SettingsError(field.name, problem)


def read(kind: type[T], table: Mapping[str, object], *, key: str = "", folder: Path) -> T:
    """A dataclass from a table; paths are relative to `folder`. Raises SettingsError."""
    fields: dict[str, Field[Any]] = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in table:
        if name not in fields:
            raise SettingsError(_join(key, name), f"no such setting; there is {', '.join(fields)}")
    hints = typing.get_type_hints(kind)
    values = {name: _value(hints[name], raw, _join(key, name), folder) for name, raw in table.items()}
    for name, field in fields.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise SettingsError(_join(key, name), "is missing")
    try:
        return kind(**values)
    except SettingsError as error:
        raise SettingsError(_join(key, error.key), error.problem) from None


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _value(hint: Any, raw: object, key: str, folder: Path) -> object:
    """One value, converted to the type that `hint` names."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):  # X | None
        return None if raw is None else _value(typing.get_args(hint)[0], raw, key, folder)
    if origin is tuple:
        return _tuple(typing.get_args(hint)[0], raw, key, folder)
    if dataclasses.is_dataclass(hint):
        if not isinstance(raw, Mapping):
            raise SettingsError(key, "must be a table")
        return read(typing.cast(type[object], hint), raw, key=key, folder=folder)
    return _scalar(hint, raw, key, folder)


def _tuple(inner: Any, raw: object, key: str, folder: Path) -> tuple[object, ...]:
    if not isinstance(raw, list | tuple):
        what = "tables" if dataclasses.is_dataclass(inner) else "texts"
        raise SettingsError(key, f"must be a list of {what}")
    return tuple(_value(inner, member, f"{key}[{position}]", folder) for position, member in enumerate(raw))


def _scalar(hint: Any, raw: object, key: str, folder: Path) -> object:
    if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if hint is Path and isinstance(raw, str | Path):
        return folder / Path(raw).expanduser()
    if type(raw) is not hint:
        raise SettingsError(key, f"must be {WORDS[hint]}, not {raw!r}")
    return raw
