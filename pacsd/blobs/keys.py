"""What a blob may be called: names that are safe on a file system and plain in object storage."""

import re

from pacsd.faults import Fault, PacsdError

MAX_KEY_CHARACTERS = 512
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,199})*")


def checked(key: str) -> str:
    """The key itself, or PacsdError MALFORMED.

    Segments are letters, digits, `.`, `-` and `_`, and none starts with `.`: no `..`, no absolute path, no hidden name.
    """
    if len(key) > MAX_KEY_CHARACTERS or _KEY.fullmatch(key) is None:
        raise PacsdError(Fault.MALFORMED, "a blob key may hold only letters, digits, '.', '-', '_' and '/'")
    return key


def checked_prefix(prefix: str) -> str:
    """The prefix itself if some key could start with it, or PacsdError MALFORMED."""
    if prefix:
        checked(prefix + "x")
    return prefix
