"""Who and what is called how in a project: always the same for the same key, and nothing of it without the key."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from pydicom import config
from pydicom.uid import UID

from pacsd.codec.text import normalise
from pacsd.faults import Fault, PacsdError

MIN_KEY_BYTES = 32
MAX_SHIFT_DAYS = 3650
_MIN_SHIFT_DAYS = 30
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"     # no I and O, no 0 and 1: people read these to each other


@dataclass(frozen=True)
class Project:
    """A project's pseudonyms (PS3.15 E.1.1 note 3): HMAC-SHA-256 of what is replaced, under the project's own key.

    Two exports of one patient in one project are linkable; projects share no identifier, UID or date shift. Raises
    PacsdError INVALID for a key of fewer than MIN_KEY_BYTES.
    """

    name: str
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) < MIN_KEY_BYTES:
            raise PacsdError(Fault.INVALID, f"the key of a project has at least {MIN_KEY_BYTES} bytes")

    def uid(self, uid: str) -> str:
        """The UID in place of another one (PS3.5 B.2); one that the standard defines stays."""
        if not uid or UID(uid, config.IGNORE).type:          # of Table A-1 in PS3.6: each has a type
            return uid
        digest = bytearray(self._digest("uid", uid)[:16])
        digest[6], digest[8] = digest[6] & 0x0F | 0x80, digest[8] & 0x3F | 0x80       # RFC 9562 version 8
        return f"2.25.{UUID(bytes=bytes(digest)).int}"

    def patient(self, issuer: str, patient_id: str) -> "Patient":
        """The patient whom an issuer calls so."""
        key = f"{normalise(issuer)}\0{patient_id.strip()}"
        number = int.from_bytes(self._digest("shift", key)[:8], "big")
        days = _MIN_SHIFT_DAYS + number % (MAX_SHIFT_DAYS - _MIN_SHIFT_DAYS + 1)
        return Patient(self._word("patient", key, 10), days)

    def identifier(self, kind: str, value: str) -> str:
        """In place of an identifier of that kind, in 12 characters."""
        return self._word(kind, value.strip(), 12)

    def seal(self, kind: str, value: bytes) -> bytes:
        """32 bytes that stand for a value and tell nobody without the key which it is."""
        return hmac.digest(self.key, f"{kind}\0".encode() + value, hashlib.sha256)

    def _word(self, kind: str, value: str, length: int) -> str:
        digest = self._digest(kind, value)
        return "".join(_ALPHABET[byte % 32] for byte in digest[:length])

    def _digest(self, kind: str, value: str) -> bytes:
        return hmac.digest(self.key, f"{kind}\0{value}".encode(), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient of a project; every date of theirs lies `shift_days` earlier than it was."""

    patient_id: str
    shift_days: int

    @property
    def name(self) -> str:
        """What stands for the Patient's Name."""
        return self.patient_id

    def shifted(self, value: str) -> str:
        """A DA or DT value so much earlier, as precise as it was where it names a day; "" where it names none.

        Both ends of a range are shifted; the time of day, and its offset from UTC, stay.
        """
        if "-" in value[1:9]:
            first, _, last = value.partition("-")
            return "-".join(filter(None, (self.shifted(first), self.shifted(last))))
        digits = value[:10].replace(".", "") if value[4:5] == "." else value[:8]     # ACR-NEMA wrote 1995.03.12
        if len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
            return ""
        try:
            day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) - timedelta(days=self.shift_days)
        except (ValueError, OverflowError):
            return ""
        return f"{day.year:04d}{day:%m%d}" + value[10 if value[4:5] == "." else 8 :]
