"""PINs: few digits, so that what protects them is how few of them may be tried, and how slowly."""

import secrets
from threading import BoundedSemaphore

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.profiles import RFC_9106_LOW_MEMORY

from pacsd.faults import Fault, PacsdError

LEAST, MOST, MADE = 4, 12, 6             # digits: of those that are given, and of ours
AT_ONCE = 2                              # hashes of one process at a time: each takes 64 MiB
_ROW = "01234567890"


class Pins:
    """Hashes and compares PINs."""

    def __init__(self, parameters: Parameters = RFC_9106_LOW_MEMORY) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._turns = BoundedSemaphore(AT_ONCE)

    def hash(self, pin: str) -> str:
        """Of a new PIN. Raises PacsdError INVALID for one that is none, or that anybody tries first."""
        if not _is_pin(pin):
            raise PacsdError(Fault.INVALID, f"a PIN has {LEAST} to {MOST} digits")
        if _is_easy(pin):
            raise PacsdError(Fault.INVALID, "this PIN is too easy to guess")
        with self._turns:
            return self._hasher.hash(pin)

    def is_right(self, hashed: str, pin: str) -> bool:
        """Whether it is the PIN."""
        if not _is_pin(pin):
            return False
        with self._turns:
            try:
                return self._hasher.verify(hashed, pin)
            except (Argon2Error, InvalidHashError):
                return False


def new_pin() -> str:
    """One of ours."""
    while True:
        pin = "".join(secrets.choice("0123456789") for _ in range(MADE))
        if not _is_easy(pin):
            return pin


def _is_pin(text: str) -> bool:
    return LEAST <= len(text) <= MOST and text.isascii() and text.isdigit()


def _is_easy(pin: str) -> bool:
    return len(set(pin)) == 1 or pin in _ROW or pin[::-1] in _ROW
