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
        if not (LEAST <= len(pin) <= MOST and pin.isascii() and pin.isdigit()):
            raise PacsdError(Fault.INVALID, f"a PIN has {LEAST} to {MOST} digits")
        if len(set(pin)) == 1 or pin in _ROW or pin[::-1] in _ROW:
            raise PacsdError(Fault.INVALID, "this PIN is too easy to guess")
        with self._turns:
            return self._hasher.hash(pin)

    def is_right(self, hashed: str, pin: str) -> bool:
        """Whether it is the PIN."""
        if not (LEAST <= len(pin) <= MOST and pin.isascii() and pin.isdigit()):
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
        if len(set(pin)) > 1 and pin not in _ROW and pin[::-1] not in _ROW:
            return pin
