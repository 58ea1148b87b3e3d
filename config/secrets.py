"""Secrets: settings say where they are (env:NAME, file:PATH), and nothing but this reads them."""

import os
from pathlib import Path

from config.reading import SettingsError


def secret_of(where: str) -> str:
    """The secret itself; of a file its text without the line's end. Raises SettingsError."""
    kind, _, place = where.partition(":")
    if kind == "env":
        if place not in os.environ:
            raise SettingsError(where, "there is no such variable in the environment")
        return os.environ[place]
    try:
        return Path(place).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(where, f"cannot be read: {type(error).__name__}") from error
