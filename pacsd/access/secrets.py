"""Secrets of the settings, as config.secrets reads them, in the faults of this house."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from config import secrets
from config.reading import SettingsError
from pacsd.faults import Fault, PacsdError

T = TypeVar("T")


def secret_of(where: str) -> str:
    """The secret of env:NAME or file:PATH. Raises PacsdError INVALID where it cannot be had."""
    return _had(lambda: secrets.secret_of(where))


def secret_text(file: Path) -> str:
    """The text of a file without the line's end. Raises PacsdError INVALID, as `refuse_open`."""
    return _had(lambda: secrets.secret_text(file))


def secret_in(file: Path) -> bytes:
    """What a file holds. Raises PacsdError INVALID, as `refuse_open`."""
    return _had(lambda: secrets.secret_in(file))


def refuse_open(file: Path) -> None:
    """Raises PacsdError INVALID for a file that others than its owner and group may use, or that is not there."""
    _had(lambda: secrets.refuse_open(file))


def _had(read: Callable[[], T]) -> T:
    try:
        return read()
    except SettingsError as error:
        raise PacsdError(Fault.INVALID, str(error)) from error
