"""Passwords: kept as Argon2id hashes (RFC 9106), and compared in the same time whoever is asked for."""

import unicodedata
from threading import BoundedSemaphore

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.profiles import RFC_9106_LOW_MEMORY

from pacsd.faults import Fault, PacsdError

LEAST, MOST = 12, 128                    # characters: length, no rules of composition (NIST SP 800-63B 3.1.1.2)
AT_ONCE = 2                              # hashes of one process at a time: each takes 64 MiB
_COMMON = frozenset((
    "1234567890", "0123456789", "12345678910", "1234567891", "password12", "password123", "qwertyuiop", "qwerty1234",
    "1q2w3e4r5t", "a123456789", "abcdefghij", "abcd123456", "administrator", "woaini1314", "5201314520", "iloveyou12",
))  # fmt: skip


class Passwords:
    """Hashes and compares passwords; a bounded number at a time, whatever the number of threads."""

    def __init__(self, parameters: Parameters = RFC_9106_LOW_MEMORY) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._turns = BoundedSemaphore(AT_ONCE)
        self._nobodys = self._hasher.hash("the password of nobody")

    def hash(self, password: str, *, username: str = "") -> str:
        """Of a new password. Raises PacsdError INVALID for one that is too short, too long or too easy to guess."""
        check(password, username=username)
        with self._turns:
            return self._hasher.hash(_normal(password))

    def renewed(self, password: str) -> str:
        """Of a password that was right a moment ago, whatever it is."""
        with self._turns:
            return self._hasher.hash(_normal(password))

    def is_right(self, hashed: str | None, password: str) -> bool:
        """Whether it is the password; None stands for a user that is not there, and takes as long."""
        with self._turns:
            try:
                self._hasher.verify(hashed or self._nobodys, _normal(password[: 4 * MOST]))
            except (Argon2Error, InvalidHashError):
                return False
        return hashed is not None

    def wants_renewal(self, hashed: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(hashed)


def check(password: str, *, username: str = "") -> None:
    """Raises PacsdError INVALID for a password that nobody should use."""
    if not LEAST <= len(password) <= MOST:
        raise PacsdError(Fault.INVALID, f"a password has {LEAST} to {MOST} characters")
    folded = _normal(password).lower()
    if folded in _COMMON or len(set(folded)) < 4 or (username and username.lower() in folded):
        raise PacsdError(Fault.INVALID, "this password is too easy to guess")


def _normal(password: str) -> str:
    """However a keyboard composes its letters (RFC 8265)."""
    return unicodedata.normalize("NFKC", password)
