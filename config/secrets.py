"""Secrets: settings say where they are, by the path of a file or as env:NAME and file:PATH; nothing else reads them."""

import os
from pathlib import Path

from config.reading import SettingsError

_OTHERS = 0o007


def secret_of(where: str) -> str:
    """The secret itself; of a file its text without the line's end. Raises SettingsError."""
    kind, _, place = where.partition(":")
    if kind != "env":
        return secret_text(Path(place).expanduser())
    if place not in os.environ:
        raise SettingsError(where, "there is no such variable in the environment")
    return os.environ[place]


def secret_text(file: Path) -> str:
    """The text of a file without the line's end. Raises SettingsError, as `secret_in`."""
    try:
        return secret_in(file).decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SettingsError(str(file), "holds no text") from error


def secret_in(file: Path) -> bytes:
    """What a file holds. Raises SettingsError for one that cannot be read, or as `refuse_open`."""
    refuse_open(file)
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(str(file), f"cannot be read: {error.strerror}") from error


def refuse_open(file: Path) -> None:
    """Raises SettingsError for a file that others than its owner and group may use, or that is not there."""
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise SettingsError(str(file), f"cannot be read: {error.strerror}") from error
    if mode & _OTHERS:
        raise SettingsError(str(file), "may be read by everybody on this machine: chmod 600")
